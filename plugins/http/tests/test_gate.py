"""The gate: a POST that may not be taken yet is not answered yet, for a little while."""

from __future__ import annotations

import asyncio

import pytest
from rtcore_http.gate import WAITING_MAX, Gate

from rtcore.errors import Rejected


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_open_gate_holds_nobody() -> None:
    await asyncio.wait_for(Gate().wait(), 1)


async def test_a_closed_one_holds_everybody_until_it_opens() -> None:
    gate = Gate()
    gate.close()
    waiting = [asyncio.create_task(gate.wait()) for _ in range(WAITING_MAX)]
    await settled()
    assert not any(task.done() for task in waiting)
    gate.open()
    await asyncio.wait_for(asyncio.gather(*waiting), 1)


async def test_who_comes_when_enough_wait_is_sent_away() -> None:
    gate = Gate()
    gate.close()
    waiting = [asyncio.create_task(gate.wait()) for _ in range(WAITING_MAX)]
    await settled()
    with pytest.raises(Rejected) as caught:
        await gate.wait()
    assert (caught.value.code, caught.value.retry_after) == ("too_many_requests", 1.0)
    waiting[0].cancel()
    await settled()
    again = asyncio.create_task(gate.wait())  # who gave up has left its place to another
    await settled()
    assert not again.done()
    gate.open()
    await asyncio.gather(*waiting[1:], again)


async def test_nobody_waits_for_ever() -> None:
    gate = Gate()
    gate.close()
    await asyncio.wait_for(gate.wait(0.01), 5)
    assert gate.closed
