"""Bodies, read no further than they may go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import web

from rtcore.errors import Rejected
from rtcore_http.keys import SETTINGS

#: Bytes that a body may have beyond `max_message_size`: the control item in front of the messages.
SLACK: Final = 4096


async def read_body(
    request: web.Request, limit: int, came: Callable[[bytearray], None] = lambda _body: None
) -> bytes:
    """Return the whole body of a request. What is beyond `limit` bytes is not kept.

    A slow link takes its time: whoever keeps up `body_rate` bytes a second is waited for, beyond `body_timeout`.

    Args:
        request: whose body.
        limit: bytes.
        came: called with what has come so far, each time that more has.

    Raises:
        Rejected: `message_too_big`; `timeout`, if it comes too slowly; `malformed_frame`, if it is compressed: HTTP's
            own content codings are not spoken here.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Rejected("malformed_frame", "send the body without a Content-Encoding")
    if request.content_length is not None and request.content_length > limit:
        raise too_big(limit)
    body = bytearray()
    settings = request.app[SETTINGS]
    begun = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(begun + settings.body_timeout) as time:
            async for chunk in request.content.iter_any():
                if len(body) + len(chunk) > limit:
                    raise too_big(limit)
                body += chunk
                time.reschedule(begun + settings.body_timeout + len(body) / settings.body_rate)
                came(body)
    except TimeoutError:
        reason = (
            f"{len(body)} bytes of the body in the time that is given; send it quicker, or in smaller pieces"
        )
        raise Rejected("timeout", reason) from None
    return bytes(body)


def too_big(limit: int) -> Rejected:
    """Return the refusal of a body."""
    return Rejected("message_too_big", f"the body is larger than {limit} bytes")
