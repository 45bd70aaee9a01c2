"""Handlers whose payload has a default, where msgspec makes the payload: of bytes, and of objects of another codec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import pytest
from rtcore_json.codec import JsonCodec
from rtcore_json.typed import MsgspecConverter

from rtcore import Message, Rejected
from rtcore.handlers import route
from rtcore.spi.handler import Handler

NOTHING = object()


@dataclass
class Page:
    limit: Annotated[int, msgspec.Meta(ge=1)] = 10
    data: bytes = b""


class Size(msgspec.Struct):
    width: float


class Model:
    """What a model of pydantic looks like from here."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and other.n == self.n

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def model_validate(cls, obj: Any) -> Model:
        n = obj.get("n") if isinstance(obj, dict) else None
        if n is None:
            raise ValueError("expected a map with `n`")
        return cls(n)


@pytest.fixture(params=["object", "bytes"])
def call(request: pytest.FixtureRequest) -> Callable[..., Any]:
    def call(handler: Callable[..., Any], payload: object = NOTHING) -> Any:
        ready = route(Handler("x", handler), plugin="p", converter=MsgspecConverter())
        message = Message("x", None if payload is NOTHING else payload)
        if request.param == "bytes" and payload is not NOTHING:
            codec = JsonCodec()
            message = Message("x", raw=codec.encode_payload(payload), raw_codec=codec)
        return ready.call(None, message)  # type: ignore[arg-type]  # no handler here wants the session

    return call


@pytest.mark.parametrize(
    ("type_", "payload", "made", "bad"),
    [
        (int, 99, 99, "not a number"),
        (int | None, 99, 99, [1]),
        (int | str, "99", "99", [1]),
        (bytes, b"\x00\xff", b"\x00\xff", 5),
        (float, float("-inf"), float("-inf"), "fast"),
        (Page, {"limit": 3, "data": b"\x00"}, Page(3, b"\x00"), {"limit": 0}),
        (Size, {"width": float("inf")}, Size(float("inf")), {"width": "wide"}),
        (Model, {"n": 1}, Model(1), "no map"),
        (list[Model], [{"n": 1}], [Model(1)], ["no map"]),
    ],
    ids=str,
)
def test_the_payload_fills_a_parameter_with_a_default(call, type_, payload, made, bad):
    def handler(it="the default"):
        return it

    handler.__annotations__["it"] = type_
    assert call(handler, payload) == made
    assert call(handler) == call(handler, None) == "the default"
    with pytest.raises(Rejected, match="bad_payload"):
        call(handler, bad)
