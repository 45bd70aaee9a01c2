from __future__ import annotations

from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
import rtcore_tcp_ndjson
from ends import TcpEnd

from rtcore.testing import TransportContract


class TestTcp(TransportContract):
    transport = "tcp_ndjson"
    settings: ClassVar = {"tcp_ndjson": {"port": 0, "close_timeout": 1.0}}

    def plugins(self):
        return [rtcore_tcp_ndjson]

    @asynccontextmanager
    async def open(self, app, *, codec):
        end = await TcpEnd.connect(app.registry.transports["tcp_ndjson"].port)
        yield end
        await end.close()

    @pytest.mark.xfail(reason="it is newline-delimited JSON: there is no way to ask for another codec")
    async def test_a_codec_that_nobody_knows_is_refused(self):
        await super().test_a_codec_that_nobody_knows_is_refused()
