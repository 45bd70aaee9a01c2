"""Handlers, made ready at boot: what a callable wants is read from its signature once, not per message.

A handler takes any of these, by annotation or by name, in any order, also keyword-only:

    session: Session      who sent it
    message: Message      the whole message
    anything: T           the payload, validated as T (a dataclass, attrs, msgspec or pydantic class, or a builtin type)
    anything: T = value   the same; where there is no payload, or null, the value
    anything=value        nothing of the message: a value of the program's own, such as one kept from a loop

Rule: what a signature leaves open is an error at boot, not a surprise with the first message.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import attrs

from rtcore.converting import CattrsConverter
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


class _Wish(NamedTuple):
    """What one parameter of a handler is given."""

    kind: Literal["session", "message", "payload"]
    #: Of a payload; `None` for whatever it is.
    type: Any = None
    #: Of a payload that is missing.
    default: Any = inspect.Parameter.empty
    #: Of a parameter that is given by its name.
    keyword: str | None = None


_REQUIRED: Final = inspect.Parameter.empty


def route(handler: Handler, *, plugin: str, converter: Converter) -> Route:
    """Read a handler's signature.

    Raises:
        PluginError: it wants something that a handler cannot be given.
    """
    call = handler.call
    name = f"{handler.pattern} ({plugin}.{getattr(call, '__qualname__', type(call).__name__)})"
    target = call if inspect.isroutine(call) else type(call).__call__
    waits = inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(target)
    wishes = _wishes(call, plugin, name)
    for wish in wishes:
        type_ = wish.type
        if type_ is not None and isinstance(converter, CattrsConverter) and not converter.knows(type_):
            raise PluginError(
                plugin,
                f"handler {name}: nothing here makes a {getattr(type_, '__qualname__', type_)} of a payload",
                mend="take a dataclass or an attrs class, or install a plugin with a Converter; `json` knows msgspec's",
            )
    return Route(
        name, handler.pattern, _adapt(call, wishes, converter), waits, handler.concurrent, handler.detached
    )


def _wishes(call: Callable[..., Any], plugin: str, name: str) -> list[_Wish]:
    """Return what the parameters of a handler are given, in their order."""
    try:
        signature = inspect.signature(call, eval_str=True)
    except NameError:
        # A name that only a type checker sees: go by the parameters' names.
        signature = inspect.signature(call)
    bound = call.keywords if isinstance(call, partial) else {}
    wishes: list[_Wish] = []
    kept: list[str] = []
    rest: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.name in bound:
            continue  # `functools.partial` has given it a value
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            rest.append(str(parameter))
            continue
        hint = parameter.annotation
        # What comes after a parameter that is left out is given by its name.
        by_name = parameter.kind is parameter.KEYWORD_ONLY or kept
        keyword = parameter.name if by_name else None
        bare = hint.rsplit(".", 1)[-1] if isinstance(hint, str) else hint
        if bare in (Session, "Session") or (hint is parameter.empty and parameter.name == "session"):
            wishes.append(_Wish("session", keyword=keyword))
        elif bare in (Message, "Message") or (hint is parameter.empty and parameter.name == "message"):
            wishes.append(_Wish("message", keyword=keyword))
        elif hint is parameter.empty and parameter.default is not parameter.empty:
            kept.append(parameter.name)
        else:
            _check_payload(parameter, wishes, plugin, name)
            type_ = None if hint in (parameter.empty, Any, object) else hint
            wishes.append(_Wish("payload", type_, parameter.default, keyword))
    if rest and not wishes:
        raise PluginError(
            plugin,
            f"handler {name}: nobody knows what `{rest[0]}` is to be given",
            mend="name its parameters; a decorator's wrapper takes over those of its function by functools.wraps",
        )
    if kept and not any(wish.kind in ("message", "payload") for wish in wishes):
        raise PluginError(
            plugin,
            f"handler {name}: is `{kept[0]}` the payload, or a value of your own?",
            mend=f"annotate it to be given the payload (`{kept[0]}: int = …`), or bind it with functools.partial",
        )
    return wishes


def _check_payload(parameter: inspect.Parameter, wishes: list[_Wish], plugin: str, name: str) -> None:
    if any(wish.kind == "payload" for wish in wishes):
        raise PluginError(
            plugin,
            f"handler {name}: `{parameter.name}` would be a second payload",
            mend="take at most one parameter besides session: Session and message: Message, a dataclass perhaps; "
            "a value of your own has a default and no annotation",
        )
    if isinstance(parameter.annotation, str):
        raise PluginError(
            plugin,
            f"handler {name}: the type `{parameter.annotation}` of `{parameter.name}` cannot be found when the "
            "plugin loads",
            mend="import it at run time, not only under TYPE_CHECKING",
        )


def _adapt(call: Callable[..., Any], wishes: list[_Wish], converter: Converter) -> Call:
    """Make the one shape that the hot path calls. The commonest shapes get no wrapper, or a thin one."""
    kinds = [wish.kind for wish in wishes]
    if not any(wish.keyword for wish in wishes):
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
        named: dict[str, Any] = {}
        for kind, type_, default, keyword in wishes:
            if kind != "payload":
                value: Any = session if kind == "session" else message
            elif default is not _REQUIRED and not _has_payload(message):
                value = default
            else:
                value = typed_payload(message, type_, converter)
            if keyword is None:
                values.append(value)
            else:
                named[keyword] = value
        return call(*values, **named)

    return adapted


def _has_payload(message: Message) -> bool:
    """Say whether there is a payload; null is none."""
    raw = message.raw
    # What takes more bytes than `null` is something else, in every codec that there is.
    return (raw is not None and len(raw) > 8) or _payload(message) is not None


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
