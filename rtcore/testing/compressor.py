"""The contract of compressors: `rtcore.spi.compressor.Compressor`, as tests."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtcore.spi.compressor import Compressor
from rtcore.testing.contract import Contract
from rtcore.wire.errors import TooBigError, UndecodableError

_relaxed = settings(suppress_health_check=[HealthCheck.differing_executors], deadline=None)

#: What a server sends much of.
_TEXT = b'{"type":"chat:message","room":"chat:1","payload":{"text":"hello"}}\n' * 100
_ROOM = 1 << 20


class CompressorContract(Contract):
    """Subclass it and give `make_compressor`."""

    def make_compressor(self) -> Compressor:
        """Return a compressor. Called for each test, and for each example of a property."""
        raise NotImplementedError

    def test_it_is_a_compressor_with_a_name(self) -> None:
        compressor = self.make_compressor()
        assert isinstance(compressor, Compressor)
        assert compressor.name
        assert compressor.name == compressor.name.lower()

    @_relaxed
    @given(st.binary(max_size=5000) | st.integers(0, 200).map(lambda n: _TEXT[: n * 33]))
    def test_what_was_compressed_comes_back(self, data: bytes) -> None:
        compressor = self.make_compressor()
        assert compressor.decompress(compressor.compress(data), max_size=len(data)) == data

    def test_text_becomes_smaller(self) -> None:
        assert len(self.make_compressor().compress(_TEXT)) < len(_TEXT) / 5

    def test_each_frame_stands_for_itself(self) -> None:
        compressor, another = self.make_compressor(), self.make_compressor()
        first = compressor.compress(_TEXT)
        assert compressor.compress(_TEXT) == first
        assert another.decompress(first, max_size=_ROOM) == _TEXT
        assert compressor.decompress(another.compress(b"x"), max_size=_ROOM) == b"x"

    def test_exactly_what_is_allowed_passes_and_one_byte_more_does_not(self) -> None:
        compressor = self.make_compressor()
        packed = compressor.compress(_TEXT)
        assert compressor.decompress(packed, max_size=len(_TEXT)) == _TEXT
        for max_size in (len(_TEXT) - 1, 1, 0):
            with pytest.raises(TooBigError):
                compressor.decompress(packed, max_size=max_size)

    def test_a_bomb_is_refused_before_it_is_unpacked(self) -> None:
        compressor = self.make_compressor()
        bomb = compressor.compress(bytes(200 << 20))
        began = time.perf_counter()
        for _ in range(20):
            with pytest.raises(TooBigError):
                compressor.decompress(bomb, max_size=1000)
        # To unpack it 20 times would be 4 GB.
        assert time.perf_counter() - began < 1.0

    def test_a_frame_that_is_cut_short_is_undecodable(self) -> None:
        compressor = self.make_compressor()
        packed = compressor.compress(_TEXT)
        for end in (0, 1, len(packed) // 2, len(packed) - 1):
            with pytest.raises(UndecodableError):
                compressor.decompress(packed[:end], max_size=_ROOM)

    def test_a_frame_that_goes_on_after_its_end_is_undecodable(self) -> None:
        compressor = self.make_compressor()
        for rest in (b"\x00", b"more", _TEXT, compressor.compress(_TEXT)):
            with pytest.raises(UndecodableError):
                compressor.decompress(compressor.compress(_TEXT) + rest, max_size=_ROOM)

    @_relaxed
    @given(st.binary(max_size=500))
    def test_noise_is_undecodable_or_at_least_within_bounds(self, noise: bytes) -> None:
        try:
            data = self.make_compressor().decompress(noise, max_size=10_000)
        except (UndecodableError, TooBigError):
            return
        assert len(data) <= 10_000
