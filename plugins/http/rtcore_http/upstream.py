"""POST /rt/send: the way up for transports whose own way is down only (SSE, long polling).

Rule: the body is one frame whose first item is `["send", {session, secret, attach, from}]`; the answer is a frame with
`["ack", {"n": …}]` or `["error", {…}]`. Messages are counted, so a POST whose answer was lost is simply sent again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rtcore.errors import Rejected
from rtcore.wire.control import Control
from rtcore.wire.errors import BadControlError, WireError
from rtcore.wire.format import unpack
from rtcore_http.answers import Answer, headers_of, status_of
from rtcore_http.body import SLACK, read_body
from rtcore_http.gate import PATIENCE, Gate
from rtcore_http.handshake import check_origin
from rtcore_http.keys import APP, CODEC

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore.spi.codec import Codec, Item
    from rtcore_http.hatches import Reply


def codec_of(request: web.Request, app: App) -> Codec:
    """Return the codec of a request: `?codec=`, else the server's default. A body's media type says nothing.

    So a page of another host says what it speaks without a preflight: its bodies are `text/plain` whatever they hold.

    Raises:
        Rejected: `unsupported_codec`.
    """
    codecs = app.registry.codecs
    name = request.query.get("codec", app.options.codec) if "?" in request.raw_path else app.options.codec
    codec = codecs.get(name)
    if codec is None:
        raise Rejected(
            "unsupported_codec",
            f"?codec={name[:40]!r}: expected one of {', '.join(sorted(codecs)) or 'none'}",
        )
    return codec


def spoken(request: web.Request, app: App) -> Codec:
    """Return the codec of a request that may come here; found once for requests that have the same head.

    Raises:
        Rejected: `host_refused`, `origin_refused`; `unsupported_codec`.
    """
    codec: Codec | None = request.get(CODEC)
    if codec is None:
        check_origin(request)
        codec = request[CODEC] = codec_of(request, app)
    return codec


class Post:
    """What one POST brings.

    Args:
        body: of the request.
        codec: of the body.
        app: whose sessions are meant, and whose `max_message_size` (bytes) counts.

    Raises:
        Rejected: `message_too_big`, `malformed_frame` or `bad_control`.
    """

    def __init__(self, body: bytes, codec: Codec, app: App) -> None:
        control, self._items = frame_of(body, codec, app, first="send")
        start = control.fields.get("from")
        if type(start) is not int or start < 0:
            raise Rejected("bad_control", f"send: `from`: expected a count from 0, given {start!r:.40}")
        self._fields, self._start, self._size = control.fields, start, len(body)
        self._codec, self._manager = codec, app.manager
        self._has_waited = False

    def take(self) -> Answer | Gate:
        """Take what it says: control in any case, and as many messages as the session has room for.

        Returns:
            The answer, which says how many that were; or, while none is taken, the gate to wait at before trying again,
            once.

        Raises:
            Rejected: there is no such session here, or it cannot take them.
        """
        farewell = goodbye(self._items)
        if farewell is not None:
            # Also when its stream is gone, as that of a page that is closed: nothing else would end the session now.
            return _frame(self._codec, "ack", {"n": self._manager.take_goodbye(self._fields, farewell)})
        connection = self._manager.find(self._fields)
        gate = getattr(connection.link, "gate", None)
        shut = gate if isinstance(gate, Gate) and gate.closed else None
        ack = connection.receive_from(self._start, self._items, size=self._size)
        if shut is not None and not self._has_waited:
            self._size = 0
            self._items = [item for item in self._items if not _is_control(item)]
            if self._items and ack["n"] < self._start + len(self._items):
                return shut
        return _frame(self._codec, "ack", ack)

    async def taken(self, gate: Gate) -> Answer:
        """Take the rest, after the gate. The session may have moved meanwhile."""
        # Its client's pong comes behind it.
        await gate.wait(min(PATIENCE, self._manager.options.ping_timeout / 4))
        self._has_waited = True
        found = self.take()
        assert not isinstance(found, Gate)  # noqa: S101 - it has waited
        return found


def _is_control(item: Item) -> bool:
    """Say whether an item is neither a message nor a part of one."""
    return isinstance(item, Control) and item.name != "part"


def frame_of(body: bytes, codec: Codec, app: App, *, first: str) -> tuple[Control, Sequence[Item]]:
    """Return the control item that begins the frame in a body, which must have the name `first`, and the other items.

    Raises:
        Rejected: `message_too_big`, `malformed_frame` or `bad_control`.
    """
    try:
        items = unpack(body, codec, None, max_size=app.options.max_message_size + SLACK)
        head = items[0] if items else None
        if not isinstance(head, Control) or head.name != first:
            raise BadControlError(f'the first item of the body must be ["{first}", {{…}}]')
    except WireError as error:
        raise Rejected(error.code, str(error)) from None
    return head, items[1:]


async def send(request: web.Request) -> web.StreamResponse:
    """Take a POST's messages for the session that it names."""
    app = request.app[APP]
    codec = spoken(request, app)
    try:
        post = Post(await read_body(request, app.options.max_message_size + SLACK), codec, app)
        found = post.take()
        if isinstance(found, Gate):
            found = await post.taken(found)
    except Rejected as refusal:
        found = error_of(codec, refusal)
    return found.response()


def send_at_once(request: web.Request, body: bytes, reply: Reply) -> None:
    """Do the same as a hatch."""
    app = request.app[APP]
    codec = spoken(request, app)
    try:
        post = Post(body, codec, app)
        found = post.take()
        if isinstance(found, Gate):
            app.spawn(_send_later(post, found, codec, reply), name="a POST at its gate")
            return
    except Rejected as refusal:
        found = error_of(codec, refusal)
    reply.answer(found)


async def _send_later(post: Post, gate: Gate, codec: Codec, reply: Reply) -> None:
    try:
        found = await post.taken(gate)
    except Rejected as refusal:
        found = error_of(codec, refusal)
    except Exception as error:  # noqa: BLE001 - as whatever a handler raises
        reply.fail(error)
        return
    reply.answer(found)


def goodbye(items: Sequence[Item]) -> Control | None:
    """Return the `bye` or `away` of a POST that brings no messages, which would need a connection to be taken."""
    if not items or not isinstance(items[-1], Control):
        return None
    said = [item for item in items if isinstance(item, Control)]
    if len(said) < len(items):
        return None
    return next((item for item in said if item.name in {"bye", "away"}), None)


def error_of(codec: Codec, refusal: Rejected) -> Answer:
    """Return a refusal as the client reads it that has said which codec it speaks."""
    return _frame(codec, "error", refusal.fields(), status_of(refusal), headers_of(refusal))


def _frame(
    codec: Codec,
    name: str,
    fields: dict[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    body = codec.join([codec.encode_control(name, fields)])
    return Answer(body, codec.content_type, status, headers or {})
