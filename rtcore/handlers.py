"""Handlers, made ready at boot: what a callable wants is read from its signature once, not per message.

A handler takes any of these, by annotation or by name, in any order:

    session: Session      who sent it
    message: Message      the whole message
    anything: T           the payload, validated as T (a dataclass, attrs or msgspec class, or a builtin type)
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import attrs

from rtcore.errors import PayloadError, PluginError
from rtcore.session import Session
from rtcore.spi.codec import Converter, TypedCodec
from rtcore.wire.errors import UndecodableError
from rtcore.wire.message import Message

if TYPE_CHECKING:
    from rtcore.spi.handler import Handler

#: What a ready handler is: takes the session and the message, returns the result or an awaitable of it.
Call = Callable[[Session, Message], Any]


@attrs.frozen(eq=False)
class Route:
    """A handler that is ready to be called."""

    name: str
    pattern: str
    call: Call
    waits: bool
    concurrent: bool = False
    detached: bool = False
    #: What a plain function has returned and is still to be awaited; such a route is for one message.
    begun: Awaitable[Any] | None = None

    def going_on(self, begun: Awaitable[Any]) -> Route:
        """Return the route of a message whose handler has run, and returned something to await."""
        return Route(
            self.name, self.pattern, lambda _s, _m: begun, True, self.concurrent, self.detached, begun
        )

    def forget(self) -> None:
        """Nobody will await what was begun: a coroutine, or what is like one, wants to be told."""
        close = getattr(self.begun, "close", None)
        if close is not None:
            close()


def route(handler: Handler, *, plugin: str, converter: Converter) -> Route:
    """Read a handler's signature.

    Raises:
        PluginError: it wants something that a handler cannot be given.
    """
    call = handler.call
    name = f"{handler.pattern} ({plugin}.{getattr(call, '__qualname__', type(call).__name__)})"
    target = call if inspect.isroutine(call) else type(call).__call__
    waits = inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(target)
    wants = _wants(call, plugin, name)
    for _, type_ in wants:
        if type_ is not None and isinstance(converter, CattrsConverter) and not converter.knows(type_):
            raise PluginError(
                plugin,
                f"handler {name}: nothing here makes a {getattr(type_, '__qualname__', type_)} of a payload",
                mend="take a dataclass or an attrs class, or install a plugin with a Converter; `json` knows msgspec's",
            )
    return Route(
        name, handler.pattern, _adapt(call, wants, converter), waits, handler.concurrent, handler.detached
    )


def _wants(call: Callable[..., Any], plugin: str, name: str) -> list[tuple[str, Any]]:
    """Return `("session" | "message" | "payload", type)` per parameter."""
    try:
        signature = inspect.signature(call, eval_str=True)
    except NameError:
        # A name that only a type checker sees: go by the parameters' names.
        signature = inspect.signature(call)
    wants: list[tuple[str, Any]] = []
    for parameter in signature.parameters.values():
        hint = parameter.annotation
        if parameter.default is not parameter.empty:
            continue  # the author's own; often a value kept from a loop
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.KEYWORD_ONLY):
            if parameter.kind is parameter.KEYWORD_ONLY:
                raise PluginError(plugin, f"handler {name}: keyword-only `{parameter.name}` cannot be given")
            continue
        bare = hint.rsplit(".", 1)[-1] if isinstance(hint, str) else hint
        if bare in (Session, "Session") or (hint is parameter.empty and parameter.name == "session"):
            wants.append(("session", None))
        elif bare in (Message, "Message") or (hint is parameter.empty and parameter.name == "message"):
            wants.append(("message", None))
        elif any(kind == "payload" for kind, _ in wants):
            raise PluginError(
                plugin,
                f"handler {name}: `{parameter.name}` would be a second payload",
                mend="take at most one parameter besides session: Session and message: Message",
            )
        else:
            if isinstance(hint, str):
                raise PluginError(
                    plugin,
                    f"handler {name}: the type `{hint}` of `{parameter.name}` cannot be found when the plugin loads",
                    mend="import it at run time, not only under TYPE_CHECKING",
                )
            wants.append(("payload", None if hint in (parameter.empty, Any, object) else hint))
    return wants


def _adapt(call: Callable[..., Any], wants: list[tuple[str, Any]], converter: Converter) -> Call:
    """Make the one shape that the hot path calls. The commonest shapes get no wrapper, or a thin one."""
    kinds = [kind for kind, _ in wants]
    if kinds == ["session", "message"]:
        return call
    if kinds == ["message"]:
        return lambda _session, message: call(message)
    if kinds == ["session"]:
        return lambda session, _message: call(session)
    if not kinds:
        return lambda _session, _message: call()

    def adapted(session: Session, message: Message) -> Any:
        values: list[Any] = []
        for kind, type_ in wants:
            if kind == "payload":
                values.append(typed_payload(message, type_, converter))
            else:
                values.append(session if kind == "session" else message)
        return call(*values)

    return adapted


def typed_payload(message: Message, type_: Any, converter: Converter) -> Any:
    """Return a message's payload as a type; straight from its bytes where its codec can do that.

    Raises:
        PayloadError: it does not fit; says where, what was expected and what was given.
    """
    if type_ is None:
        return _payload(message)
    if message.raw is not None and isinstance(message.raw_codec, TypedCodec):
        return message.raw_codec.decode_typed(message.raw, type_)
    return converter.convert(_payload(message), type_)


def _payload(message: Message) -> Any:
    try:
        return message.payload
    except UndecodableError as error:
        raise PayloadError("", "something that can be decoded", str(error)) from error


class CattrsConverter:
    """Payloads to types with cattrs; used where no plugin offers a `Converter`."""

    def __init__(self) -> None:
        import cattrs

        self._converter = cattrs.Converter(forbid_extra_keys=False, detailed_validation=True)
        for builtin in (str, int, float, bool):
            self._converter.register_structure_hook(builtin, _strict)

    def knows(self, type_: type[Any]) -> bool:
        """Say whether payloads can become this type at all: found out at boot, not by the first message."""
        import cattrs

        try:
            self._converter.get_structure_hook(type_)
        except cattrs.StructureHandlerNotFoundError:
            return False
        return True

    def convert(self, payload: object, type_: type[Any]) -> Any:
        """Structure a payload; see `rtcore.spi.codec.Converter`."""
        import cattrs

        try:
            return self._converter.structure(payload, type_)
        except cattrs.BaseValidationError as error:
            path, expected = cattrs.transform_error(error)[0].rsplit(" @ ", 1)[::-1]
            raise PayloadError(path.removeprefix("$").lstrip("."), expected, _shown(payload)) from error
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            raise PayloadError("", getattr(type_, "__name__", str(type_)), _shown(payload)) from error


def _strict(value: object, type_: type[Any]) -> Any:
    if type_ is float and type(value) is int:
        return float(value)
    if type(value) is not type_:
        raise ValueError(f"expected {type_.__name__}, given {type(value).__name__}")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
