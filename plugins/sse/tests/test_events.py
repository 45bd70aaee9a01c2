"""The event stream format, read back by what the standard says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtcore_sse.events import COMMENT, event, padding, retry
from rtcore_sse.framing import CHUNKED, UNCHUNKED
from sse_client import EventStream

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.lists(texts), st.integers(1, 7))
def test_every_frame_comes_back_as_one_event_however_the_stream_is_cut(frames: list[str], size: int) -> None:
    data = b"".join(UNCHUNKED.frame(frame.encode(), binary=False) for frame in frames)
    stream = EventStream()
    events = [event for at in range(0, len(data), size) for event in stream.feed(data[at : at + size])]
    assert [event.data for event in events] == [re.sub(r"\r\n|\r", "\n", frame) for frame in frames]


@given(texts)
def test_a_chunked_frame_is_one_chunk(frame: str) -> None:
    data = CHUNKED.frame(frame.encode(), binary=False)
    head, _, rest = data.partition(b"\r\n")
    assert len(rest) == int(head, 16) + 2
    assert rest.endswith(b"\r\n")
    assert CHUNKED.unwrap(data) == UNCHUNKED.frame(frame.encode(), binary=False)


def test_a_binary_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="text"):
        CHUNKED.frame(b"\x01", binary=True)


def test_an_event_may_have_a_name_and_an_id_that_those_after_it_keep() -> None:
    stream = EventStream()
    events = stream.feed(event(b"{}", name="gap", id=b"e:3") + event(b"[]"))
    assert events == [("{}", "e:3", "gap"), ("[]", "e:3", "message")]


def test_comments_and_advice_dispatch_nothing() -> None:
    stream = EventStream()
    assert stream.feed(padding(2048) + COMMENT + retry(1.25)) == []
    assert stream.comments == 2
    assert stream.retry == 1250


@given(st.integers(0, 5000))
def test_padding_is_as_long_as_it_was_asked_for(size: int) -> None:
    assert len(padding(size)) == (size if size >= 3 else 0)
