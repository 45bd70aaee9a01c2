"""The place in a room's history: a property of the cursor, and what the rooms make of what comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtcore_client.cursor import HOLES_MAX, Cursor
from rtcore_client.events import Gap
from rtcore_client.rooms import ALL, Rooms
from rtcore_client.tasks import Tasks

from rtcore.wire.message import Message


@given(st.integers(0, 5), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 4)), max_size=40))
def test_it_stands_where_the_first_hole_begins_and_knows_what_is_beyond(
    start: int, came: list[tuple[int, int]]
) -> None:
    cursor, have = Cursor(start, "e"), set(range(start + 1))
    for first, more in came:
        cursor.take(first, first + more)
        have |= set(range(first, first + more + 1))
        assert cursor.offset == next(n for n in range(100) if n + 1 not in have)
        assert [n for n in range(60) if cursor.knows(n)] == sorted(n for n in have if n < 60)
        assert cursor.newest == max(have)


def test_of_too_many_holes_the_oldest_is_given_up() -> None:
    cursor = Cursor(0, "e")
    for offset in range(2, 2 * HOLES_MAX + 10, 2):
        cursor.take(offset, offset)
    assert len(cursor.ahead) == HOLES_MAX
    assert cursor.offset == 8


class Server:
    """Answers joins as it is told to, and remembers them."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        self.gaps: list[Gap] = []
        tasks = Tasks()
        events = self._events(tasks)
        self.rooms = Rooms(self._ask, lambda kind, payload: lambda: self._ask(kind, payload), events)

    def _events(self, tasks: Tasks) -> Any:
        from rtcore_client.events import Events

        events = Events(tasks)
        events.on("gap", self.gaps.append)
        return events

    async def _ask(self, type: str, payload: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(payload)
        return {"room": payload["room"], **self.answers.pop(0)}

    async def join(self, **answer: Any) -> None:
        self.answers.append(answer)
        await self.rooms.join("r")

    async def come_back(self, **answer: Any) -> dict[str, Any]:
        self.answers.append(answer)
        for waits in self.rooms.rejoin():
            await waits
        return self.asked[-1]

    def saw(self, *offsets: int, epoch: str = "e", **fields: Any) -> list[bool]:
        kind = fields.pop("type", "chat")
        return [self.rooms.saw(Message(kind, room="r", offset=n, epoch=epoch, **fields)) for n in offsets]


async def test_one_comes_back_to_the_first_hole_and_takes_nothing_twice() -> None:
    server = Server()
    await server.join(offset=3, epoch="e")
    assert server.saw(4, 5, 8, 9, 12) == [True] * 5
    wish = await server.come_back(offset=13, epoch="e")
    assert wish == {"room": "r", "since": {"offset": 5, "epoch": "e"}, "history": ALL}
    assert server.saw(6, 7, 8, 9, 10, 11, 12, 13) == [True, True, False, False, True, True, False, True]
    assert (await server.come_back(offset=13, epoch="e"))["since"]["offset"] == 13
    assert not server.gaps


async def test_what_stands_for_others_and_what_is_not_for_us_leave_no_hole() -> None:
    server = Server()
    await server.join(offset=0, epoch="e")
    assert server.saw(4, covers=((1, 1), (3, 3))) == [True]
    assert server.saw(2) == [True]
    assert server.saw(5, type="room:skip") == [False]
    assert server.saw(6) == [True]
    assert (await server.come_back(offset=6, epoch="e"))["since"]["offset"] == 6


async def test_where_the_history_is_too_short_everything_that_it_has_is_taken_and_the_rest_is_told() -> None:
    server = Server()
    await server.join(offset=0, epoch="e")
    server.saw(1, 5, 6)
    await server.come_back(offset=90, epoch="e", missed=True)
    assert [(gap.reason, gap.room) for gap in server.gaps] == [("history", "r")]
    assert (await server.come_back(offset=90, epoch="e"))["since"]["offset"] == 90


async def test_a_history_that_began_anew_is_followed_from_its_beginning() -> None:
    server = Server()
    await server.join(offset=7, epoch="e")
    assert server.saw(8) == [True]
    assert server.saw(2, epoch="f") == [True]
    assert (await server.come_back(offset=2, epoch="f"))["since"] == {"offset": 0, "epoch": "f"}


async def test_messages_that_come_before_the_answer_to_a_join_are_counted() -> None:
    server = Server()
    server.answers.append({"offset": 5, "epoch": "e"})

    async def ask(type: str, payload: dict[str, Any]) -> dict[str, Any]:
        server.saw(4, 5)  # of the history
        answer = await server._ask(type, payload)
        server.saw(6, 8)  # live, and in the same turn as the answer
        return answer

    server.rooms._ask = ask
    await server.rooms.join("r", history=2)
    assert (await server.come_back(offset=8, epoch="e"))["since"]["offset"] == 6


async def test_of_two_joins_at_once_the_one_that_fails_does_not_forget_what_the_other_gets() -> None:
    answers = [asyncio.get_running_loop().create_future() for _ in range(2)]
    waiting = iter(answers)
    server = Server()
    rooms = Rooms(
        lambda _kind, _payload: next(waiting),
        lambda kind, payload: lambda: server._ask(kind, payload),
        server._events(Tasks()),
    )
    joins = [asyncio.create_task(rooms.join("r")) for _ in range(2)]
    await asyncio.sleep(0)
    answers[0].set_exception(TimeoutError())
    with pytest.raises(TimeoutError):
        await joins[0]
    answers[1].set_result({"room": "r"})
    await joins[1]
    assert rooms.names == ("r",)
    [back] = rooms.rejoin()
    back.close()
