"""For authors of plugins: contract suites to subclass, a fake clock, a transport in memory, a plain codec.

`pip install rtcore[testing]`. Each suite is a class of pytest tests; give its factory and run pytest:

    from rtcore.testing import CodecContract

    class TestMyCodec(CodecContract):
        def make_codec(self):
            return MyCodec()
"""

from __future__ import annotations

import pytest

_SUITES = ("auth", "broker", "client", "codec", "compressor", "limiter", "transport")

# Before they are imported: an assertion that fails in a suite shows its values, as one in a test file does.
pytest.register_assert_rewrite(*(f"{__name__}.{suite}" for suite in _SUITES))

from rtcore.testing.auth import AuthenticatorContract  # noqa: E402
from rtcore.testing.broker import BrokerContract  # noqa: E402
from rtcore.testing.client import Duplex, Refused, WireClient  # noqa: E402
from rtcore.testing.clock import FakeClock  # noqa: E402
from rtcore.testing.codec import CodecContract  # noqa: E402
from rtcore.testing.compressor import CompressorContract  # noqa: E402
from rtcore.testing.contract import Contract  # noqa: E402
from rtcore.testing.in_memory import InMemoryEnd, InMemoryTransport  # noqa: E402
from rtcore.testing.limiter import LimiterContract, fake_session  # noqa: E402
from rtcore.testing.plain import PlainCodec  # noqa: E402
from rtcore.testing.transport import TransportContract  # noqa: E402

__all__ = [
    "AuthenticatorContract",
    "BrokerContract",
    "CodecContract",
    "CompressorContract",
    "Contract",
    "Duplex",
    "FakeClock",
    "InMemoryEnd",
    "InMemoryTransport",
    "LimiterContract",
    "PlainCodec",
    "Refused",
    "TransportContract",
    "WireClient",
    "fake_session",
]
