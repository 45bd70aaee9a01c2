"""A join that has nothing to wait for is answered where it was asked for; one that has moves into a task first."""

from __future__ import annotations

import asyncio

import pytest
from rtcore_rooms.promptly import Patience, begin

from rtcore.errors import Rejected
from rtcore.hooks import hookimpl


class Bouncer:
    """Answers as it is told to: at once, or with something to await."""

    name = "bouncer"

    def __init__(self, answer):
        self.answer = answer

    @hookimpl
    def rtcore_authorizers(self):
        return [self]

    def authorize(self, session, action, resource):
        return self.answer()


def refuse():
    raise Rejected("forbidden", "not you")


async def test_what_waits_for_nothing_is_done_at_once():
    async def work(patience):
        return "done"

    assert begin(work) == ("done", None)


async def test_what_is_waited_for_is_waited_for_in_a_task():
    began = asyncio.current_task()

    async def asked():
        async with asyncio.timeout(5):  # raises outside of a task
            await asyncio.sleep(0)
        return asyncio.current_task()

    async def work(patience):
        return [await patience(asked()), await patience(asked())]

    answer, rest = begin(work)
    assert answer is None
    first, second = await asyncio.create_task(rest)
    assert first is second is not began


async def test_in_a_task_patience_only_awaits():
    async def asked():
        return asyncio.current_task()

    assert await Patience()(asked()) is asyncio.current_task()


def test_what_is_given_up_before_a_task_has_it_leaves_nothing_that_was_never_awaited():
    closed = []

    async def asked():
        raise AssertionError("nobody awaits it")

    async def work(patience):
        try:
            await patience(asked())
        finally:
            closed.append(True)

    _, rest = begin(work)
    rest.close()
    assert closed == [True]


def test_what_fails_at_once_raises_at_once():
    async def work(patience):
        raise Rejected("forbidden")

    with pytest.raises(Rejected):
        begin(work)


async def join_and_answer(house, answer):
    """Ask for a join; return its reply, and whether it was there before any task had run."""
    async with house(plugins=[Bouncer(answer)]) as h:
        ann = await h.client()
        tasks = len(asyncio.all_tasks())
        most = 0
        begun = h.rooms.arrivals.begin

        def counted(*arguments):
            nonlocal most
            most += 1
            return begun(*arguments)

        h.rooms.arrivals.begin = counted
        reply = await ann.request("room:join", {"room": "r"})
        assert len(asyncio.all_tasks()) <= tasks + 1
        return reply, most


async def test_a_plain_authorizer_lets_a_session_in_without_a_task(house):
    reply, arrivals = await join_and_answer(house, lambda: None)
    assert (reply.type, reply.payload["members"], arrivals) == ("reply", 1, 0)


async def test_a_plain_authorizer_that_refuses_is_answered_as_any(house):
    reply, arrivals = await join_and_answer(house, refuse)
    assert (reply.payload["code"], reply.payload["reason"], arrivals) == ("forbidden", "not you", 0)


async def test_a_plain_authorizer_may_return_something_to_wait_for(house):
    async def think():
        async with asyncio.timeout(5):
            await asyncio.sleep(0)

    reply, arrivals = await join_and_answer(house, think)
    assert (reply.type, reply.payload["members"], arrivals) == ("reply", 1, 1)


def wrong_at_once():
    return False


async def wrong_later():
    return False


@pytest.mark.parametrize("answer", [wrong_at_once, wrong_later])
async def test_an_authorizer_that_answers_with_false_lets_nobody_in_and_the_log_says_what_to_do(
    house, answer, caplog
):
    reply, _ = await join_and_answer(house, answer)
    assert reply.payload["code"] == "handler_failed"
    assert "authorizer 'bouncer': room:join of 'r': given False; return None to allow" in caplog.text
