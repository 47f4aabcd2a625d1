"""Draw every dashboard over a living demo and keep the pictures: ``make screenshots``."""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from playwright.sync_api import sync_playwright

from dashboards.__main__ import PLACE
from demo.living import living

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

HERE: Final = Path(__file__).parent
IMAGES: Final = HERE.parents[1] / "docs" / "images"
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_SPANS: Final = {"hyperjobs-overview": "now-48h", "hyperjobs-jobs": "now-10d"}
"""What of the time there is most to be seen; of the rest what the demo has lived."""


@contextlib.contextmanager
def served(directory: Path) -> Iterator[str]:
    """The address of a server of the built page, for the length of a block."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def shoot(browser: Browser, address: str, file: Path, *, width: int = 1600) -> None:
    """Draw one dashboard and keep the picture, once all of its panels are there."""
    page = browser.new_page(viewport={"width": width, "height": 900}, timezone_id="UTC")
    page.goto(address)
    page.wait_for_function("document.title === 'drawn'", timeout=60_000)
    page.wait_for_timeout(1_500)  # the graphs are drawn on canvas in the frames that follow
    page.screenshot(path=str(file), full_page=True)
    page.close()


def main() -> None:
    """Live for a while, then take the pictures."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("page", type=Path, help="the directory of the built page")
    words.add_argument("--out", type=Path, default=IMAGES)
    words.add_argument("--minutes", type=float, default=8.0, help="how long the demo lives first")
    words.add_argument("--prometheus", help="one that runs already, in place of a demo")
    words.add_argument("--theme", choices=("dark", "light"), default="dark")
    given = words.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, served(given.page) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=[*_FLAGS])
        if given.prometheus:
            _all(browser, address, given.prometheus, given)
        else:
            with living(Path(directory), speed=20, say=print) as demo:
                time.sleep(given.minutes * 60)
                _all(browser, address, demo.prometheus or "", given)
        browser.close()


def _all(browser: Browser, address: str, prometheus: str, given: argparse.Namespace) -> None:
    for file in sorted(PLACE.glob("*.json")):
        uid = file.stem
        since = _SPANS.get(uid, f"now-{max(int(given.minutes) + 1, 5)}m")
        asked = f"{address}/?dashboard={uid}&prometheus={prometheus}&theme={given.theme}&since={since}&open=rows"
        shoot(browser, asked, given.out / f"{uid.replace('hyperjobs-', 'dashboard-')}.png")


if __name__ == "__main__":
    main()
