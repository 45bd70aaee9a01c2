"""Bodies, read no further than they may go."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from rtcore.errors import Rejected
from rtcore_http.keys import SETTINGS

#: Bytes that a body may have beyond `max_message_size`: the control item in front of the messages.
SLACK: Final = 4096


async def read_body(request: web.Request, limit: int) -> bytes:
    """Return the whole body of a request. What is beyond `limit` bytes is not kept.

    Raises:
        Rejected: `message_too_big`; `timeout`, if it takes longer than `body_timeout` seconds; `malformed_frame`, if
            it is compressed: HTTP's own content codings are not spoken here.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Rejected("malformed_frame", "send the body without a Content-Encoding")
    if request.content_length is not None and request.content_length > limit:
        raise too_big(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(request.app[SETTINGS].body_timeout):
            async for chunk in request.content.iter_any():
                if len(body) + len(chunk) > limit:
                    raise too_big(limit)
                body += chunk
    except TimeoutError:
        raise Rejected("timeout", "the body came too slowly") from None
    return bytes(body)


def too_big(limit: int) -> Rejected:
    """Return the refusal of a body."""
    return Rejected("message_too_big", f"the body is larger than {limit} bytes")
