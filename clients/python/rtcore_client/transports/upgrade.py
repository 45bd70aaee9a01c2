"""Refused upgrades: the body of the answer, which aiohttp drops, says why.

A WebSocket's upgrade is an HTTP request. When the server answers it with anything but 101, `ws_connect` raises an error
that has the status and not the body, where the code and the reason are. Tracing is aiohttp's public way to see it.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import SimpleNamespace

#: Bytes of a refusal that are looked at.
REFUSAL_MAX: Final = 64 * 1024
#: Seconds for the body once the head is there: a middlebox may never send it.
PATIENCE: Final = 1.0
#: The upgrade that the present task waits for.
_present: ContextVar[Refusal | None] = ContextVar("rtcore_client_upgrade", default=None)


class Refusal:
    """What was answered to an upgrade.

    Attributes:
        body: of an answer that is no 101; empty before that.
        transport: of the socket, if it was one.
    """

    def __init__(self) -> None:
        self.body = b""
        self.transport: asyncio.Transport | None = None


@contextmanager
def upgrading(refusal: Refusal) -> Iterator[None]:
    """Within this, `ws_connect` of a session with `tracing` leaves the body of a refusal in `refusal`."""
    token = _present.set(refusal)
    try:
        yield
    finally:
        _present.reset(token)


def tracing() -> aiohttp.TraceConfig:
    """Return what the HTTP session must be made with."""
    config = aiohttp.TraceConfig()
    config.on_request_end.append(_answered)
    return config


async def _answered(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
) -> None:
    refusal, response = _present.get(), params.response
    if refusal is None:
        return
    if response.status == 101:
        refusal.transport = response.connection.transport if response.connection is not None else None
        return
    try:
        async with asyncio.timeout(PATIENCE):
            refusal.body = await response.content.read(REFUSAL_MAX)
    except (TimeoutError, aiohttp.ClientError, OSError):
        refusal.body = b""
