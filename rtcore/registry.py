"""The registry: what the hooks contributed, checked, named, ordered and frozen.

Rule: hooks are called here, at boot, and nowhere else for contributions. pluggy calls type as `Any`; what leaves
this file is typed. A later addition replaces the whole snapshot, which the manager holds by one reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from rtcore.converting import CattrsConverter
from rtcore.errors import PluginError
from rtcore.handlers import Route, route
from rtcore.spi.ai import AIHandler
from rtcore.spi.auth import Authenticator, Authorizer
from rtcore.spi.broker import Broker
from rtcore.spi.codec import Codec, Converter
from rtcore.spi.compressor import Compressor
from rtcore.spi.handler import Handler
from rtcore.spi.health import HealthCheck
from rtcore.spi.interceptor import Interceptor
from rtcore.spi.limiter import Limiter
from rtcore.spi.transport import Transport

if TYPE_CHECKING:
    import pluggy

    from rtcore.app import App

T = TypeVar("T")


@attrs.frozen
class Registry:
    """One immutable snapshot of everything that plugins and the application contributed, by name."""

    brokers: Mapping[str, Broker]
    services: Mapping[type, object]
    codecs: Mapping[str, Codec]
    compressors: Mapping[str, Compressor]
    authenticators: tuple[Authenticator, ...]
    authorizers: tuple[Authorizer, ...]
    limiters: tuple[Limiter, ...]
    interceptors: tuple[Interceptor, ...]
    handlers: Mapping[str, Handler]
    routes: Mapping[str, Route]
    ai_handlers: Mapping[str, AIHandler]
    transports: Mapping[str, Transport]
    health: tuple[HealthCheck, ...]


def build(app: App, hooks: pluggy.PluginManager, own: Sequence[Handler]) -> Registry:
    """Ask every plugin for its contributions, in the order in which the hooks are declared.

    Args:
        app: what the hooks are given.
        hooks: the loaded plugins.
        own: the application's handlers; they win over plugins' handlers for the same pattern.

    Raises:
        PluginError: something contributed breaks its contract, or two plugins claim one name.
    """
    boot = _Boot(app, hooks)
    brokers = boot.named("rtcore_brokers", Broker)
    services = boot.services()
    missing = [
        f"`{plugin}` needs {need.__name__}"
        for plugin, needs in boot.answers("rtcore_requirements", arguments={})
        for need in needs
        if need not in services
    ]
    if missing:
        raise PluginError(
            missing[0].split("`")[1],
            f"missing services: {', '.join(missing)}",
            mend="install a plugin that provides them (`rtcore plugins` lists who provides what), or disable this one",
        )
    codecs = boot.named("rtcore_codecs", Codec)
    converter = services.get(Converter)
    if not isinstance(converter, Converter):
        converter = CattrsConverter()
    compressors = boot.named("rtcore_compressors", Compressor)
    authenticators = boot.named("rtcore_authenticators", Authenticator)
    authorizers = boot.named("rtcore_authorizers", Authorizer)
    limiters = boot.named("rtcore_limiters", Limiter)
    interceptors = boot.named("rtcore_interceptors", Interceptor)
    handlers, routes = boot.handlers(own, converter)
    return Registry(
        brokers=brokers,
        services=services,
        codecs=codecs,
        compressors=compressors,
        authenticators=tuple(authenticators[name] for name in sorted(authenticators)),
        authorizers=tuple(authorizers[name] for name in sorted(authorizers)),
        limiters=tuple(limiters[name] for name in sorted(limiters)),
        interceptors=tuple(sorted(interceptors.values(), key=lambda step: (step.stage, step.name))),
        handlers=handlers,
        routes=routes,
        ai_handlers=boot.named("rtcore_ai_handlers", AIHandler),
        transports=boot.named("rtcore_transports", Transport),
        health=tuple(boot.named("rtcore_health", HealthCheck).values()),
    )


class _Boot:
    """Calls hooks plugin by plugin, so that every complaint can name who is to blame."""

    def __init__(self, app: App, hooks: pluggy.PluginManager) -> None:
        self._app = app
        self._hooks = hooks

    def answers(self, hook: str, *, arguments: Mapping[str, Any] | None = None) -> Iterator[tuple[str, Any]]:
        """Yield `(plugin, answer)` of one hook, sorted by plugin, `None` left out.

        Raises:
            PluginError: the implementation raised.
        """
        given = {"app": self._app} if arguments is None else arguments
        caller = getattr(self._hooks.hook, hook)
        for impl in sorted(caller.get_hookimpls(), key=lambda impl: impl.plugin_name):
            try:
                answer = impl.function(*[given[name] for name in impl.argnames])
            except PluginError:
                raise
            except Exception as error:
                raise PluginError(
                    impl.plugin_name, f"{hook} raised {type(error).__name__}: {error}"
                ) from error
            if answer is not None:
                yield impl.plugin_name, answer

    def each(self, hook: str) -> Iterator[tuple[str, Any]]:
        """Yield `(plugin, object)` for every object contributed through one hook."""
        for plugin, answer in self.answers(hook):
            if isinstance(answer, str) or not isinstance(answer, Iterable):
                raise PluginError(
                    plugin, f"{hook} returned {type(answer).__name__}, expected a sequence of objects"
                )
            for contributed in answer:
                yield plugin, contributed

    def named(self, hook: str, protocol: type[T]) -> Mapping[str, T]:
        """Collect objects of one Protocol by their names.

        Raises:
            PluginError: one does not have what the Protocol asks for, or two have one name.
        """
        found: dict[str, T] = {}
        owner: dict[str, str] = {}
        for plugin, contributed in self.each(hook):
            lacks = [name for name in _members(protocol) if not hasattr(contributed, name)]
            if lacks:
                raise PluginError(
                    plugin,
                    f"{hook}: {type(contributed).__name__} is no {protocol.__name__}: it lacks {', '.join(lacks)}",
                    mend=f"see rtcore.spi and its contract suite in rtcore.testing for {protocol.__name__}",
                )
            name = str(contributed.name)
            if name in found:
                raise PluginError(
                    plugin,
                    f"{hook}: the name `{name}` is taken by plugin `{owner[name]}`",
                    mend="rename one of them or disable its plugin",
                )
            found[name], owner[name] = contributed, plugin
        return MappingProxyType(found)

    def services(self) -> Mapping[type, object]:
        """Collect what plugins provide, by Protocol."""
        found: dict[type, object] = {}
        owner: dict[type, str] = {}
        for plugin, answer in self.answers("rtcore_services"):
            self._app.plugins[plugin].services = tuple(sorted(protocol.__name__ for protocol in answer))
            for protocol, service in answer.items():
                if protocol in found:
                    raise PluginError(
                        plugin,
                        f"the service {protocol.__name__} is provided by plugin `{owner[protocol]}` already",
                        mend="disable one of the two",
                    )
                lacks = [name for name in _members(protocol) if not hasattr(service, name)]
                if lacks:
                    raise PluginError(
                        plugin,
                        f"{type(service).__name__} is no {protocol.__name__}: it lacks {', '.join(lacks)}",
                    )
                found[protocol], owner[protocol] = service, plugin
        return MappingProxyType(found)

    def handlers(
        self, own: Sequence[Handler], converter: Converter
    ) -> tuple[Mapping[str, Handler], Mapping[str, Route]]:
        """Collect handlers by pattern and make them ready. The application's own win."""
        found: dict[str, Handler] = {}
        owner: dict[str, str] = {}
        for plugin, handler in self.each("rtcore_handlers"):
            if not isinstance(handler, Handler):
                raise PluginError(
                    plugin, f"rtcore_handlers: {type(handler).__name__} is no rtcore.spi.handler.Handler"
                )
            if handler.pattern in found:
                raise PluginError(
                    plugin,
                    f"the pattern `{handler.pattern}` is handled by plugin `{owner[handler.pattern]}` already",
                )
            found[handler.pattern], owner[handler.pattern] = handler, plugin
        for handler in own:
            if owner.get(handler.pattern) == "app":
                raise PluginError("app", f"two handlers for `{handler.pattern}`")
            found[handler.pattern], owner[handler.pattern] = handler, "app"
        routes = {p: route(h, plugin=owner[p], converter=converter) for p, h in found.items()}
        return MappingProxyType(found), MappingProxyType(routes)


def _members(protocol: type) -> list[str]:
    """Return what a Protocol asks for; nothing for a plain class."""
    members = getattr(protocol, "__protocol_attrs__", None)
    if members is None:  # Python 3.11
        if not getattr(protocol, "_is_protocol", False):
            return []
        members = {
            name
            for base in protocol.__mro__[:-1]
            if getattr(base, "_is_protocol", False) and base.__name__ not in {"Protocol", "Generic"}
            for name in (*vars(base), *getattr(base, "__annotations__", {}))
            if not name.startswith("_")
        }
    return sorted(members)
