"""What arrives in pieces, packed or broken: the same message, or a violation with the right number."""

from __future__ import annotations

import tracemalloc
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtcore_websocket.deflate import agree, inflate
from rtcore_websocket.inbox import BINARY, CONTINUATION, TEXT, Inbox, closing, is_utf8
from rtcore_websocket.violation import Violation


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    if len(marks) == 1:
        return [data]
    return [data[a:b] for a, b in pairwise(marks)]


def feed(inbox: Inbox, opcode: int, parts: list[bytes], *, rsv: int = 0) -> bytes | None:
    """Feed a message in fragments; return what the last one completes."""
    for n, part in enumerate(parts):
        first, last = n == 0, n == len(parts) - 1
        got = inbox.take(opcode if first else CONTINUATION, part, fin=last, rsv=rsv if first else 0)
        assert (got is None) == (not last)
    return got


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


@given(st.text(), st.lists(st.integers(0, 1000)), st.booleans())
def test_a_text_in_any_pieces_is_the_same_text(message: str, cuts: list[int], packed: bool) -> None:
    data = message.encode()
    inbox = Inbox(limit=1 << 20, deflate=True)
    sent = deflated(data) if packed else data
    assert feed(inbox, TEXT, pieces(sent, cuts), rsv=4 if packed else 0) == data
    assert inbox.between


@given(st.binary(), st.lists(st.integers(0, 1000)), st.booleans())
def test_text_that_is_not_utf8_is_found_and_bytes_are_not_minded(
    data: bytes, cuts: list[int], packed: bool
) -> None:
    inbox = Inbox(limit=1 << 20, deflate=True)
    parts = pieces(deflated(data) if packed else data, cuts)
    rsv = 4 if packed else 0
    assert feed(inbox, BINARY, parts, rsv=rsv) == data
    try:
        data.decode()
    except UnicodeDecodeError:
        assert not is_utf8(data)
        with pytest.raises(Violation) as violation:
            feed(inbox, TEXT, parts, rsv=rsv)
        assert violation.value.number == 1007
    else:
        assert is_utf8(data)
        assert feed(Inbox(limit=1 << 20, deflate=True), TEXT, parts, rsv=rsv) == data


def test_text_fails_with_the_fragment_that_breaks_it() -> None:
    inbox = Inbox(limit=1000, deflate=False)
    inbox.take(TEXT, b"caf\xc3", fin=False, rsv=0)
    with pytest.raises(Violation) as violation:
        inbox.take(CONTINUATION, b"\x20", fin=False, rsv=0)
    assert violation.value.number == 1007


@pytest.mark.parametrize("packed", [False, True])
def test_a_message_is_no_larger_for_being_cut_up(packed: bool) -> None:
    inbox = Inbox(limit=1000, deflate=True)
    inbox.take(BINARY, b"x" * 600, fin=False, rsv=4 if packed else 0)
    with pytest.raises(Violation) as violation:
        inbox.take(CONTINUATION, b"x" * 401, fin=False, rsv=0)
    assert violation.value.number == 1009


def test_a_million_fragments_cost_what_they_weigh() -> None:
    inbox = Inbox(limit=1 << 20, deflate=False)
    tracemalloc.start()
    inbox.take(BINARY, b"", fin=False, rsv=0)
    for n in range(200_000):
        inbox.take(CONTINUATION, bytes((n & 255, 1)) if n % 2 else b"", fin=False, rsv=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("fin", [False, True])
def test_a_small_message_that_inflates_to_a_giant_is_refused_without_the_memory(fin: bool) -> None:
    bomb = deflated(b"\0" * 50_000_000)
    tracemalloc.start()
    with pytest.raises(Violation) as violation:
        inflate(bomb, max_size=100_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert violation.value.number == 1009
    assert peak < 1_000_000
    inbox = Inbox(limit=100_000, deflate=True)
    with pytest.raises(Violation):
        feed(inbox, BINARY, [bomb] if fin else [bomb, b""], rsv=4)


def test_what_fits_exactly_passes() -> None:
    assert len(inflate(deflated(b"x" * 1000), max_size=1000)) == 1000
    with pytest.raises(Violation):
        inflate(deflated(b"x" * 1001), max_size=1000)


def test_what_is_not_deflated_is_a_violation() -> None:
    with pytest.raises(Violation) as violation:
        inflate(b"\xff\xff\xff", max_size=1000)
    assert violation.value.number == 1007


@pytest.mark.parametrize(
    "frames",
    [
        [(CONTINUATION, True, 0)],
        [(TEXT, False, 0), (TEXT, True, 0)],
        [(TEXT, False, 0), (BINARY, False, 0)],
        [(TEXT, True, 4)],
        [(TEXT, True, 2)],
        [(BINARY, True, 1)],
        [(BINARY, False, 0), (CONTINUATION, True, 4)],
    ],
)
def test_a_frame_in_the_wrong_place_is_a_violation(frames: list[tuple[int, bool, int]]) -> None:
    inbox = Inbox(limit=1000, deflate=False)
    *before, (opcode, fin, rsv) = frames
    for one in before:
        inbox.take(one[0], b"a", fin=one[1], rsv=one[2])
    with pytest.raises(Violation) as violation:
        inbox.take(opcode, b"a", fin=fin, rsv=rsv)
    assert violation.value.number == 1002


@pytest.mark.parametrize(
    "number", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014, 3000, 4001, 4999]
)
def test_close_numbers_that_may_be_sent_are_taken(number: int) -> None:
    assert closing(number.to_bytes(2, "big") + "grüß dich".encode()) == number


@pytest.mark.parametrize("number", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
def test_close_numbers_that_must_not_be_sent_are_refused(number: int) -> None:
    with pytest.raises(Violation) as violation:
        closing(number.to_bytes(2, "big"))
    assert violation.value.number == 1002


def test_a_close_may_be_empty_but_not_half_or_broken() -> None:
    assert closing(b"") == 1000
    with pytest.raises(Violation):
        closing(b"\x03")
    with pytest.raises(Violation) as violation:
        closing(b"\x03\xe8\xff")
    assert violation.value.number == 1007


@pytest.mark.parametrize(
    ("offer", "agreed"),
    [
        ("permessage-deflate", 12),
        ("permessage-deflate; client_max_window_bits", 12),
        ("permessage-deflate; client_max_window_bits=10; server_max_window_bits=15", 12),
        ('permessage-deflate; server_max_window_bits="9"', 9),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", 12),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", 12),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits=09", None),
        ("permessage-deflate; client_max_window_bits=7", None),
        ("permessage-deflate; server_no_context_takeover=1", None),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
        ("permessage-deflate; unheard_of", None),
        ("permessage-deflate; =", None),
        ("permessage-deflate;", None),
        ("permessage-bzip2, x-webkit-deflate-frame", None),
        ("", None),
        (",,;", None),
    ],
)
def test_offers_are_taken_when_they_can_be_kept(offer: str, agreed: int | None) -> None:
    got = agree([offer], bits=12)
    assert (got.bits if got else None) == agreed
    if got is not None:
        assert "server_no_context_takeover" in got.header
        assert "client_no_context_takeover" in got.header


@given(st.text())
def test_no_offer_makes_it_stumble(offer: str) -> None:
    agree([offer], bits=12)
    agree(["permessage-deflate;" + offer], bits=12)
