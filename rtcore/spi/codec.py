"""Codecs: messages and control items to bytes and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from rtcore.wire.control import Control, Undecodable
from rtcore.wire.message import Message

Item = Message | Control | Undecodable


@runtime_checkable
class Codec(Protocol):
    """Encodes items. Pure and synchronous; one object serves all sessions.

    A *frame* is what one WebSocket frame, one SSE event, one POST or one poll answer carries: one or more
    items. An item whose encoded form is an array is control, a map is a message (`rtcore.wire.control`).

    All codecs say the same values, those of `rtcore.wire.values`, and nothing else, so that a payload arrives equal
    whatever codec its receiver speaks; a text codec says bytes and odd floats by markers (`mark`, `unmark`). An
    encoded item of a text codec has no line break in it, neither LF nor CR: transports delimit with them.

    Attributes:
        name: the name that a client asks for, such as `"json"`.
        binary: whether encoded items may hold bytes that are not UTF-8 text; a text-only transport refuses it.
        content_type: the media type of a frame in HTTP bodies.
    """

    name: str
    binary: bool
    content_type: str

    def encode(self, message: Message) -> bytes:
        """Encode one message as one item. Fields that are `None`, priority `"normal"` and version 0 are left out.

        When `message.raw_codec is self` the payload's bytes `message.raw` are passed through untouched. When it is
        another one, what that one decodes from them is encoded, and not `message.payload`: that may have been
        changed by whoever looked at it.

        Raises:
            TypeError: the payload holds something that cannot be said; the text says what and where.
            UndecodableError: the payload came in another codec, whose bytes cannot be decoded after all.
        """

    def encode_payload(self, payload: Any) -> bytes:
        """Encode a payload alone, as it stands in an item: what `decode_payload` reads, and `message.raw` is.

        Raises:
            TypeError: as `encode`.
        """

    def encode_control(self, name: str, fields: dict[str, Any]) -> bytes:
        """Encode one control item."""

    def join(self, items: Sequence[bytes]) -> bytes:
        """Make one frame of encoded items."""

    def decode(self, frame: bytes) -> Sequence[Item]:
        """Cut a frame into items and decode them. An empty frame has no items.

        A message that cannot be decoded, or whose payload is beyond the values that all codecs can say, becomes
        `Undecodable`, with its `id` if that can still be read; nothing else in the frame is touched by it.
        Where the codec can, the payload stays undecoded in `message.raw`.

        Raises:
            FrameError: the frame cannot be cut into items.
            BadControlError: a control item is not `[name, map]`.
        """

    def decode_first(self, frame: bytes) -> tuple[Item | None, bytes]:
        """Decode the first item of a frame and nothing after it.

        For what comes before anybody knows from whom: the work that it makes must not grow with what follows.

        Returns:
            The item, `None` if there is none; and the bytes of the others.

        Raises:
            FrameError, BadControlError: as `decode`.
        """

    def decode_payload(self, raw: bytes) -> Any:
        """Decode the bytes that `decode` left in `message.raw`.

        Raises:
            UndecodableError: they cannot be decoded.
        """


@runtime_checkable
class TypedCodec(Protocol):
    """Implement it if the codec can decode a payload straight into a type, checking it on the way.

    Do not if it would only decode and then convert: the kernel does that already, with cattrs.
    """

    def decode_typed(self, raw: bytes, type_: type[Any]) -> Any:
        """Decode `raw` into an instance of `type_`.

        Raises:
            PayloadError: it does not fit; names the path of the field, what was given and what was expected.
        """


@runtime_checkable
class Converter(Protocol):
    """Makes typed objects of decoded payloads. Provided as a service; the kernel's own uses cattrs."""

    def convert(self, payload: object, type_: type[Any]) -> Any:
        """Return `payload` (dicts, lists, strings, numbers, …) as an instance of `type_`.

        Raises:
            PayloadError: it does not fit; names the path of the field, what was given and what was expected.
        """
