"""The place in a room's history: a property of the cursor, and what the rooms make of what comes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtcore_client.cursor import HOLES_MAX, Cursor
from rtcore_client.errors import RequestError
from rtcore_client.events import Gap
from rtcore_client.rooms import ALL, Rooms
from rtcore_client.tasks import Tasks

from rtcore.wire.message import Message


@given(
    st.integers(0, 9),
    st.integers(0, 9),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 4)), max_size=40),
)
def test_it_stands_where_the_first_hole_begins_and_knows_what_is_beyond(
    start: int, begins: int, came: list[tuple[int, int]]
) -> None:
    cursor, have, before = Cursor(start, "e"), set[int](), set(range(start + 1))
    for first, more in came:
        cursor.take(first, first + more)
        have |= set(range(first, first + more + 1))
        assert cursor.offset == next(n for n in range(start, 100) if n + 1 not in have)
        assert [n for n in range(60) if cursor.knows(n)] == sorted(n for n in have if n < 60)
        assert cursor.newest == max(have | before)
        assert cursor.lacks(50) == len(set(range(51)) - have - before)
    cursor.begin(begins)
    if begins < start:
        assert cursor.offset == next(n for n in range(begins, 100) if n + 1 not in have)
        assert [n for n in range(60) if cursor.knows(n)] == sorted(n for n in have if n < 60)


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
        self._waits: list[Coroutine[Any, Any, None]] = []
        tasks = Tasks()
        events = self._events(tasks)
        self.rooms = Rooms(
            self._ask, lambda kind, payload: lambda: self._ask(kind, payload), events, self._waits.append
        )

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
        self.rooms.rejoin()
        await self.all_answered()
        return self.asked[-1]

    async def all_answered(self) -> None:
        while self._waits:
            await self._waits.pop(0)

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


async def test_what_was_before_one_began_comes_if_it_is_asked_for_and_what_one_had_does_not() -> None:
    server = Server()
    await server.join(offset=5, epoch="e")
    assert server.saw(6, 7) == [True, True]
    server.answers.append({"offset": 7, "epoch": "e", "since": 3})
    await server.rooms.join("r", history=4)
    assert server.saw(4) == [True]
    assert (await server.come_back(offset=7, epoch="e", since=4))["since"]["offset"] == 4
    assert server.saw(5, 6, 7, 8) == [True, False, False, True]


async def test_an_application_may_say_from_where_on_it_wants_a_history() -> None:
    server = Server()
    server.answers.append({"offset": 9, "epoch": "e", "since": 4})
    await server.rooms.join("r", since={"room": "r", "offset": 4, "epoch": "e"}, history=7)
    assert server.asked == [{"room": "r", "since": {"offset": 4, "epoch": "e"}, "history": 7}]
    assert server.saw(5, 5) == [True, False]
    for wrong in (
        {"offset": -1, "epoch": "e"},
        {"offset": 1},
        {"epoch": "e"},
        {"offset": True, "epoch": "e"},
    ):
        with pytest.raises(ValueError, match="since: expected"):
            await server.rooms.join("r", since=wrong)


async def test_a_session_that_has_lost_messages_finds_them_in_its_histories() -> None:
    server = Server()
    await server.join(offset=0, epoch="e")
    server.saw(1, 2, 5)
    server.answers.append({"offset": 7, "epoch": "e", "since": 2, "waiting": 2})
    server.rooms.heal(2, "overflow")
    await server.all_answered()
    assert server.asked[-1]["since"] == {"offset": 2, "epoch": "e"}
    assert server.saw(3, 4, 5, 6, 7) == [True, True, False, True, True]
    assert server.gaps == []


@pytest.mark.parametrize(
    ("answer", "gaps"),
    [
        ({"since": 0}, [("overflow", 2, None)]),
        ({"since": 2, "missed": True}, [("history", 2, "r"), ("overflow", 2, None)]),
        ({"since": 0, "waiting": 3}, [("overflow", 5, None)]),
    ],
)
async def test_what_is_in_no_history_is_told_once(answer: dict[str, Any], gaps: list[Any]) -> None:
    server = Server()
    await server.join(offset=0, epoch="e")
    server.answers.append({"offset": 3, "epoch": "e", **answer})
    server.rooms.heal(5, "overflow")
    await server.all_answered()
    assert [(gap.reason, gap.n, gap.room) for gap in server.gaps] == gaps


async def test_a_client_without_rooms_is_told_of_all_that_was_lost() -> None:
    server = Server()
    server.rooms.heal(4, "overflow")
    assert [(gap.reason, gap.n) for gap in server.gaps] == [("overflow", 4)]


async def test_a_hole_that_stays_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtcore_client.rooms.PATIENCE", 0.001)
    server = Server()
    await server.join(offset=0, epoch="e")
    server.saw(1, 3)
    server.answers.append({"offset": 3, "epoch": "e", "since": 1})
    async with asyncio.timeout(5):
        while not server._waits:  # noqa: ASYNC110 - a timer of the client's
            await asyncio.sleep(0.001)
    await server.all_answered()
    server.saw(4, 5)
    assert server.rooms._timer is None, "it has been asked for"
    assert server.asked[-1]["since"] == {"offset": 1, "epoch": "e"}
    server.saw(2, 7)
    assert server.rooms._timer is not None, "that is another one"
    server.rooms.end()
    assert server.rooms._timer is None


async def test_a_hole_that_the_server_gives_up_is_none_any_more() -> None:
    server = Server()
    await server.join(offset=0, epoch="e")
    server.saw(1, 9)
    server.rooms.told({"reason": "history", "n": 6, "room": "r", "offset": 7, "epoch": "e"})
    server.saw(8)
    assert (await server.come_back(offset=9, epoch="e"))["since"]["offset"] == 9


def left(**payload: Any) -> Message:
    return Message("room:left", {"room": "r", **payload}, room="r")


async def test_whoever_is_taken_out_of_a_room_is_told_and_does_not_come_back_by_itself() -> None:
    server = Server()
    errors: list[Any] = []
    server.rooms._events.on("error", errors.append)
    await server.join()
    assert server.rooms.saw(left(member="bob", members=1)), "somebody else has left"
    assert server.rooms.names == ("r",)
    assert server.rooms.saw(left(you=True, reason="off topic")), "the application hears of it, too"
    assert server.rooms.names == ()
    assert [(error.code, str(error)) for error in errors] == [("not_a_member", "not_a_member: r: off topic")]
    server.rooms.rejoin()
    assert len(server.asked) == 1
    server.rooms.saw(left(you=True))
    assert len(errors) == 1


async def test_whoever_is_taken_out_while_it_joins_again_is_in_again() -> None:
    server = Server()
    await server.join()
    server.answers.append({})
    joining = asyncio.create_task(server.rooms.join("r"))
    original = server.rooms._ask

    async def slow(type: str, payload: dict[str, Any]) -> dict[str, Any]:
        server.rooms.saw(left(you=True))
        return await original(type, payload)

    server.rooms._ask = slow
    await joining
    assert server.rooms.names == ("r",)


async def test_a_room_that_cannot_take_us_back_now_is_asked_again_until_it_does() -> None:
    server = Server()
    await server.join(offset=3, epoch="e")
    refused = [RequestError("full", code="room_full", retry=True, retry_after=0.001)] * 2
    asked: list[dict[str, Any]] = []

    async def ask(payload: dict[str, Any]) -> dict[str, Any]:
        asked.append(payload)
        if refused:
            raise refused.pop()
        return {"offset": 3, "epoch": "e", "since": 3}

    server.rooms._ask_first = lambda _kind, payload: lambda: ask(payload)
    server.rooms.rejoin()
    await server.all_answered()
    assert [one["since"]["offset"] for one in asked] == [3, 3, 3]
    assert server.rooms.names == ("r",)


@pytest.mark.parametrize("retry", [False, True])
async def test_a_room_that_refuses_us_for_good_or_was_left_is_not_asked_again(retry: bool) -> None:
    server = Server()
    await server.join(offset=3, epoch="e")
    asked: list[dict[str, Any]] = []

    async def ask(payload: dict[str, Any]) -> dict[str, Any]:
        asked.append(payload)
        server.answers.append({"left": True})
        if retry:
            await server.rooms.leave("r")
        raise RequestError("no", code="forbidden", retry=retry)

    server.rooms._ask_first = lambda _kind, payload: lambda: ask(payload)
    server.rooms.rejoin()
    await server.all_answered()
    assert len(asked) == 1
    assert server.rooms.names == ()
