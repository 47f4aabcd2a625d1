"""The agent as a whole: started in order, stopped in reverse, reloaded in between."""

from __future__ import annotations

import contextlib
import functools
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from hyperjobs import __version__
from hyperjobs.agent.care import Care
from hyperjobs.agent.channels import channels_of
from hyperjobs.agent.gate import Gate
from hyperjobs.agent.lock import AgentLock
from hyperjobs.agent.speaker import Speaker
from hyperjobs.agent.web_policy import WebPolicy
from hyperjobs.agent.workshop import Workshop
from hyperjobs.config.model import fixed_options
from hyperjobs.errors import ConfigError, HyperjobsError, StoreClosedError
from hyperjobs.logs import configure_logs
from hyperjobs.maintenance.restore.staging import forget_killed
from hyperjobs.metrics.agent import AgentSource
from hyperjobs.metrics.catalogue import groups
from hyperjobs.store.continuity import Continuity
from hyperjobs.store.events import Events
from hyperjobs.store.holds import Holds
from hyperjobs.store.mount import set_allowed
from hyperjobs.store.reader import Troubles
from hyperjobs.store.sqlite import open_store
from hyperjobs.store.state import StateFile
from hyperjobs.store.version import driver_version, sqlite_version
from hyperjobs.web.app import App
from hyperjobs.web.hosts import HostRule
from hyperjobs.web.policy import OPEN
from hyperjobs.web.server import Server
from hyperjobs.web.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from prometheus_client.core import Metric

    from hyperjobs.agent.night import Night
    from hyperjobs.clock import Clock
    from hyperjobs.config import Config
    from hyperjobs.config.model import OptionPath
    from hyperjobs.web.shapes import Overview

log = structlog.get_logger(__name__)

_STOP_S = 1.0


class Agent:
    """One agent for one store. ``start``, ``reload`` and ``stop`` may be called from any thread."""

    def __init__(self, config: Config, load: Callable[[], Config], *, clock: Clock) -> None:
        """``load`` reads the configuration again, for a reload."""
        if config.store.path is None:
            raise ConfigError("store.path is not set; give it in the file, as HYPERJOBS_STORE__PATH or with --store")
        self._config = config
        self._load = load
        self._clock = clock
        self._path = Path(config.store.path)
        self._reload_lock = threading.Lock()
        self._reloaded: tuple[bool, datetime] = (True, clock.now())
        self._is_ready = self._is_stopping = False
        self._troubles = Troubles()
        self._lock = AgentLock(self._path.resolve(), config.store.state_dir)
        self._agent_source = AgentSource(
            version=__version__,
            sqlite=sqlite_version(),
            apsw=driver_version(),
            reloaded=self._last_reload,
            is_leader=lambda: self._lock.is_held,
            notifications=lambda: {} if self._speaker is None else self._speaker.counts(),
        )
        self._speaker: Speaker | None = None
        self._web_policy: WebPolicy | None = None
        self._server: Server | None = None
        self._state: StateFile | None = None
        self._care: Care | None = None
        self._retired: list[Night] = []

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens, ``host:port`` each."""
        return self._server.addresses if self._server is not None else ()

    def start(self) -> None:
        """Take the lock, bind, and begin; whatever fails, nothing is left half alive.

        Raises:
            ConfigError: the web configuration file or a channel of notifications cannot be used.
            AgentRunningError: another agent looks after the store.
            HyperjobsError: an address cannot be bound, the state directory cannot be written.
        """
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            if self._config.web.config_file is not None:
                self._web_policy = WebPolicy(self._config.web.config_file, clock=self._clock)
            self._lock.acquire()
            self._state = StateFile(self._config.store.state_dir, self._path, clock=self._clock)
            if self._state.was_damaged:
                log.warning("state.replaced", path=str(self._state.path), reason="damaged")
                # Whether the store was frozen is lost with it, so it is, until a person says otherwise.
                message = "the state file was damaged, and with it went whether the store was frozen"
                Holds(self._state).freeze("state_lost", message, self._clock.now())
                Events(self._state).add_freeze("state_lost", message, self._clock.now())
            self._continuity = Continuity(self._state)
            with contextlib.suppress(OSError):  # what is wrong with the store is told when it is opened
                forget_killed(self._path.resolve())
            set_allowed(self._path, is_allowed=self._config.store.network_filesystem == "allow")
            self._speaker = self._new_speaker(self._state)
            self._create_store()
            self._care = self._new_care(self._config)
            self._server = Server(
                self._config.web.listen, self._app(), policy=self._web_policy or (lambda: OPEN), clock=self._clock
            )
            self._server.start()
            self._speaker.start()  # before the tasks, for one that was missed runs at once
            self._care.start()
            self._remember(self._config)
            undo.pop_all()
        self._is_ready = True
        log.info("agent.started", store=str(self._path), addresses=list(self.addresses), version=__version__)

    def reload(self, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Put the configuration as it is now into force.

        Args:
            is_stopping: whether the process was told to end meanwhile; then nothing is counted any more.

        Raises:
            ConfigError: it cannot be used, it changes what only a restart can, or it would delete much
                (ReloadRefusedError); the old one stays in force.
        """
        with self._reload_lock:
            if self._is_stopping:
                raise ConfigError("the agent is stopping; there is nothing to reload")
            try:
                config = self._load()
                self._refuse_fixed(config)
                channels = channels_of(config)
                self._gate().admit(self._config, config, lambda: self._is_stopping or is_stopping())
            except HyperjobsError as exc:
                self._reloaded = (False, self._reloaded[1])
                log.error("config.reload_failed", reason=exc.reason, error=str(exc))  # noqa: TRY400 - the message says all
                raise
            old, self._care = self._care, self._new_care(config)  # scrapes go on, by the new one
            self._config = config
            self._remember(config)
            try:
                if old is not None:
                    old.stop(_STOP_S, is_reload=True)
                    self._retired = [night for night in [*self._retired, old.night] if not night.retire()]
            finally:
                self._care.start()
            if self._speaker is not None:
                self._speaker.use(config, channels)
            configure_logs(config.log.level, config.log.format)
            self._reloaded = (True, self._clock.now())
            log.info("config.reloaded", path=str(config.source))

    def stop(self) -> bool:
        """End everything, in reverse, within 2 s; whether all ended by itself."""
        self._is_ready, self._is_stopping = False, True
        with self._reload_lock:  # a reload under way ends first, it takes no longer than a stop
            care, self._care = self._care, None
        if self._speaker is not None:
            self._speaker.ask_to_stop(_STOP_S)
        for night in self._retired:
            night.ask_to_stop()
        is_done = care.stop(_STOP_S) if care is not None else True
        is_done = all(night.stop(_STOP_S / 4) for night in self._retired) and is_done
        if self._server is not None:
            self._server.stop(_STOP_S / 2)
        if self._speaker is not None:  # a receiver that does not answer is left behind, and is nobody's loss
            self._speaker.stop(_STOP_S / 4)
        if self._state is not None:
            try:
                self._continuity.save()
                self._state.close()
            except Exception as exc:  # noqa: BLE001 - a full disk under the state must not keep the agent from ending
                log.warning("state.not_saved", error=str(exc))
        self._lock.release()
        return is_done

    def silent_s(self) -> float:
        """The longest that a part of it has not shown that it lives."""
        care, server = self._care, self._server
        if server is not None and not server.is_serving:
            return float("inf")
        return care.silent_s() if care is not None else 0.0

    def _last_reload(self) -> tuple[bool, datetime]:
        """Whether the configuration in force is that of the files, the web's among them, and since when."""
        is_good, at = self._reloaded
        return is_good and (self._web_policy is None or self._web_policy.is_current), at

    def _app(self) -> App:
        return App(
            collect=self._collect,
            is_ready=lambda: self._is_ready,
            site=self._site(),
            reload=self.reload if self._config.web.reload else None,
            groups=groups(),
            scraped=lambda: self._agent_source.scraped(self._clock.now()),
            clock=self._clock,
        )

    def _site(self) -> Site:
        return Site(
            overview=self._overview,
            look=lambda: self._now_care().lists,
            has_jobs=lambda: self._config.web.jobs,
            hosts=HostRule(
                [address.host for address in self._config.web.addresses], names=lambda: self._config.web.hosts
            ),
            clock=self._clock,
        )

    def _overview(self, deadline_s: float) -> Overview:
        while True:
            care = self._now_care()
            try:
                return care.overviews.find(
                    deadline_s, has_jobs=self._config.web.jobs, has_reload_failed=not self._reloaded[0]
                )
            except StoreClosedError:
                if self._care is care:  # else a reload has put another in its place meanwhile
                    raise

    def _now_care(self) -> Care:
        care = self._care
        if care is None:
            raise StoreClosedError(f"{self._path}: the agent is stopping")
        return care

    def _collect(self, deadline_s: float) -> list[Metric]:
        care = self._care
        return care.collect(deadline_s) if care is not None else []

    def _gate(self) -> Gate:
        assert self._state is not None  # noqa: S101 - start made it
        return Gate(self._path.resolve(), self._state, clock=self._clock)

    def _remember(self, config: Config) -> None:
        try:
            self._gate().remember(config)
        except HyperjobsError as exc:  # only who asks before a reload would miss it
            log.warning("state.not_saved", error=str(exc))

    def _new_care(self, config: Config) -> Care:
        assert self._state is not None  # noqa: S101 - start made it
        set_allowed(self._path, is_allowed=config.store.network_filesystem == "allow")
        return Care(
            config,
            self._path.resolve(),
            state=self._state,
            continuity=self._continuity,
            troubles=self._troubles,
            lock=self._lock,
            workshop=self._new_workshop(config, self._state),
            agent=self._agent_source,
            clock=self._clock,
            counts=self._care.counts if self._care is not None else None,
        )

    def _new_workshop(self, config: Config, state: StateFile) -> Workshop:
        assert self._speaker is not None  # noqa: S101 - start made it
        announcer = self._speaker.announcer
        return Workshop(
            config, self._path.resolve(), state, clock=self._clock, begun=announcer.begun, ended=announcer.ended
        )

    def _new_speaker(self, state: StateFile) -> Speaker:
        return Speaker(
            self._config,
            state,
            troubles=self._troubles,
            store_trouble=lambda: None if self._care is None else self._care.store_trouble(),
            is_configured=lambda: self._last_reload()[0],
            scrapes=lambda: self._agent_source.scrapes,
            clock=self._clock,
        )

    def _create_store(self) -> None:
        if self._config.store.create and not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            open_store(self._path, create=True).close()
            log.info("store.created", path=str(self._path))

    def _refuse_fixed(self, config: Config) -> None:
        changed = [".".join(path) for path in fixed_options() if _option(config, path) != _option(self._config, path)]
        if changed:
            raise ConfigError(f"{', '.join(changed)} cannot change while the agent runs; restart it")


def _option(config: Config, path: OptionPath) -> object:
    return functools.reduce(getattr, path, config)
