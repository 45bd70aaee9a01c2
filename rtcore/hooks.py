"""Every hook, in the order in which they fire.

Rule: hooks are called at boot (the observers: once per session), never per message, and are never `async`;
what they return may be. A *contribute* hook is a plural noun and returns a sequence of objects. A plugin is a
module or an object with functions marked `@hookimpl`; it takes only the arguments that it names.

    from rtcore.hooks import hookimpl

    @hookimpl
    def rtcore_codecs(app):
        return [MyCodec()]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import attrs
import pluggy

if TYPE_CHECKING:
    import click

    from rtcore.app import App
    from rtcore.session import Session
    from rtcore.settings import Resolved
    from rtcore.spi.ai import AIHandler
    from rtcore.spi.auth import Authenticator, Authorizer
    from rtcore.spi.broker import Broker
    from rtcore.spi.codec import Codec
    from rtcore.spi.compressor import Compressor
    from rtcore.spi.handler import Handler
    from rtcore.spi.health import HealthCheck
    from rtcore.spi.interceptor import Interceptor
    from rtcore.spi.limiter import Limiter
    from rtcore.spi.transport import Transport

PROJECT = "rtcore"

#: The version of everything in this file. A plugin states the one that it needs: `__rtcore_api__ = 1`.
API_VERSION = 1

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Phase(IntEnum):
    """When a lifespan begins; they end in the reverse order."""

    BROKER = 0
    SERVICES = 1
    HANDLERS = 2
    TRANSPORTS = 3


@attrs.frozen
class Lifespan:
    """A lifespan that begins in another phase than `Phase.SERVICES`."""

    context: AbstractAsyncContextManager[Any]
    phase: Phase = Phase.SERVICES


# -- boot: what a plugin is ----------------------------------------------------------------------------


@hookspec
def rtcore_addhooks() -> object:
    """Fires first, once per plugin: return a module or class of `@hookspec` functions that others may implement."""


@hookspec
def rtcore_settings() -> type:
    """Fires before settings are read: return the attrs class of the plugin's section, or a subclass of none.

    The section is named as the plugin is. Every field needs a default; validators and types are enforced.
    `app.settings(TheClass)` returns the instance.
    """


@hookspec
def rtcore_requirements() -> Sequence[type]:
    """Return the service Protocols that the plugin cannot work without; boot names those that are missing."""


# -- boot: what a plugin contributes ---------------------------------------------------------------------


@hookspec
def rtcore_brokers(app: App) -> Sequence[Broker]:
    """Return brokers. One is used: `broker` in the settings, or the only one there is."""


@hookspec
def rtcore_services(app: App) -> Mapping[type, object]:
    """Return what others may use, by Protocol: `{Rooms: rooms}`. Two providers of one Protocol are refused.

    Fires when brokers are known; `app.get(Protocol)` works from the lifespan on, not here.
    """


@hookspec
def rtcore_codecs(app: App) -> Sequence[Codec]:
    """Return codecs. Names are unique. The default is `codec` in the settings."""


@hookspec
def rtcore_compressors(app: App) -> Sequence[Compressor]:
    """Return compressors. The client's first wish that is here wins."""


@hookspec
def rtcore_authenticators(app: App) -> Sequence[Authenticator]:
    """Return authenticators. With none at all, everybody is anonymous."""


@hookspec
def rtcore_authorizers(app: App) -> Sequence[Authorizer]:
    """Return authorizers. All must agree; with none, everything is allowed."""


@hookspec
def rtcore_limiters(app: App) -> Sequence[Limiter]:
    """Return limiters. A message must pass all of them."""


@hookspec
def rtcore_interceptors(app: App) -> Sequence[Interceptor]:
    """Return steps of the inbound chain, each with its stage."""


@hookspec
def rtcore_handlers(app: App) -> Sequence[Handler]:
    """Return handlers. Two for the same pattern are refused with both plugins' names."""


@hookspec
def rtcore_ai_handlers(app: App) -> Sequence[AIHandler]:
    """Return AI handlers, for the plugin that runs conversations."""


@hookspec
def rtcore_transports(app: App) -> Sequence[Transport]:
    """Return transports. Fires last of the contributions: everything else is known."""


@hookspec
def rtcore_health(app: App) -> Sequence[HealthCheck]:
    """Return checks that readiness depends on."""


@hookspec
def rtcore_commands() -> Sequence[click.Command]:
    """Return commands for the `rtcore` program. Fires only there."""


# -- life ------------------------------------------------------------------------------------------------


@hookspec
def rtcore_lifespan(app: App) -> AbstractAsyncContextManager[Any] | Lifespan:
    """Fires at start: return a context that is entered now and left at stop, in reverse order.

    A plain context begins with the services; `Lifespan` names another phase.
    """


@hookspec
def rtcore_reload(app: App, settings: Resolved) -> Callable[[], None] | None:
    """Fires when settings are read again (SIGHUP): judge what is new, change nothing yet.

    `settings` is what would be in force; `app.settings(TheClass)` is still what is. Raise, and nothing is changed, in
    no plugin. Return what puts it in force: it is called once nobody has raised, and must not fail. Fields that may
    change say so in their metadata: `{"reload": True}`; the others are as they were.
    """


# -- observe: once per session, never per message ------------------------------------------------------------


@hookspec
def rtcore_session_opened(app: App, session: Session) -> None:
    """A session was made and has its first connection. What needs to wait uses `app.spawn`."""


@hookspec
def rtcore_session_resumed(app: App, session: Session) -> None:
    """A session has another connection, with nothing lost."""


@hookspec
def rtcore_session_left(app: App, session: Session) -> None:
    """The page behind a session said that it goes, and was not back in time; the session waits for it all the same."""


@hookspec
def rtcore_session_closed(app: App, session: Session, reason: str) -> None:
    """A session ended for good; `reason` is a code of the wire."""
