from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest
import rtcore_http
import rtcore_polling
from polling_client import PollDuplex
from rtcore_http.service import Http

from rtcore.app import App
from rtcore.testing import PlainCodec, TransportContract


class TestPolling(TransportContract):
    transport = "polling"
    settings = {"http": {"port": 0}, "heartbeat_interval": 1.0, "ping_timeout": 1.0}  # noqa: RUF012 - the contract's own way

    def plugins(self) -> Sequence[object]:
        return [rtcore_http, rtcore_polling]

    @asynccontextmanager
    async def open(self, app: App, *, codec: str) -> AsyncIterator[PollDuplex]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            end = PollDuplex(http, _url(app), codec=PlainCodec(codec, binary=codec == "turned"))
            yield end
            await end.close()

    @pytest.mark.xfail(
        reason="a POST that cannot be cut is refused whole: nothing of it was counted or is lost"
    )
    @pytest.mark.asyncio
    async def test_a_frame_that_cannot_be_cut_ends_the_session_with_its_code(self) -> None:
        type(self).patience = 0.5
        try:
            await super().test_a_frame_that_cannot_be_cut_ends_the_session_with_its_code()
        finally:
            type(self).patience = TransportContract.patience


class TestPollingByHandlers(TestPolling):
    """The same without hatches: a server that logs each request lets aiohttp handle it."""

    settings = {**TestPolling.settings, "http": {"port": 0, "access_log": True}}  # noqa: RUF012 - the contract's own way


def _url(app: App) -> str:
    urls = app.get(Http).urls
    if not urls:
        raise ConnectionRefusedError("the port is closed")
    return urls[0]
