"""The contract of brokers: `rtcore.spi.broker.Broker`, and `History` where a broker has it, as tests."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rtcore.spi.broker import Broker, Forgotten, History, Page, Position, Publication
from rtcore.testing.contract import Contract
from rtcore.wire.message import Message


class BrokerContract(Contract):
    """Subclass it and give `make_broker`; `pass_time`, too, if the broker lives by a clock that you hold."""

    def make_broker(self) -> Broker:
        """Return a broker that was not started yet, and knows nothing of earlier tests."""
        raise NotImplementedError

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass for the broker."""
        await asyncio.sleep(seconds)

    # -- what the tests stand on -------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self, *rooms: str) -> AsyncIterator[tuple[Broker, list[Publication]]]:
        """A started broker that is subscribed to rooms, and what its sink was given."""
        broker, got = self.make_broker(), list[Publication]()
        await broker.start(got.append)
        for room in rooms:
            await self.answer(broker.subscribe(room))
        yield broker, got
        await broker.stop()

    async def answer(self, value: Any) -> Any:
        """Wait for an answer that may or may not be awaitable."""
        return await value if inspect.isawaitable(value) else value

    async def look(
        self, history: History, room: str, *, since: Position | None = None, limit: int = 100
    ) -> Page:
        """Ask for a room's history, and wait for the answer if it comes later."""
        page: Page = await self.answer(history.history(room, since=since, limit=limit))
        return page

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so; ten seconds at most."""
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - a broker has no event for it
                await asyncio.sleep(0.005)

    def history(self, broker: Broker) -> History | None:
        """The broker, if it remembers."""
        return broker if isinstance(broker, History) else None

    # -- publications --------------------------------------------------------------------------------------

    def test_it_is_a_broker_with_a_name(self) -> None:
        broker = self.make_broker()
        assert isinstance(broker, Broker)
        assert broker.name

    @pytest.mark.asyncio
    async def test_a_publication_reaches_the_node_that_published_it(self) -> None:
        async with self.running("r") as (broker, got):
            assert await self.answer(broker.publish(Publication("r", Message("a", 1), exclude="s"))) is None
            await self.until(lambda: bool(got))
            assert (got[0].room, got[0].exclude, got[0].message.payload) == ("r", "s", 1)
            assert got[0].message.offset is None

    @pytest.mark.asyncio
    async def test_only_rooms_with_a_subscription_are_delivered(self) -> None:
        async with self.running("r", "left") as (broker, got):
            broker.unsubscribe("left")
            for room in ("never", "left", "r"):
                await self.answer(broker.publish(Publication(room, Message(room))))
            await self.until(lambda: bool(got))
            assert [publication.room for publication in got] == ["r"]

    @pytest.mark.asyncio
    async def test_a_room_can_be_subscribed_again(self) -> None:
        async with self.running("r") as (broker, got):
            broker.unsubscribe("r")
            await self.answer(broker.subscribe("r"))
            await self.answer(broker.publish(Publication("r", Message("a"))))
            await self.until(lambda: bool(got))
            assert len(got) == 1

    @pytest.mark.asyncio
    async def test_to_unsubscribe_from_nothing_is_harmless(self) -> None:
        async with self.running() as (broker, _):
            broker.unsubscribe("never")

    @pytest.mark.asyncio
    async def test_a_rooms_publications_keep_their_order(self) -> None:
        async with self.running("a", "b") as (broker, got):
            for n in range(200):
                await self.answer(broker.publish(Publication("ab"[n % 2], Message("m", n))))
            await self.until(lambda: len(got) == 200)
            for room in "ab":
                ours = [p.message.payload for p in got if p.room == room]
                assert ours == sorted(ours)

    @pytest.mark.asyncio
    async def test_nothing_is_delivered_after_the_stop(self) -> None:
        broker, got = self.make_broker(), list[Publication]()
        await broker.start(got.append)
        await self.answer(broker.subscribe("r"))
        await broker.stop()
        await asyncio.sleep(0)
        assert got == []

    # -- history -------------------------------------------------------------------------------------------

    async def fill(
        self, broker: Broker, count: int, *, keep: int = 10, keep_for: float = 60.0
    ) -> list[Position]:
        """Publish messages 1, 2, … to room `r`, to be kept; return their positions."""
        positions = []
        for n in range(1, count + 1):
            publication = Publication("r", Message("m", n), keep=keep, keep_for=keep_for)
            positions.append(await self.answer(broker.publish(publication)))
        return positions

    @pytest.mark.asyncio
    async def test_what_is_kept_has_offsets_that_rise_by_one_within_an_epoch(self) -> None:
        async with self.running("r") as (broker, got):
            if self.history(broker) is None:
                return
            positions = await self.fill(broker, 3)
            assert [position.offset for position in positions] == [1, 2, 3]
            assert len({position.epoch for position in positions}) == 1
            await self.until(lambda: len(got) == 3)
            assert [(p.message.offset, p.message.epoch) for p in got] == [
                (position.offset, position.epoch) for position in positions
            ]

    @pytest.mark.asyncio
    async def test_history_returns_what_came_after_a_position_oldest_first(self) -> None:
        async with self.running() as (broker, _):
            if (history := self.history(broker)) is None:
                return
            positions = await self.fill(broker, 5)
            after, top = await self.look(history, "r", since=positions[1])
            assert [p.message.payload for p in after] == [3, 4, 5]
            assert [p.message.offset for p in after] == [3, 4, 5]
            assert top == positions[4]
            some, top = await self.look(history, "r", since=positions[1], limit=2)
            assert [p.message.payload for p in some] == [3, 4]
            assert top == positions[4]
            none, _ = await self.look(history, "r", since=positions[4])
            assert list(none) == []

    @pytest.mark.asyncio
    async def test_history_from_nowhere_is_the_newest_part_of_it(self) -> None:
        async with self.running() as (broker, _):
            if (history := self.history(broker)) is None:
                return
            await self.fill(broker, 5)
            everything, _ = await self.look(history, "r")
            assert [p.message.payload for p in everything] == [1, 2, 3, 4, 5]
            newest, _ = await self.look(history, "r", limit=2)
            assert [p.message.payload for p in newest] == [4, 5]

    @pytest.mark.asyncio
    async def test_a_room_without_history_stands_at_zero_and_can_be_followed_from_there(self) -> None:
        async with self.running() as (broker, _):
            if (history := self.history(broker)) is None:
                return
            nothing, start = await self.look(history, "r")
            assert (list(nothing), start.offset) == ([], 0)
            await self.fill(broker, 2)
            after, _ = await self.look(history, "r", since=start)
            assert [p.message.payload for p in after] == [1, 2]

    @pytest.mark.asyncio
    async def test_no_more_is_kept_than_was_asked_for_and_what_is_gone_is_said(self) -> None:
        async with self.running() as (broker, _):
            if (history := self.history(broker)) is None:
                return
            positions = await self.fill(broker, 10, keep=3)
            held, _ = await self.look(history, "r")
            assert [p.message.payload for p in held] == [8, 9, 10]
            after, _ = await self.look(history, "r", since=positions[6])
            assert [p.message.payload for p in after] == [8, 9, 10]
            with pytest.raises(LookupError) as gone:
                await self.look(history, "r", since=positions[5])
            if isinstance(gone.value, Forgotten) and gone.value.oldest is not None:
                rest, _ = await self.look(history, "r", since=gone.value.oldest)
                assert [p.message.payload for p in rest] == [8, 9, 10]

    @pytest.mark.asyncio
    async def test_nothing_is_kept_for_longer_than_was_asked_for(self) -> None:
        async with self.running() as (broker, _):
            if (history := self.history(broker)) is None:
                return
            positions = await self.fill(broker, 2, keep_for=0.2)
            await self.pass_time(0.3)
            held, top = await self.look(history, "r")
            assert (list(held), top) == ([], positions[1])
            with pytest.raises(LookupError):
                await self.look(history, "r", since=positions[0])

    @pytest.mark.asyncio
    async def test_a_position_of_another_epoch_or_of_the_future_is_refused(self) -> None:
        async with self.running() as (broker, _):
            if (history := self.history(broker)) is None:
                return
            [here] = await self.fill(broker, 1)
            for strange in (Position(0, "another"), Position(1, "another"), Position(2, here.epoch)):
                with pytest.raises(LookupError):
                    await self.look(history, "r", since=strange)

    @pytest.mark.asyncio
    async def test_what_is_not_to_be_kept_has_no_offset_and_is_not_in_the_history(self) -> None:
        async with self.running("r") as (broker, _):
            if (history := self.history(broker)) is None:
                return
            await self.fill(broker, 1)
            assert await self.answer(broker.publish(Publication("r", Message("passing")))) is None
            held, _ = await self.look(history, "r")
            assert [p.message.payload for p in held] == [1]
