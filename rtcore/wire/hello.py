"""The two halves of an attach: `hello` and `welcome`, parsed strictly and written sparsely."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import attrs

from rtcore.wire.control import VERSION
from rtcore.wire.errors import BadControlError

_T = TypeVar("_T")

#: A nonce names a hello and, until it is confirmed, stands for its session: it must not be guessed.
NONCE_MIN = 16
#: Characters of any text field. Tokens with many claims are long.
TEXT_MAX = 16_384
#: Names in `compress`.
NAMES_MAX = 16
#: Characters of what parts call their message.
OF_MAX = 64


def field(
    item: str, fields: Mapping[str, Any], key: str, kind: type[_T] | tuple[type[_T], ...], default: Any = ...
) -> Any:
    """Return `fields[key]` if it is of the right kind; the default if it is missing or null.

    Raises:
        BadControlError: missing without a default, of another type, negative, or too long.
    """
    value: Any = fields.get(key)
    # Most of them: each poll has four, and a client says hello thousands of times when a server comes back.
    given: Any = value.__class__
    if given is kind and ((given is str and len(value) <= TEXT_MAX) or (given is int and 0 <= value < 2**53)):
        return value
    if value is None:
        if default is ...:
            raise BadControlError(f"{item}: `{key}` is missing")
        return default
    wanted = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        names = " or ".join(k.__name__ for k in wanted)
        raise BadControlError(f"{item}: `{key}`: expected {names}, given {type(value).__name__}")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not 0 <= value < 2**53:
        raise BadControlError(f"{item}: `{key}`: expected 0 to 2^53 - 1, given {value}")
    if isinstance(value, str) and len(value) > TEXT_MAX:
        raise BadControlError(f"{item}: `{key}`: {len(value)} characters, at most {TEXT_MAX}")
    return value


class Place(NamedTuple):
    """How far a message that travels in parts has come: what `part` says in hello, welcome, polls and acks.

    Attributes:
        of: names the message.
        at: bytes of it that are there.
    """

    of: str
    at: int

    @classmethod
    def parse(cls, item: str, fields: Mapping[str, Any]) -> Place:
        """Read the fields of a place in an item.

        Raises:
            BadControlError: names the field, what was given and what was expected.
        """
        of: str = field(item, fields, "of", str)
        if not 0 < len(of) <= OF_MAX:
            raise BadControlError(f"{item}: `of`: {len(of)} characters, expected 1 to {OF_MAX}")
        return cls(of, field(item, fields, "at", int))

    @classmethod
    def found(cls, item: str, fields: Mapping[str, Any]) -> Place | None:
        """Read the field `part` of an item, if it has one.

        Raises:
            BadControlError: as `parse`.
        """
        part = fields.get("part")
        if part is None:
            return None
        if not isinstance(part, Mapping):
            raise BadControlError(f"{item}: `part`: expected dict, given {type(part).__name__}")
        return cls.parse(f"{item}.part", part)

    def fields(self) -> dict[str, Any]:
        """Return it as it is written."""
        return {"of": self.of, "at": self.at}


@attrs.define
class Hello:
    """What a client says first on every connection. Not frozen, and not to be changed: that would cost 3 µs each.

    Attributes:
        attach: a number that rises with every hello of this client for this session, from 1.
        nonce: random, made by the program that says hello, and anew once a session has begun: it names the hello
            and its repetitions, and, until it is confirmed, the session that they made. At least 16 characters.
        session, secret: the session to attach to; both or neither.
        received: how many messages the client has received in this session; `None`: reset both counts.
        sent: how many messages the client has sent in it, so that replays can be told from news.
        token: credentials, where the transport has no better place.
        client: the client's own name for itself; for people, not for security.
        compress: compressors that the client can undo, best first.
        batch: the client takes several messages in one frame.
        covers: the client keeps cursors into the histories of rooms: tell it which offsets a message stands for
            (`covers`), and which are not for it (`room:skip`).
        parts: the client takes messages in parts, of up to so many bytes each message; 0: it does not.
        part: what it holds of a message that is not all there.
        version: of the wire.
    """

    attach: int
    nonce: str = attrs.field(repr=False)
    session: str | None = None
    secret: str | None = attrs.field(default=None, repr=False)
    received: int | None = 0
    sent: int = 0
    token: str | None = attrs.field(default=None, repr=False)
    client: str | None = None
    compress: tuple[str, ...] = ()
    batch: bool = False
    covers: bool = False
    parts: int = 0
    part: Place | None = None
    version: int = VERSION

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Hello:
        """Read the fields of a `hello` item.

        Raises:
            BadControlError: names the field, what was given and what was expected.
        """
        # What is not there costs a look; a client that says hello for the first time gives four of them.
        given = {
            key: field("hello", fields, key, kind)
            for key, kind in _HELLO.items()
            if fields.get(key) is not None
        }
        if ("session" in given) != ("secret" in given):
            raise BadControlError("hello: `session` and `secret` come together or not at all")
        for key in ("nonce", "attach"):
            if key not in given:
                raise BadControlError(f"hello: `{key}` is missing")
        if not given["attach"]:
            raise BadControlError("hello: `attach`: expected 1 to 2^53 - 1, given 0")
        if len(given["nonce"]) < NONCE_MIN:
            raise BadControlError(f"hello: `nonce`: {len(given['nonce'])} characters, at least {NONCE_MIN}")
        if "compress" in given:
            given["compress"] = compress = tuple(given["compress"])
            if len(compress) > NAMES_MAX or not all(isinstance(name, str) for name in compress):
                raise BadControlError(f"hello: `compress`: expected up to {NAMES_MAX} names")
        if "received" not in given and "session" in given and "received" in fields:
            given["received"] = None
        if "part" in fields:
            given["part"] = Place.found("hello", fields)
        if "v" in given:
            given["version"] = given.pop("v")
        return cls(**given)

    def anew(self) -> Hello:
        """The same hello for a session that it does not name: its counts are of another one."""
        if self.session is None and self.received == 0 == self.sent and self.part is None:
            return self
        return attrs.evolve(self, session=None, secret=None, received=0, sent=0, part=None)

    def fields(self) -> dict[str, Any]:
        """Return the fields of the `hello` item; what has its default is left out, `received: null` is not."""
        out: dict[str, Any] = {"v": self.version, "attach": self.attach, "nonce": self.nonce}
        if self.session is not None:
            out |= {
                "session": self.session,
                "secret": self.secret,
                "received": self.received,
                "sent": self.sent,
            }
        for key in ("token", "client"):
            if getattr(self, key) is not None:
                out[key] = getattr(self, key)
        if self.compress:
            out["compress"] = list(self.compress)
        if self.batch:
            out["batch"] = True
        if self.covers:
            out["covers"] = True
        if self.parts:
            out["parts"] = self.parts
        if self.part is not None:
            out["part"] = self.part.fields()
        return out


#: The fields of a `hello` and what they hold.
_HELLO: Mapping[str, type[Any] | tuple[type[Any], ...]] = {
    "v": int, "attach": int, "nonce": str, "session": str, "secret": str, "received": int, "sent": int, "token": str,
    "client": str, "compress": (list, tuple), "batch": bool, "covers": bool, "parts": int,
}  # fmt: skip


@attrs.define
class Welcome:
    """What a server answers to a hello that it takes. Not frozen, and not to be changed, as `Hello`.

    Attributes:
        session, secret: what the next hello names. The secret is new each time; the one before it stays good
            until the client has used this connection.
        attach, nonce: the hello's own, so that a late welcome is known for what it is.
        resumed: the session goes on and nothing is missing.
        reason: why not, if the hello named a session (`rtcore.wire.codes.RESUME_REASONS`).
        begins: the count of messages of this session before the first one that follows. On the wire it is `from`. A
            client that has received more skips the difference; one that has received less has lost it for good.
        rooms: the session's rooms survived.
        received: how many of the client's messages the server has received; the client sends the rest again.
        part: what the server holds of a message of the client's that is not all there.
        codec: what both sides speak from the next frame on.
        compress: the compressor that was agreed on.
        batch: the server takes several messages in one frame, and so does the client.
        transport, node: where the client is now.
        interval, timeout: seconds: the server pings every `interval`; silence beyond both is the end.
        limits: what the server refuses: `max_message_size` (bytes), `rate_per_second`, `burst`; what it holds for a
            replay: `window` (messages), `window_bytes`; and `part`, the bytes of data that a part has at most, if it
            takes parts.
        ttl: seconds that the session outlives its connection.
        reconnect: advice for coming back: `attempts` before the client is suspended, `delay` (seconds) where its
            backoff begins. Empty where the server has no wish; it raises what the client has chosen, never lowers it.
    """

    session: str
    secret: str = attrs.field(repr=False)
    attach: int
    nonce: str = attrs.field(repr=False)
    resumed: bool
    received: int
    begins: int
    reason: str | None = None
    part: Place | None = None
    rooms: bool = False
    codec: str = "json"
    compress: str | None = None
    batch: bool = False
    transport: str = ""
    node: str = ""
    interval: float = 30.0
    timeout: float = 5.0
    limits: Mapping[str, float] = attrs.field(factory=dict)
    ttl: float = 120.0
    reconnect: Mapping[str, float] = attrs.field(factory=dict)
    version: int = VERSION

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Welcome:
        """Read the fields of a `welcome` item.

        Raises:
            BadControlError: names the field, what was given and what was expected.
        """
        beat = field("welcome", fields, "heartbeat", dict, {})
        number = (int, float)
        advice = field("welcome", fields, "reconnect", dict, {})
        return cls(
            session=field("welcome", fields, "session", str),
            secret=field("welcome", fields, "secret", str),
            attach=field("welcome", fields, "attach", int),
            nonce=field("welcome", fields, "nonce", str, ""),
            resumed=field("welcome", fields, "resumed", bool),
            received=field("welcome", fields, "received", int),
            begins=field("welcome", fields, "from", int),
            reason=field("welcome", fields, "reason", str, None),
            part=Place.found("welcome", fields),
            rooms=field("welcome", fields, "rooms", bool, default=False),
            codec=field("welcome", fields, "codec", str, "json"),
            compress=field("welcome", fields, "compress", str, None),
            batch=field("welcome", fields, "batch", bool, default=False),
            transport=field("welcome", fields, "transport", str, ""),
            node=field("welcome", fields, "node", str, ""),
            interval=float(field("welcome.heartbeat", beat, "interval", number, 30.0)),
            timeout=float(field("welcome.heartbeat", beat, "timeout", number, 5.0)),
            limits=field("welcome", fields, "limits", dict, {}),
            ttl=float(field("welcome", fields, "ttl", number, 120.0)),
            reconnect={
                key: float(field("welcome.reconnect", advice, key, number))
                for key in ("attempts", "delay")
                if key in advice
            },
            version=field("welcome", fields, "v", int, VERSION),
        )

    def fields(self) -> dict[str, Any]:
        """Return the fields of the `welcome` item."""
        out: dict[str, Any] = {
            "v": self.version,
            "session": self.session,
            "secret": self.secret,
            "attach": self.attach,
            "nonce": self.nonce,
            "resumed": self.resumed,
            "rooms": self.rooms,
            "received": self.received,
            "from": self.begins,
            "codec": self.codec,
            "transport": self.transport,
            "node": self.node,
            "heartbeat": {"interval": self.interval, "timeout": self.timeout},
            "limits": dict(self.limits),
            "ttl": self.ttl,
        }
        for key in ("reason", "compress"):
            if getattr(self, key) is not None:
                out[key] = getattr(self, key)
        if self.batch:
            out["batch"] = True
        if self.part is not None:
            out["part"] = self.part.fields()
        if self.reconnect:
            out["reconnect"] = dict(self.reconnect)
        return out
