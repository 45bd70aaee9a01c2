"""The app: a stack of plugins with their settings, and its life.

    boot      load plugins, read settings, ask for contributions, freeze them      (no event loop needed)
    start     broker → services → handlers → transports                            (`async with app`)
    drain     accept nothing new, tell clients to attach elsewhere, deliver what is pending
    stop      the reverse of start

Rule: no globals. Two apps in one process do not know of each other; tests pass plugins explicitly.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from rtcore import hooks
from rtcore.errors import PluginError, RtcoreError, SettingsError, WrongThread
from rtcore.forks import Forks, Numbered
from rtcore.inbound import Inbound
from rtcore.manager import RealtimeManager
from rtcore.plugins import Report, load, new_manager, settings_classes
from rtcore.registry import Registry, build
from rtcore.reloading import Reloaded, judged
from rtcore.settings import Options, Resolved, Sources, from_mapping, resolve
from rtcore.spi.handler import Handler
from rtcore.spi.rooms import Rooms
from rtcore.spi.service import Checked
from rtcore.steps import Steps
from rtcore.tasks import Tasks
from rtcore.telemetry import Tracing
from rtcore.threads import Threads
from rtcore.wire.policy import Policy

if TYPE_CHECKING:
    import pluggy

    from rtcore.spi.broker import Broker, Publication

_log = logging.getLogger("rtcore.app")

#: The part of a stop's time that is kept for tasks that have been cancelled and clean up.
LATE = 0.2

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Any])


class App:
    """A server made of plugins.

        app = App()

        @app.handler("chat:message")
        async def chat(session: Session, message: Message) -> dict[str, bool]:
            return {"seen": True}

        app.run()

    Args:
        settings: a mapping of the shape of `rtcore.toml`, or sources that were loaded before; `None`: defaults.
        plugins: modules or objects with hook implementations; `None`: every installed distribution with an
            `rtcore` entry point, as the settings `plugins` and `disabled` say.
        clock: seconds that never go back; for tests.
    """

    def __init__(
        self,
        settings: Mapping[str, Any] | Sources | None = None,
        *,
        plugins: Sequence[object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._sources = settings if isinstance(settings, Sources) else from_mapping(settings or {})
        self._explicit = plugins
        self._own: list[Handler] = []
        self.policies: dict[str, Policy] = {}
        self.threads = Threads()
        self._booted = False
        self._tasks = Tasks()
        self._forks = Forks()
        self._steps: Steps | None = None
        self._hooks: pluggy.PluginManager
        self._broker: Broker | None = None
        self.plugins: Report
        self.resolved: Resolved
        self.options: Options
        self.registry: Registry
        self.manager: RealtimeManager
        self.tracing: Tracing | None = None
        self.node = ""

    # -- for applications ------------------------------------------------------------------------------

    def handler(self, pattern: str, *, concurrent: bool = False, detached: bool = False) -> Callable[[C], C]:
        """Handle messages whose type matches; see `rtcore.spi.handler.Handler`. Use before the app starts.

        Raises:
            RtcoreError: the app has booted already.
        """
        if self._booted:
            raise RtcoreError(f"handler {pattern!r}: the app has booted; add handlers before it starts")

        def add(call: C) -> C:
            self._own.append(Handler(pattern, call, concurrent=concurrent, detached=detached))
            return call

        return add

    def policy(self, pattern: str, policy: Policy) -> None:
        """Say what happens to messages of a type (or `prefix*`) while a client cannot take them.

        Wins over the same pattern in the settings. Use before the app starts.

        Raises:
            RtcoreError: the app has booted already.
        """
        if self._booted:
            raise RtcoreError(f"policy {pattern!r}: the app has booted; say it before it starts")
        self.policies[pattern] = policy

    def run(self) -> None:
        """Run until SIGTERM or SIGINT, then drain and stop; a second signal ends at once. See `rtcore.serve`.

        After a signal it takes `drain_time` + `stop_grace` seconds at most; then the process ends as it is.
        """
        from rtcore.serve import run

        run(self)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # -- for plugins -----------------------------------------------------------------------------------

    def settings(self, cls: type[T]) -> T:
        """Return the plugin's section of the settings, as its class says."""
        return self.resolved.section(cls)

    def get(self, protocol: type[T]) -> T:
        """Return the service that somebody provides for a Protocol.

        Raises:
            RtcoreError: nobody does; name it in `rtcore_requirements` to learn of it at boot.
        """
        service = self.find(protocol)
        if service is None:
            raise RtcoreError(f"no plugin provides the service {protocol.__name__}")
        return service

    def find(self, protocol: type[T]) -> T | None:
        """Return the service for a Protocol, or `None`."""
        return self.registry.services.get(protocol)  # type: ignore[return-value]  # the registry checked its members

    @property
    def hook(self) -> Any:
        """Pluggy's relay, for a plugin's own hooks; at boot, not per message."""
        return self._hooks.hook

    @property
    def broker(self) -> Broker | None:
        """The broker in use, if there is one."""
        return self._broker

    @property
    def draining(self) -> bool:
        """The app accepts nothing new."""
        return self._booted and self.manager.draining

    def spawn(self, coro: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Run something in a task that the app owns: it has a name, its failure is logged, it ends with the app.

        A `SystemExit` or a `KeyboardInterrupt` that it raises is such a failure, and does not end the event loop.

        Raises:
            WrongThread: called in another thread; `from_thread` does it.
        """
        try:
            self.threads.only_here(
                "app.spawn", "app.from_thread(…), which awaits what it calls in the app's loop"
            )
        except WrongThread:
            coro.close()
            raise
        return self._tasks.spawn(coro, name)

    def from_thread(
        self, call: Callable[..., Any], /, *args: Any, timeout: float | None = None, **fields: Any
    ) -> Any:
        """Call something in the app's thread, from another one: wait for what it returns, and return that.

        It is called after whatever this thread has called before. If it returns an awaitable, that is awaited.

        Args:
            call: anything: `app.manager.join_room`, a lambda.
            args, fields: its arguments.
            timeout: seconds; `None` for no limit.

        Raises:
            WrongThread: this is the app's own thread, or the app does not run.
            TimeoutError: it took longer; what it awaits is cancelled.
            Exception: what the call raises.
        """
        return self.threads.run(call, *args, timeout=timeout, **fields)

    def own(self, coro: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Do the same for what lets no such thing out: a frame less for each handler."""
        return self._tasks.own(coro, name)

    def close_in_children(self, listening: Callable[[], Iterable[Numbered]]) -> None:
        """Close, in each child that this process forks, what a transport listens on and has accepted there.

        A transport with a port of its own calls this once. `listening` returns its listening sockets that are open.
        """
        self._forks.close_in_children(listening)

    def observe(self, hook: str, **facts: Any) -> None:
        """Tell the observers. One that raises is logged; it changes nothing for anybody else.

        pluggy's own call would end with the first that raises, and the rooms would never hear that a session is over.
        """
        observers = getattr(self._hooks.hook, hook).get_hookimpls()
        if not observers:
            return
        facts["app"] = self
        for impl in reversed(observers):
            try:
                impl.function(*[facts[name] for name in impl.argnames])
            except BaseException:  # noqa: BLE001 - an observer only looks on
                _log.exception("the observer of %s in plugin %r failed", hook, impl.plugin_name)

    # -- life ------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Load, read and freeze everything. Again is harmless.

        Raises:
            PluginError: a plugin that is wanted cannot be used.
            SettingsError: with every problem in the settings.
        """
        if self._booted:
            return
        sources = self._sources
        self._hooks = new_manager()
        self.plugins = load(
            self._hooks,
            named=sources.names("plugins"),
            disabled=sources.names("disabled") or (),
            explicit=self._explicit,
            required=sources.sections(),
        )
        self.resolved = resolve(
            sources, settings_classes(self._hooks), ignored=self.plugins.idle, plain=self.plugins.loaded
        )
        self.options = self.resolved.options
        self.node = self.options.node or secrets.token_hex(4)
        self.registry = build(self, self._hooks, self._own)
        self._broker = self._choose_broker()
        self._check_services()
        self.tracing = self.find(Tracing)
        self.manager = RealtimeManager(self)
        self.manager.inbound = Inbound(
            self.registry.routes,
            self.registry.interceptors,
            self.registry.limiters,
            counters=self.manager.counters,
            tracing=self.tracing,
            rooms=self.find(Rooms),
        )
        self._booted = True

    def reload(self, settings: Mapping[str, Any] | Sources | None = None) -> Reloaded:
        """Read settings again while the app runs. All or nothing: what raises has changed nothing.

        Args:
            settings: as the app was made with; without any the same again, which reads files that they name.

        Returns:
            What has changed, and what needs a restart.

        Raises:
            SettingsError: with every problem there is.
            PluginError: a plugin cannot use what is new, such as a certificate.
        """
        if not self._booted:
            raise RtcoreError("the app has not booted: there is nothing to read again")
        sources = self._sources
        if settings is not None:
            sources = settings if isinstance(settings, Sources) else from_mapping(settings)
        classes = settings_classes(self._hooks)
        new = resolve(sources, classes, ignored=self.plugins.idle, plain=self.plugins.loaded)
        merged, reloaded, steps = judged(self, new)
        self._sources, self.resolved = sources, merged
        self.options = self.manager.options = merged.options
        for step in steps:
            try:
                step()
            except Exception:  # noqa: BLE001 - it has broken its promise; the others keep theirs
                _log.exception("a plugin could not put its settings in force")
        self.manager.greeter.restate()
        return reloaded

    async def start(self) -> None:
        """Boot, then start everything: broker, services, handlers, transports. Undone whole if anything fails."""
        self.boot()
        if self._steps is not None:
            raise RtcoreError("the app is running already")
        self.threads.start(asyncio.get_running_loop(), self.spawn)
        steps = Steps()
        try:
            await self._begin(steps)
        except BaseException:  # noqa: BLE001 - raised again, once everything is undone
            self.threads.stop()
            try:
                async with steps:
                    raise
            finally:
                await self._tasks.end(asyncio.get_running_loop().time() + self.options.stop_grace)
        self._steps = steps
        _log.info("started: node %s, %d plugins", self.node, len(self.plugins.loaded))

    async def stop(self, within: float | None = None) -> None:
        """Close what is open and undo the start. Call `drain` before it to be gentle. Again is harmless.

        Args:
            within: seconds; `stop_grace` of the settings by default. A step that takes longer is cancelled, and a task
                that does not end for it is left behind; both are logged.
        """
        if self._steps is not None:
            self.threads.only_here("app.stop", "app.from_thread(app.stop)")
        steps, self._steps = self._steps, None
        if steps is None:
            return
        self.manager.draining = True
        within = self.options.stop_grace if within is None else within
        end_by = asyncio.get_running_loop().time() + within
        steps.end_by = end_by - within * LATE
        try:
            async with steps:
                for name, transport in self.registry.transports.items():
                    await steps.step(f"transport {name}", transport.stop_accepting)
                self.manager.stop()
                # One turn of the loop, so that what was written reaches the sockets before they are closed.
                await asyncio.sleep(0)
        finally:
            await self._tasks.end(end_by)
        _log.info("stopped")

    async def drain(self, within: float | None = None) -> None:
        """Accept nothing new and ask every client to attach elsewhere, each at its moment within the time given.

        Args:
            within: seconds; `drain_time` of the settings by default. Returns earlier when everybody has left.
        """
        self.threads.only_here("app.drain", "app.from_thread(app.drain)")
        within = self.options.drain_time if within is None else within
        manager = self.manager
        manager.draining = True
        for transport in self.registry.transports.values():
            await transport.stop_accepting()
        attached = [session for session in manager.sessions.values() if session.connection is not None]
        for place, session in enumerate(attached):
            connection = session.connection
            if connection is not None:
                # Spread over the first half, so that the last ones have time to go, too.
                connection.control("move", {"within": round(within / 2 * (place + 1) / len(attached), 3)})
        deadline = self.clock() + within
        while self.clock() < deadline and manager.attached:  # noqa: ASYNC110 - once in a server's life
            await asyncio.sleep(0.05)

    # -- inside ----------------------------------------------------------------------------------------

    async def _begin(self, steps: Steps) -> None:
        """Start everything; note how each step is undone."""
        self.manager.draining = False
        self.manager.flusher.start(asyncio.get_running_loop())
        phases = self._lifespans()
        if self._broker is not None:
            steps.undo(f"broker {self._broker.name}", self._broker.stop)
            await self._broker.start(self._deliver)
        for phase in hooks.Phase:
            if phase is hooks.Phase.TRANSPORTS:
                for name, transport in self.registry.transports.items():
                    steps.undo(f"transport {name}", transport.stop)
                    # Before any of them stops: the first may have connections when the second fails to start.
                    steps.callback(self.manager.stop)
                    await transport.start(self)
            for plugin, context in phases[phase]:
                await steps.enter(f"the lifespan of {plugin}", context)
        self.spawn(self.manager.heartbeat.run(), name="heartbeat")

    def _choose_broker(self) -> Broker | None:
        brokers, wanted = self.registry.brokers, self.options.broker
        if wanted is not None:
            if wanted not in brokers:
                have = ", ".join(f"`{name}`" for name in brokers) or "none"
                raise PluginError(
                    wanted, f"broker = {wanted!r}, but no plugin provides it", mend=f"installed: {have}"
                )
            return brokers[wanted]
        if len(brokers) > 1:
            names = ", ".join(f"`{name}`" for name in brokers)
            raise PluginError(next(iter(brokers)), f"several brokers: {names}", mend="choose one: broker = …")
        return next(iter(brokers.values()), None)

    def _check_services(self) -> None:
        checked = [one for one in self.registry.services.values() if isinstance(one, Checked)]
        problems = [problem for service in checked for problem in service.problems()]
        if problems:
            raise SettingsError(problems)

    def _deliver(self, publication: Publication) -> None:
        if self.threads.take("a broker's delivery", self._deliver, publication):
            return  # some drivers call back in a thread of their own
        rooms = self.find(Rooms)
        if rooms is not None:
            rooms.deliver(publication)

    def _lifespans(self) -> Mapping[hooks.Phase, list[tuple[str, AbstractAsyncContextManager[Any]]]]:
        phases: dict[hooks.Phase, list[tuple[str, AbstractAsyncContextManager[Any]]]] = {
            p: [] for p in hooks.Phase
        }
        impls = self._hooks.hook.rtcore_lifespan.get_hookimpls()
        for impl in sorted(impls, key=lambda impl: impl.plugin_name):
            answer: Any = impl.function(*[self for _ in impl.argnames])
            if isinstance(answer, hooks.Lifespan):
                phases[answer.phase].append((impl.plugin_name, answer.context))
            elif answer is not None:
                phases[hooks.Phase.SERVICES].append((impl.plugin_name, answer))
        return phases
