"""Large messages, on the client: a part at a time, what is urgent in between, and on from where the server is."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from rtcore_client import Limits, RequestError, Timeout

from rtcore.wire.parts import PART, Large, cut

LIMITS = {"max_message_size": 1 << 26, "window": 100, "part": PART}


def text(size: int) -> str:
    return base64.b64encode(bytes(size)).decode()[:size]


def parts_of(message: dict[str, Any]) -> list[Any]:
    item, at, made = Large(json.dumps(message).encode()), 0, []
    while at < len(item):
        part = cut(item, at, PART, binary=False)
        made.append(["part", part.fields(binary=False)])
        at = part.end
    return made


async def test_a_large_message_leaves_in_parts_and_urgent_ones_pass(server, client_of, until):
    seen: list[str] = []
    saying: list[asyncio.Future[None]] = []

    async def script(peer):
        await peer.welcome(limits=LIMITS)
        while "last" not in seen:
            item = await peer.hear("part", "message")
            if isinstance(item, dict):
                seen.append(item["type"])
            else:
                fields = item[1]
                is_last = fields["at"] + len(fields["data"].encode()) == fields["size"]
                seen.append("last" if is_last else "part")
                if seen == ["part"]:
                    saying.append(asyncio.ensure_future(client.send("alarm", priority="critical")))
                    saying.append(asyncio.ensure_future(client.send("later", timeout=60)))
        await peer.say(["ack", {"n": 2}])
        await peer.stay()

    server.play(script)
    client = client_of()
    await client.connect()
    await client.send("big", text(16_000_000), confirm=True, timeout=30)
    await asyncio.gather(*saying)
    assert seen[-1] == "last"
    assert "later" not in seen
    assert seen.index("alarm") < len(seen) / 2, "it passed what waited here"


async def test_a_new_link_goes_on_where_the_server_is(server, client_of, until):
    got: list[Any] = []

    async def first(peer):
        await peer.welcome(limits=LIMITS)
        got.extend([(await peer.hear("part"))[1] for _ in range(3)])
        assert peer.request.transport is not None
        peer.request.transport.abort()

    async def second(peer):
        await peer.welcome(limits=LIMITS, part={"of": got[0]["of"], "at": 2 * PART})
        while True:
            got.append((await peer.hear("part"))[1])
            if got[-1]["at"] + len(got[-1]["data"].encode()) == got[-1]["size"]:
                break
        await peer.say(["ack", {"n": 1}])
        await peer.stay()

    server.play(first, second)
    client = client_of()
    await client.connect()
    await client.send("big", text(100_000), confirm=True)
    assert got[3]["at"] == 2 * PART
    item = "".join(p["data"] for p in (*got[:2], *got[3:]))
    assert json.loads(item)["payload"] == text(100_000)


async def test_who_gives_up_a_message_that_is_half_out_is_told_that_it_was_not_sent(server, client_of, until):
    seen: list[str] = []
    go_on = asyncio.Event()

    async def script(peer):
        await peer.welcome(limits=LIMITS, heartbeat={"interval": 60, "timeout": 60})
        await peer.hear("part")
        await go_on.wait()
        while True:
            item = await peer.hear("part", "message")
            seen.append(item["type"] if isinstance(item, dict) else "part")

    server.play(script)
    client = client_of(ping_timeout=60)
    await client.connect()
    with pytest.raises(Timeout, match="it was not sent"):
        await client.send("big", text(16_000_000), confirm=True, timeout=0.5)
    go_on.set()
    await client.send("next")
    await until(lambda: "next" in seen)
    assert len(seen) < 16_000_000 / PART


async def test_parts_from_the_server_make_a_message_and_are_acknowledged_as_they_come(
    server, client_of, until
):
    acks: list[Any] = []
    got: list[Any] = []
    said = parts_of({"type": "big", "payload": text(200_000)})

    async def script(peer):
        await peer.welcome(limits=LIMITS)
        for part in said[:5]:
            await peer.say(part)
        acks.append(await peer.hear("ack"))
        for part in said[5:]:
            await peer.say(part)
        await peer.say({"type": "next"})
        await peer.stay()

    server.play(script)
    client = client_of()
    client.subscribe("big", lambda m: got.append(m.payload))
    client.subscribe("next", lambda m: got.append("next"))
    await client.connect()
    await until(lambda: len(got) == 2)
    assert got == [text(200_000), "next"]
    assert acks[0][1]["n"] == 0
    assert acks[0][1]["part"]["of"] == said[0][1]["of"]


async def test_a_hello_says_what_is_held(server, client_of, until):
    said = parts_of({"type": "big", "payload": text(50_000)})
    got: list[Any] = []

    async def first(peer):
        await peer.welcome(limits=LIMITS)
        await peer.say(said[0])
        await peer.say(said[1])
        await peer.hear("ack")
        assert peer.request.transport is not None
        peer.request.transport.abort()

    async def second(peer):
        await peer.welcome()
        for part in said[2:]:
            await peer.say(part)
        await peer.stay()

    server.play(first, second)
    client = client_of(limits=Limits(frame=1 << 22))
    client.subscribe("big", lambda m: got.append(m.payload))
    await client.connect()
    await until(lambda: got)
    assert got == [text(50_000)]
    assert [hello.get("parts") for hello in server.hellos] == [1 << 22] * 2
    assert server.hellos[1]["part"] == {"of": said[0][1]["of"], "at": 2 * PART}


async def test_a_part_that_does_not_continue_costs_the_link_and_the_next_hello_begins_anew(
    server, client_of, until
):
    said = parts_of({"type": "big", "payload": text(50_000)})
    got: list[Any] = []

    async def first(peer):
        await peer.welcome(limits=LIMITS)
        await peer.say(said[0])
        await peer.say(said[2])
        await peer.stay()

    async def second(peer):
        await peer.welcome()
        for part in said:
            await peer.say(part)
        await peer.stay()

    server.play(first, second)
    client = client_of()
    client.subscribe("big", lambda m: got.append(m.payload))
    await client.connect()
    await until(lambda: got)
    assert "part" not in server.hellos[1]


async def test_parts_that_make_no_message_are_told_as_one_that_cannot_be_decoded(server, client_of, until):
    errors: list[Any] = []

    async def script(peer):
        await peer.welcome(limits=LIMITS)
        await peer.say(["part", {"of": "x", "at": 0, "size": 8, "data": "nonsense"}], {"type": "next"})
        await peer.stay()

    server.play(script)
    client = client_of()
    got: list[Any] = []
    client.on("error", errors.append)
    client.subscribe("next", got.append)
    await client.connect()
    await until(lambda: got)
    assert isinstance(errors[0], RequestError)
    assert errors[0].code == "undecodable"


async def test_a_server_that_takes_no_parts_gets_it_whole(server, client_of):
    got: list[Any] = []

    async def script(peer):
        await peer.welcome(limits={"max_message_size": 1 << 20, "window": 100})
        got.append(await peer.hear())
        await peer.say(["ack", {"n": 1}])
        await peer.stay()

    server.play(script)
    client = client_of()
    await client.connect()
    await client.send("big", text(100_000), confirm=True)
    assert got[0]["payload"] == text(100_000)
