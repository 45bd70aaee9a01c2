"""HTTP requests of the transports that have no socket of their own, and what their answers mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from rtcore.wire.control import Control
from rtcore.wire.errors import WireError
from rtcore_client.transports.base import LinkLost, advice

if TYPE_CHECKING:
    from rtcore.spi.codec import Codec
    from rtcore_client.transports.base import Context

#: Bytes of a refusal that are looked at.
REFUSAL_MAX: Final = 64 * 1024
#: Statuses after which the same may succeed.
_PASSING: Final = frozenset({408, 425, 429})
#: Statuses that say something of the client or the address, not of what was sent.
_OF_THE_WAY: Final = frozenset({401, 404, 405, 407})
#: Seconds for a TCP connection to come about.
CONNECT: Final = 10.0


async def post(
    context: Context, leaf: str, body: bytes, codec: Codec, *, timeout: float | None
) -> aiohttp.ClientResponse:
    """POST a frame; return the response, whose body is not read yet, if its status is 200.

    Args:
        context: of the link.
        leaf: `sse`, `poll` or `send`.
        body: the frame.
        codec: that it is encoded in.
        timeout: seconds without a byte from the server; `None` for no such limit.

    Raises:
        LinkLost: no answer (`NETWORK_ERROR`), or a refusal, with what the server said.
    """
    try:
        response = await context.http.post(
            context.endpoint.of(leaf, codec=codec.name),
            data=body,
            headers={**context.headers, "Content-Type": codec.content_type},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=timeout),
            ssl=context.ssl or True,
        )
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise LinkLost("NETWORK_ERROR", f"{type(error).__name__}: {error}") from error
    if response.status == 200:
        return response
    raise await refusal(response, codec)


async def body_of(
    response: aiohttp.ClientResponse, limit: int, alive: Callable[[], None] = lambda: None
) -> bytes:
    """Read a response to its end and release it; `alive` is called with each piece of it.

    Raises:
        LinkLost: it was cut short (`NETWORK_ERROR`), or has more than `limit` bytes (`message_too_big`).
    """
    chunks: list[bytes] = []
    size = 0
    try:
        async with response:
            while chunk := await response.content.readany():
                alive()
                chunks.append(chunk)
                size += len(chunk)
                if size > limit:
                    response.close()
                    raise LinkLost("message_too_big", f"an answer of more than {limit} bytes", passing=False)
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise LinkLost("NETWORK_ERROR", f"{type(error).__name__}: {error}") from error
    return b"".join(chunks)


async def refusal(response: aiohttp.ClientResponse, codec: Codec) -> LinkLost:
    """Return what a response with another status than 200 means. Without a code of ours no server of ours sent it."""
    try:
        body = await response.content.read(REFUSAL_MAX)
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        body = str(error).encode()
    finally:
        response.release()
    fields = said(body, codec)
    if fields is None:
        after = response.headers.get("Retry-After", "")
        return LinkLost(
            "NETWORK_ERROR",
            f"answered with {response.status}{hint(body)}",
            retry_after=advice(float(after)) if after.isdecimal() else None,
            passing=response.status >= 500 or response.status in _PASSING,
            refuses=_refuses(response.status),
        )
    return LinkLost.by_server(fields)


def hint(body: bytes) -> str:
    """Return what the server says to whoever asks at a path where nothing is."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    hint = document.get("hint") if isinstance(document, dict) else None
    return f": {hint[:200]}" if isinstance(hint, str) else ""


def _refuses(status: int) -> str | None:
    """Return what a message fails with when somebody who is no server of ours answers a POST with this status."""
    if status == 413:
        return "message_too_big"
    return "blocked" if 400 <= status < 500 and status not in _PASSING | _OF_THE_WAY else None


def said(body: bytes, codec: Codec) -> Mapping[str, Any] | None:
    """Return the coded error in a body: `{"error": {…}}`, or a frame with an `error` or `close` item; else `None`."""
    try:
        for item in codec.decode(body):
            if isinstance(item, Control) and item.name in {"error", "close"} and "code" in item.fields:
                return item.fields
    except WireError:
        pass
    try:
        document = json.loads(body)
    except ValueError:
        return None
    fields = document.get("error") if isinstance(document, dict) else None
    return fields if isinstance(fields, dict) and "code" in fields else None
