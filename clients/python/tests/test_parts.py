"""The small parts: quality, chain, backoff, streams of events, options, presets, builder."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtcore_client import (
    REALTIME_PRESETS,
    ConnectionQualityDetector,
    RealtimeBuilder,
    RealtimeClient,
    RequestError,
)
from rtcore_client.backoff import Backoff
from rtcore_client.chain import PENALTY, SHORT, STRIKES, Chain
from rtcore_client.transports import LinkLost
from rtcore_client.transports.sse import EventStream

URL = "http://localhost:8080/rt"
PREFERENCE = ("websocket", "sse", "polling")


# -- quality -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "quality", "suggested"),
    [
        (0.05, "excellent", "websocket"),
        (0.2, "good", "websocket"),
        (0.8, "fair", "sse"),
        (3.0, "poor", "polling"),
    ],
)
def test_quality_follows_the_round_trips(seconds, quality, suggested):
    detector = ConnectionQualityDetector()
    for _ in range(5):
        detector.record_latency(seconds)
    assert detector.get_connection_quality() == quality
    assert detector.get_suggested_connection_type() == suggested


def test_one_slow_round_trip_among_quick_ones_is_forgiven():
    detector = ConnectionQualityDetector()
    for seconds in (0.05, 5.0, 0.05, 0.06):
        detector.record_latency(seconds)
    assert detector.get_connection_quality() == "excellent"


def test_losses_spoil_the_quality_and_are_forgotten():
    detector = ConnectionQualityDetector(samples=20)
    for _ in range(19):
        detector.record_latency(0.01)
    detector.record_packet_loss()
    assert detector.loss == pytest.approx(0.05)
    assert detector.get_connection_quality() == "good"
    for _ in range(20):
        detector.record_latency(0.01)
    assert detector.get_connection_quality() == "excellent"


def test_nothing_known_is_taken_for_good():
    assert ConnectionQualityDetector().get_connection_quality() == "good"
    assert ConnectionQualityDetector().latency is None


# -- the chain -------------------------------------------------------------------------------------------------


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_chain_begins_with_the_preference_then_with_what_worked():
    chain = Chain(PREFERENCE, Clock())
    assert chain.order() == ["websocket", "sse", "polling"]
    chain.worked("sse")
    assert chain.order() == ["sse", "websocket", "polling"]
    assert chain.order("polling") == ["polling", "websocket", "sse"]
    assert chain.better("sse") == ["websocket"]
    assert chain.better("websocket") == []


def test_a_transport_that_keeps_breaking_is_left_alone_for_a_while():
    clock = Clock()
    chain = Chain(PREFERENCE, clock)
    chain.worked("websocket")
    for _ in range(STRIKES):
        chain.lost("websocket", SHORT / 2)
    assert chain.order() == ["sse", "polling", "websocket"]
    assert chain.better("sse") == []
    clock.now += PENALTY + 1
    assert chain.better("sse") == ["websocket"]


def test_a_link_that_lived_makes_good_what_was_before():
    chain = Chain(PREFERENCE, Clock())
    for lived in (1.0, 1.0, SHORT, 1.0, 1.0):
        chain.lost("websocket", lived)
    assert chain.order()[0] == "websocket"


def test_a_choice_of_the_program_comes_first():
    chain = Chain(PREFERENCE, Clock())
    chain.prefer("polling")
    assert chain.order() == ["polling", "websocket", "sse"]
    assert chain.better("websocket") == ["polling"]


# -- backoff -----------------------------------------------------------------------------------------------------


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(0, 100), st.floats(0.0, 60.0))
def test_a_pause_is_within_its_limit_and_not_below_the_advice(attempt, advice):
    backoff = Backoff(1.0, 30.0)
    assert 0.0 <= backoff.delay(attempt) <= min(30.0, 2.0**attempt)
    assert backoff.delay(attempt, retry_after=advice) >= advice
    assert advice <= backoff.around(advice) <= advice * 1.1 + 1e-9


# -- a stream of events ---------------------------------------------------------------------------------------------


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1), max_size=8),
    st.lists(st.integers(1, 12), min_size=1),
    st.sampled_from(["\n", "\r\n"]),
)
def test_events_come_out_whole_however_the_stream_is_cut(events, cuts, end):
    data = "".join(f": a comment{end}data: {event}{end}{end}" for event in events).encode()
    stream, got, cut = EventStream(10_000), [], 0
    while data:
        size = cuts[cut % len(cuts)]
        cut += 1
        got += stream.feed(data[:size])
        data = data[size:]
    assert [event.decode() for event in got] == events


def test_an_event_that_is_too_large_ends_the_link():
    stream = EventStream(100)
    with pytest.raises(LinkLost):
        stream.feed(b"data: " + b"x" * 200)


# -- options, builder, presets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"connection_type": "carrier pigeon"}, "connection_type"),
        ({"fallback_types": ("sse", "smoke")}, "fallback_types"),
        ({"heartbeat_interval": 0}, "heartbeat_interval"),
        ({"max_reconnect_attempts": -1}, "max_reconnect_attempts"),
        ({"batch_size": 0}, "batch_size"),
        ({"codec": "xml"}, "codec"),
    ],
)
def test_what_cannot_be_is_named(options, named):
    with pytest.raises(ValueError, match=named):
        RealtimeClient(URL, **options)


@pytest.mark.parametrize(
    "url", ["ftp://host/rt", "localhost:8080", "http://user:pw@host/rt", "http://h/rt?token=x"]
)
def test_a_url_that_cannot_be_or_holds_secrets_is_refused(url):
    with pytest.raises(ValueError, match="url"):
        RealtimeClient(url)


def test_events_have_names():
    with pytest.raises(ValueError, match="event"):
        RealtimeClient(URL).on("connected", print)


def test_the_builder_builds_what_it_was_told():
    client = (
        RealtimeBuilder(URL)
        .with_transports("sse", "polling")
        .with_token("t")
        .with_headers({"X-API-Key": "k"})
        .with_client_id("me")
        .with_codec("json")
        .with_reconnect(attempts=9, delay=0.5)
        .with_heartbeat(interval=10, timeout=2)
        .with_compression(threshold=99)
        .with_batching(size=5, interval=0.2)
        .with_timing(open=3.0)
        .with_limits(queue=7)
        .build()
    )
    options = client._options
    assert options.preference == ("sse", "polling")
    assert options.authentication == {"token": "t", "headers": {"X-API-Key": "k"}}
    assert (options.client_id, options.max_reconnect_attempts, options.reconnect_delay) == ("me", 9, 0.5)
    assert (options.heartbeat_interval, options.ping_timeout, options.compression_threshold) == (10, 2, 99)
    assert (options.enable_batching, options.batch_size, options.batch_interval) == (True, 5, 0.2)
    assert (options.timing.open, options.limits.queue) == (3.0, 7)
    assert not RealtimeBuilder(URL).without_reconnect().build()._options.auto_reconnect


def test_the_builder_makes_a_client_for_each_transport():
    made = {
        "websocket": RealtimeBuilder.create_websocket_client(URL),
        "sse": RealtimeBuilder.create_sse_client(URL),
        "polling": RealtimeBuilder.create_polling_client(URL, client_id="me"),
    }
    for transport, client in made.items():
        assert client._options.preference[0] == transport
    assert made["polling"].get_connection_info().client_id == "me"


@pytest.mark.parametrize("name", ["CHAT", "NOTIFICATIONS", "DASHBOARD", "COLLABORATION", "TELEMETRY"])
def test_presets_make_clients_and_their_options_give_way(name):
    client = getattr(REALTIME_PRESETS, name)(URL, client_id="me", max_reconnect_attempts=3)
    assert client.get_connection_info().client_id == "me"
    assert client._options.max_reconnect_attempts == 3


def test_secrets_are_in_no_repr():
    client = RealtimeClient(URL, authentication={"token": "t0psecret", "headers": {"X-Key": "t0psecret"}})
    assert "t0psecret" not in repr(client)
    assert "t0psecret" not in repr(client._options)
    assert "t0psecret" not in repr(client.get_connection_info())


@settings(deadline=None)  # a busy machine is no failure
@given(st.one_of(st.none(), st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none())))
def test_any_payload_of_an_error_becomes_an_error(payload):
    assert RequestError.parse(payload).code
