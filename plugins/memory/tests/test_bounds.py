from __future__ import annotations

import pytest
import rtcore_memory
from rtcore_memory.broker import MemoryBroker
from rtcore_memory.settings import Settings

from rtcore.app import App
from rtcore.spi.broker import History, Publication
from rtcore.testing import FakeClock
from rtcore.wire.message import Message


@pytest.fixture
def clock():
    return FakeClock()


def kept(room: str, payload: object = None, *, keep: int = 10, keep_for: float = 60.0) -> Publication:
    return Publication(room, Message("m", payload), keep=keep, keep_for=keep_for)


async def started(clock, sink=lambda _: None, **settings) -> MemoryBroker:
    broker = MemoryBroker(Settings(**settings), clock=clock)
    await broker.start(sink)
    return broker


def test_the_door_offers_a_broker_with_history_and_the_settings_of_the_app():
    app = App({"memory": {"history_rooms": 3}}, plugins=[rtcore_memory])
    app.boot()
    assert isinstance(app.broker, MemoryBroker)
    assert isinstance(app.broker, History)
    assert app.settings(Settings).history_rooms == 3


async def test_members_have_it_before_publish_returns(clock):
    got = []
    broker = await started(clock, got.append)
    broker.subscribe("r")
    broker.publish(Publication("r", Message("a")))
    assert len(got) == 1


async def test_beyond_so_many_rooms_the_quietest_one_is_forgotten(clock):
    broker = await started(clock, history_rooms=2)
    first = broker.publish(kept("a"))
    broker.publish(kept("b"))
    broker.publish(kept("a"))
    broker.publish(kept("c"))
    assert len(broker.history("a")[0]) == 2
    assert broker.history("b")[0] == []
    assert len(broker.history("a", since=first)[0]) == 1


async def test_a_history_that_begins_again_has_another_epoch(clock):
    broker = await started(clock, history_rooms=1)
    before = broker.publish(kept("a"))
    broker.publish(kept("b"))
    again = broker.publish(kept("a"))
    assert again.offset == 1
    assert again.epoch != before.epoch
    with pytest.raises(LookupError):
        broker.history("a", since=before)


async def test_all_histories_together_have_a_bound_in_bytes(clock):
    broker = await started(clock, history_bytes=10_000)
    for n in range(50):
        broker.publish(kept(f"r{n}", "x" * 1000))
    held = [n for n in range(50) if broker.history(f"r{n}")[0]]
    assert 1 <= len(held) <= 10
    assert held[-1] == 49
    assert broker._bytes <= 10_000


async def test_one_that_alone_is_beyond_the_bound_is_delivered_and_not_held(clock):
    got = []
    broker = await started(clock, got.append, history_bytes=100)
    broker.subscribe("r")
    assert broker.publish(kept("r", "x" * 1000)).offset == 1
    assert len(got) == 1
    assert broker.history("r")[0] == []


async def test_a_room_that_nobody_listens_to_leaves_nothing_behind_when_its_time_is_up(clock):
    broker = await started(clock)
    for n in range(20):
        broker.publish(kept(f"r{n}", keep_for=1.0))
    clock.advance(2.0)
    for _ in range(20):
        broker.publish(kept("busy", keep_for=1.0))
    assert list(broker._histories) == ["busy"]


async def test_a_room_that_somebody_listens_to_keeps_its_place_though_it_is_quiet(clock):
    broker = await started(clock)
    broker.subscribe("quiet")
    place = broker.publish(kept("quiet", keep_for=1.0))
    clock.advance(2.0)
    for _ in range(5):
        broker.publish(kept("busy"))
    assert broker.history("quiet", since=place) == ([], place)


async def test_what_the_members_cannot_be_told_is_not_remembered(clock):
    def refuse(publication):
        raise TypeError("no codec can express it")

    broker = await started(clock, refuse)
    broker.subscribe("r")
    publication = kept("r", object())
    with pytest.raises(TypeError):
        broker.publish(publication)
    assert publication.message.offset is None
    assert broker.history("r")[0] == []


async def test_history_can_be_switched_off(clock):
    broker = await started(clock, history_rooms=0)
    assert broker.publish(kept("r")) is None
