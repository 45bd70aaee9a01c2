"""POST /rt/send: the way up for transports whose own way is down only (SSE, long polling).

Rule: the body is one frame whose first item is `["send", {session, secret, attach, from}]`; the answer is a frame with
`["ack", {"n": …}]` or `["error", {…}]`. Messages are counted, so a POST whose answer was lost is simply sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from rtcore.errors import Rejected
from rtcore.wire.control import Control
from rtcore.wire.errors import BadControlError, WireError
from rtcore.wire.format import unpack
from rtcore_http.answers import headers_of, refuse, status_of
from rtcore_http.body import SLACK, read_body
from rtcore_http.gate import Gate
from rtcore_http.handshake import check_origin
from rtcore_http.keys import APP

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore.spi.codec import Codec, Item

PATH: Final = "/rt/send"

#: What a browser sends without a preflight, and what it gets when it says nothing.
_SIMPLE: Final = frozenset({"text/plain", "application/octet-stream"})


def codec_of(request: web.Request, app: App) -> Codec:
    """Return the codec of a request: `?codec=`, else the one whose media type the body has, else the default.

    `text/plain` is the default codec, so that a page on another host needs no preflight.

    Raises:
        Rejected: `unsupported_codec`.
    """
    codecs = app.registry.codecs
    name = request.query.get("codec")
    if name is not None:
        if name in codecs:
            return codecs[name]
    else:
        content_type = request.content_type
        for codec in codecs.values():
            if codec.content_type.partition(";")[0].strip() == content_type:
                return codec
        if content_type in _SIMPLE and app.options.codec in codecs:
            return codecs[app.options.codec]
    raise Rejected(
        "unsupported_codec",
        f"given {name or request.content_type!r}, spoken here: {', '.join(sorted(codecs))}",
    )


async def read_frame(
    request: web.Request, codec: Codec, app: App, *, first: str
) -> tuple[Control, Sequence[Item], int]:
    """Return the control item that begins the frame in a request's body, the other items, and the body's size.

    Args:
        request: whose body is read, up to `max_message_size` and a little.
        codec: of the body.
        app: whose `max_message_size` (bytes) counts.
        first: the name that the control item must have.

    Raises:
        Rejected: `message_too_big`, `timeout`, `malformed_frame` or `bad_control`.
    """
    limit = app.options.max_message_size + SLACK
    body = await read_body(request, limit)
    try:
        items = unpack(body, codec, None, max_size=limit)
        head = items[0] if items else None
        if not isinstance(head, Control) or head.name != first:
            raise BadControlError(f'the first item of the body must be ["{first}", {{…}}]')
    except WireError as error:
        raise Rejected(error.code, str(error)) from None
    return head, items[1:], len(body)


async def send(request: web.Request) -> web.StreamResponse:
    """Take a POST's messages for the session that it names."""
    app = request.app[APP]
    try:
        check_origin(request)
        codec = codec_of(request, app)
    except Rejected as refusal:
        return refuse(refusal)
    try:
        control, items, size = await read_frame(request, codec, app, first="send")
        start = control.fields.get("from")
        if type(start) is not int or start < 0:
            raise Rejected("bad_control", f"send: `from`: expected a count from 0, given {start!r:.40}")
        if says_only_bye(items):
            # Also when its stream is gone, as that of a page that is closed: nothing else would end the session now.
            return _frame(codec, "ack", {"n": app.manager.take_goodbye(control.fields)})
        connection = app.manager.find(control.fields)
        gate = getattr(connection.link, "gate", None)
        if isinstance(gate, Gate):
            await gate.wait()
            connection = app.manager.find(control.fields)  # the session may have moved meanwhile
        n = connection.receive_from(start, items, size=size)
    except Rejected as refusal:
        return _frame(
            codec, "error", refusal.fields(), status=status_of(refusal), headers=headers_of(refusal)
        )
    return _frame(codec, "ack", {"n": n})


def says_only_bye(items: Sequence[Item]) -> bool:
    """Say whether a POST brings a goodbye and no messages, which would need a connection to be taken."""
    return any(isinstance(item, Control) and item.name == "bye" for item in items) and all(
        isinstance(item, Control) for item in items
    )


def _frame(
    codec: Codec,
    name: str,
    fields: dict[str, Any],
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> web.Response:
    return web.Response(
        body=codec.join([codec.encode_control(name, fields)]),
        status=status,
        headers={"Cache-Control": "no-store", "Content-Type": codec.content_type, **(headers or {})},
    )
