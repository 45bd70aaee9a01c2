"""What a handler's parameters are given."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional

import attrs
import pytest

from rtcore import Message, PluginError, Rejected, Session
from rtcore.converting import CattrsConverter
from rtcore.handlers import route
from rtcore.spi.handler import Handler
from rtcore.testing import PlainCodec


@dataclass
class Page:
    limit: int = 10


@attrs.frozen
class Price:
    amount: int


class Model:
    """What a model of pydantic looks like from here."""

    def __init__(self, n: int) -> None:
        self.n = n

    @classmethod
    def model_validate(cls, obj: Any) -> Model:
        if not isinstance(obj, dict) or not isinstance(obj.get("n"), int):
            raise ModelError
        return cls(obj["n"])


class ModelError(ValueError):
    def errors(self) -> list[dict[str, Any]]:
        return [{"loc": ("items", 2, "n"), "msg": "a whole number", "input": "one"}]


class Unreal(Session):
    """A session that is nobody's: handlers are only handed it."""

    __slots__ = ()

    def __init__(self) -> None:
        pass


SESSION = Unreal()
NOTHING = object()


@pytest.fixture(params=["object", "bytes"])
def call(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Call a handler with a payload: of an object, or of bytes that came."""

    def call(handler: Callable[..., Any], payload: object = NOTHING) -> Any:
        ready = route(Handler("x", handler), plugin="p", converter=CattrsConverter())
        message = Message("x", None if payload is NOTHING else payload)
        if request.param == "bytes" and payload is not NOTHING:
            codec = PlainCodec()
            message = Message("x", raw=codec.encode_payload(payload), raw_codec=codec)
        return ready.call(SESSION, message)

    return call


def test_a_payload_fills_a_parameter_that_has_a_default(call):
    def page(limit: int = 10) -> int:
        return limit

    assert call(page, 99) == 99
    assert call(page) == 10
    assert call(page, None) == 10, "null is no payload"
    with pytest.raises(Rejected) as caught:
        call(page, "not a number")
    assert caught.value.code == "bad_payload"


def keyword(*, limit: int) -> int:
    return limit


def keyword_with_default(session: Session, *, limit: int = 10) -> int:
    assert session is SESSION
    return limit


def keyword_session(limit: int = 10, *, session: Session, message: Message) -> int:
    assert session is SESSION
    assert message.type == "x"
    return limit


def optional(limit: Optional[int] = 10) -> int | None:  # noqa: UP045 - the older way to say it
    return limit


def union(limit: int | str | None = 10) -> int | str | None:
    return limit


def positional(limit: int = 10, /, *rest: int, **more: int) -> int:
    assert (rest, more) == ((), {})
    return limit


class Callable_:  # noqa: N801 - an object that is called
    def __call__(self, limit: int = 10) -> int:
        return limit


def wrapped() -> Callable[..., Any]:
    @functools.wraps(optional)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return optional(*args, **kwargs)

    return wrapper


def kept_first(own="own", limit: int = 10):
    assert own == "own"
    return limit


@pytest.mark.parametrize(
    "handler",
    [
        keyword,
        keyword_with_default,
        keyword_session,
        optional,
        union,
        positional,
        Callable_(),
        wrapped(),
        kept_first,
    ],
    ids=str,
)
def test_it_does_so_however_it_is_declared(call, handler):
    assert call(handler, 99) == 99
    if handler is not keyword:
        assert call(handler) == 10
    with pytest.raises(Rejected, match="bad_payload"):
        call(handler, [1])


@pytest.mark.parametrize(
    ("type_", "payload", "made"),
    [
        (Page, {"limit": 3}, Page(3)),
        (Page, {}, Page(10)),
        (Price, {"amount": 3}, Price(3)),
        (list[int], [1, 2], [1, 2]),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (bytes, b"\x00\xff", b"\x00\xff"),
        (float, float("inf"), float("inf")),
    ],
    ids=str,
)
def test_a_default_goes_with_every_type(call, type_, payload, made):
    def handler(it=None):
        return it

    handler.__annotations__["it"] = type_ | None
    assert call(handler, payload) == made
    assert call(handler) is None


def test_models_check_their_payload_themselves(call):
    def handler(model: Model | None = None) -> int:
        return model.n if model is not None else -1

    assert call(handler, {"n": 1}) == 1
    assert call(handler) == -1
    with pytest.raises(Rejected) as caught:
        call(handler, {"n": "one"})
    assert caught.value.details == {"path": "items[2].n", "expected": "a whole number", "given": "'one'"}


def test_a_value_of_the_programs_own_is_not_the_senders_to_choose(call):
    handlers = [lambda message, n=n: (message.payload, n) for n in range(3)]
    assert [call(handler, "theirs") for handler in handlers] == [("theirs", n) for n in range(3)]

    def bound(page: int, session: Session, n: int) -> tuple[int, int]:
        return page, n

    assert call(functools.partial(bound, n=7), 1) == (1, 7)
    assert call(functools.partial(bound, 5, n=7)) == (5, 7)
    with pytest.raises(Rejected, match="bad_payload"):
        call(functools.partial(bound, n=7), "theirs")


@pytest.mark.parametrize(
    ("handler", "reason", "mend"),
    [
        (lambda limit=10: limit, "is `limit` the payload", "limit: int"),
        (lambda session, *, limit=10: limit, "is `limit` the payload", "partial"),
        (lambda a, b: None, "second payload", "dataclass"),
        (lambda *args: None, "nobody knows what `\\*args`", "functools.wraps"),
        (lambda **fields: None, "nobody knows what `\\*\\*fields`", "name its parameters"),
    ],
)
def test_what_a_signature_leaves_open_is_found_at_boot(handler, reason, mend):
    with pytest.raises(PluginError, match=reason) as caught:
        route(Handler("x", handler), plugin="p", converter=CattrsConverter())
    assert mend in str(caught.value)


def test_two_payloads_with_defaults_are_one_too_many():
    def page(limit: int = 10, offset: int = 0) -> None: ...

    with pytest.raises(PluginError, match="`offset` would be a second payload"):
        route(Handler("x", page), plugin="p", converter=CattrsConverter())
