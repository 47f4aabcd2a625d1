"""A real Chromium, started once, and the status page of a real store served to it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from hyperjobs.store.sqlite import open_store
from hyperjobs.web.server import Server
from support import tools
from support.scrapes import hand_turned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from support.scrapes import HandTurned

_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
_NOTE_VIOLATIONS = (
    "window.violations = [];"
    "addEventListener('securitypolicyviolation', e => violations.push(`${e.violatedDirective} ${e.blockedURI}`))"
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a window."""
    tools.require("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=tools.path_of("chromium"), args=_ARGUMENTS)
        yield started
        started.close()


@dataclass
class Shown:
    """A page as a person has it before them.

    Attributes:
        troubles: what the browser complained of: errors, refused resources, dialogs.
        asked: the addresses it asked for.
    """

    page: Page
    troubles: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def complaints(self) -> list[str]:
        """All of them, violations of the policy too."""
        return [*self.troubles, *self.page.evaluate("window.violations || []")]

    def overflow_px(self) -> int:
        """By how much the page is wider than its window."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.fixture
def show(browser: Browser) -> Iterator[Callable[..., Shown]]:
    """Opens an address in a window of its own."""
    with ExitStack() as windows:

        def open_one(url: str, *, width: int = 1280, **options: object) -> Shown:
            context = browser.new_context(viewport={"width": width, "height": 900}, **options)
            windows.callback(context.close)
            context.add_init_script(_NOTE_VIOLATIONS)
            shown = Shown(context.new_page())
            page = shown.page
            page.on(
                "console", lambda said: shown.troubles.append(said.text) if said.type in {"error", "warning"} else None
            )
            page.on("pageerror", lambda error: shown.troubles.append(str(error)))
            page.on("dialog", lambda dialog: (shown.troubles.append(dialog.message), dialog.dismiss()))
            page.on("request", lambda asked: shown.asked.append(asked.url))
            page.clock.install()  # what the page waits for comes when the test says
            page.goto(url)
            return shown

        yield open_one


@dataclass
class Served:
    """A store with its agent turned by hand, and where its page is."""

    turned: HandTurned
    url: str


@pytest.fixture
def serve(tmp_path) -> Iterator[Callable[..., Served]]:
    """Serves the page of a store with these jobs; ``create=False`` leaves the store to the test."""
    with ExitStack() as stack:

        def start(*jobs: object, create: bool = True, **options: object) -> Served:
            path = tmp_path / "jobs.db"
            if create:
                with open_store(path, create=True) as store:
                    store.save_jobs(jobs)
            turned = stack.enter_context(hand_turned(path, tmp_path / "state", **options))
            if create:
                turned.turn()
            server = stack.enter_context(Server(("127.0.0.1:0",), turned.app))
            return Served(turned, f"http://{server.addresses[0]}/")

        yield start
