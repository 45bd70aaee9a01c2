"""What the client does on the wire, against a server that does what a script says."""

from __future__ import annotations

import asyncio
import json

import brotli
import pytest
from aiohttp import web
from rtcore_client import Limits, NotConnected, Refused, RequestError, Suspended, Timing


async def welcome_and_stay(peer):
    await peer.welcome()
    await peer.stay()


async def test_the_hello_is_first_and_the_token_is_in_it_and_not_in_the_url(server, client_of):
    server.play(welcome_and_stay)
    await client_of(authentication={"token": "t0ken"}, client_id="me").connect()
    hello = server.hellos[0]
    assert hello["v"] == 1
    assert hello["attach"] == 1
    assert len(hello["nonce"]) >= 16
    assert hello["token"] == "t0ken"
    assert hello["client"] == "me"
    assert "session" not in hello
    assert "t0ken" not in server.urls[0]


async def test_nothing_is_said_before_the_welcome(server, client_of, until):
    order = []

    async def slow_welcome(peer):
        waiting = asyncio.create_task(peer.hear("ping", "message"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        order.append("welcome")
        await peer.welcome()
        await waiting
        order.append("heard")
        await peer.stay()

    server.play(slow_welcome)
    await client_of().connect()
    await until(lambda: order == ["welcome", "heard"])


async def test_a_server_that_says_no_welcome_is_given_up(server, client_of):
    async def silence(peer):
        await peer.stay()

    server.play(silence)
    client = client_of(max_reconnect_attempts=0, timing=Timing(open=0.1))
    with pytest.raises(Suspended) as raised:
        await client.connect()
    assert "no welcome within 0.1 s" in raised.value.reason


async def test_a_lost_welcome_is_asked_for_again_with_the_same_nonce(server, client_of):
    async def cut(peer):
        peer.request.transport.abort()

    server.play(cut, cut, welcome_and_stay)
    await client_of().connect()
    first, second, third = server.hellos
    assert first["nonce"] == second["nonce"] == third["nonce"]
    assert [hello["attach"] for hello in server.hellos] == [1, 2, 3]


async def test_a_ping_is_answered_with_what_it_carries(server, client_of, until):
    pongs = []

    async def ping(peer):
        await peer.welcome()
        await peer.say(["ping", {"t": 7}])
        pongs.append(await peer.hear("pong"))
        await peer.say(["ping", {}])
        pongs.append(await peer.hear("pong"))
        await peer.stay()

    server.play(ping)
    await client_of().connect()
    await until(lambda: pongs == [["pong", {"t": 7}], ["pong", {}]])


async def test_acks_come_at_a_quarter_of_the_window_and_after_a_second(server, client_of, until):
    acks = []

    async def count(peer):
        await peer.welcome(limits={"window": 40})
        for n in range(23):
            await peer.say({"type": "number", "payload": n})
        acks.extend([await peer.hear("ack") for _ in range(3)])
        await peer.stay()

    server.play(count)
    await client_of().connect()
    await until(lambda: len(acks) == 3)
    assert acks == [["ack", {"n": 10}], ["ack", {"n": 20}], ["ack", {"n": 23}]]


async def test_many_bytes_are_acknowledged_at_once(server, client_of, until):
    acks = []

    async def big(peer):
        await peer.welcome()
        await peer.say({"type": "big", "payload": "x" * 70_000})
        acks.append(await peer.hear("ack"))
        await peer.stay()

    server.play(big)
    await client_of().connect()
    await until(lambda: acks, within=0.9)


async def test_several_items_in_one_frame_are_taken_apart(server, client_of, until):
    async def burst(peer):
        await peer.welcome()
        await peer.say({"type": "a", "payload": 1},
                       {"type": "gap", "payload": {"reason": "dropped_new", "n": 3, "room": "r"}}, ["ping", {}],
                       {"type": "a", "payload": 2})  # fmt: skip
        await peer.stay()

    server.play(burst)
    client = client_of()
    heard, gaps = [], []
    client.subscribe("a", lambda message: heard.append(message.payload))
    client.on("gap", gaps.append)
    await client.connect()
    await until(lambda: heard == [1, 2])
    assert [(gap.reason, gap.n, gap.room) for gap in gaps] == [("dropped_new", 3, "r")]
    assert client.get_connection_info().counters["missed"] == 3


async def test_what_comes_with_the_welcome_in_one_frame_is_taken(server, client_of, until):
    async def both(peer):
        said = []
        peer.say, say = lambda *items: said.extend(items) or asyncio.sleep(0), peer.say
        await peer.welcome()
        await say(*said, {"type": "a", "payload": 1})
        await peer.stay()

    server.play(both)
    client = client_of()
    heard = []
    client.subscribe("a", lambda message: heard.append(message.payload))
    await client.connect()
    await until(lambda: heard == [1])


async def test_batching_that_was_agreed_on_puts_messages_into_one_frame(server, client_of, until):
    frames = []

    async def batch(peer):
        assert peer.hello["batch"] is True
        await peer.welcome(batch=True)
        while len([line for frame in frames for line in frame]) < 25:
            frame = (await peer.frame()).split("\n")
            if frame[0].startswith("{"):
                frames.append(frame)
        await peer.stay()

    server.play(batch)
    client = client_of(enable_batching=True, batch_size=10, batch_interval=0.05)
    await client.connect()
    for n in range(25):
        await client.send("n", n)
    await until(lambda: [len(frame) for frame in frames] == [10, 10, 5])


async def test_batching_that_was_not_agreed_on_is_not_used(server, client_of, until):
    frames = []

    async def plain(peer):
        await peer.welcome()
        while True:
            frame = await peer.frame()
            if frame.startswith("{"):
                frames.append(frame.split("\n"))

    server.play(plain)
    client = client_of(enable_batching=True)
    await client.connect()
    for n in range(5):
        await client.send("n", n)
    await until(lambda: [len(frame) for frame in frames] == [1] * 5)


async def test_large_frames_are_compressed_once_that_was_agreed_on_and_small_ones_never(
    server, client_of, until
):
    frames = []

    async def compress(peer):
        assert peer.hello["compress"][0] == "brotli"
        await peer.welcome(compress="brotli")
        while len(frames) < 2:
            frame = await peer.frame()
            if not str(frame).startswith("["):
                frames.append(frame)
        await peer.stay()

    server.play(compress)
    client = client_of(compression_threshold=500)
    await client.connect()
    await client.send("small", "x")
    await client.send("large", "x" * 5000)
    await until(lambda: len(frames) == 2)
    assert isinstance(frames[0], str)
    assert frames[1][0] == 1
    assert json.loads(brotli.decompress(frames[1][1:]))["payload"] == "x" * 5000


async def test_a_full_window_makes_the_sender_wait_for_an_ack(server, client_of, until):
    heard, go = [], asyncio.Event()

    async def slow(peer):
        await peer.welcome()
        heard.extend([await peer.hear() for _ in range(3)])
        await go.wait()
        await peer.say(["ack", {"n": 3}])
        heard.append(await peer.hear())
        await peer.stay()

    server.play(slow)
    client = client_of(limits=Limits(window=3))
    await client.connect()
    for n in range(3):
        await client.send("n", n)
    with pytest.raises(TimeoutError):
        await client.send("n", "too early", timeout=0.1)
    waiting = asyncio.create_task(client.send("n", 3))
    await until(lambda: len(heard) == 3)
    assert not waiting.done()
    go.set()
    await waiting
    await until(lambda: [message["payload"] for message in heard] == [0, 1, 2, 3])


# -- after a close -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "number"), [("going_away", 4000), ("nobody knows this one", 4042)])
async def test_resume_codes_bring_the_client_back_to_its_session(server, client_of, until, code, number):
    async def close(peer):
        await peer.welcome()
        await peer.say({"type": "a"}, {"type": "a"})
        await peer.close(code, number)

    async def resumed(peer):
        await peer.welcome(received=0)
        await peer.stay()

    server.play(close, resumed)
    client = client_of()
    reasons = []
    client.on("disconnect", reasons.append)
    await client.connect()
    await until(lambda: len(server.hellos) == 2)
    assert server.hellos[1]["session"] == "s1"
    assert server.hellos[1]["secret"] == "secret"
    assert server.hellos[1]["received"] == 2
    assert server.hellos[1]["attach"] == 2
    assert reasons == [code]


@pytest.mark.parametrize(("code", "number"), [("session_expired", 4100), ("nobody knows this one", 4177)])
async def test_afresh_codes_bring_the_client_back_without_its_session(server, client_of, until, code, number):
    async def close(peer):
        await peer.welcome()
        await peer.close(code, number)

    server.play(close, lambda peer: _new_session(peer, "s2"))
    client = client_of()
    await client.connect()
    await until(lambda: len(server.hellos) == 2 and client.is_connected)
    assert "session" not in server.hellos[1]
    assert client.get_connection_info().session_id == "s2"


async def _new_session(peer, name):
    await peer.welcome(session=name, resumed=False)
    await peer.stay()


@pytest.mark.parametrize(("code", "number"), [("kicked", 4203), ("nobody knows this one", 4242)])
async def test_stop_codes_keep_the_client_away(server, client_of, until, code, number):
    async def close(peer):
        await peer.welcome()
        await peer.close(code, number)

    server.play(close)
    client = client_of()
    errors = []
    client.on("error", errors.append)
    await client.connect()
    await until(lambda: errors)
    assert isinstance(errors[0], Refused)
    assert errors[0].code == code
    assert client.get_connection_info().state == "stopped"
    with pytest.raises(NotConnected):
        await client.request("echo")
    assert len(server.hellos) == 1


async def test_a_refused_hello_is_raised(server, client_of):
    async def refuse(peer):
        await peer.close("forbidden", 4202)

    server.play(refuse)
    with pytest.raises(Refused) as raised:
        await client_of().connect()
    assert raised.value.code == "forbidden"


async def test_superseded_by_its_own_newer_hello_is_no_reason_to_stop(server, client_of, until):
    async def superseded(peer):
        await peer.welcome()
        await peer.close("superseded", 4200, attach=peer.hello["attach"])

    server.play(superseded, welcome_and_stay)
    client = client_of()
    await client.connect()
    await until(lambda: len(server.hellos) == 2 and client.is_connected)


async def test_superseded_by_somebody_else_is(server, client_of, until):
    async def superseded(peer):
        await peer.welcome()
        await peer.close("superseded", 4200, attach=peer.hello["attach"] + 1)

    server.play(superseded)
    client = client_of()
    await client.connect()
    await until(lambda: client.get_connection_info().state == "stopped")


async def test_the_advice_of_a_close_is_never_undercut(server, client_of, until):
    times = []

    async def close(peer):
        times.append(asyncio.get_running_loop().time())
        await peer.welcome()
        await peer.close("going_away", 4000, retry_after=0.3)

    async def resumed(peer):
        times.append(asyncio.get_running_loop().time())
        await welcome_and_stay(peer)

    server.play(close, resumed)
    await client_of(uniform=lambda _low, _high: 0.0).connect()
    await until(lambda: len(times) == 2)
    assert times[1] - times[0] >= 0.3


async def test_the_pauses_are_random_within_a_limit_that_doubles(server, client_of):
    limits = []

    def uniform(low, high):
        limits.append((low, high))
        return 0.0

    async def cut(peer):
        peer.request.transport.abort()

    server.play(cut)
    client = client_of(
        reconnect_delay=1.0, max_reconnect_attempts=4, uniform=uniform, timing=Timing(max_reconnect_delay=6.0)
    )
    with pytest.raises(Suspended):
        await client.connect()
    assert limits[:4] == [(0.0, 2.0), (0.0, 4.0), (0.0, 6.0), (0.0, 6.0)]


async def test_a_server_that_welcomes_and_breaks_is_not_asked_for_ever(server, client_of, until):
    async def welcome_and_cut(peer):
        await peer.welcome()
        peer.request.transport.abort()

    server.play(welcome_and_cut)
    client = client_of(max_reconnect_attempts=3, timing=Timing(suspended_delay=60))
    await client.connect()
    await until(lambda: client.get_connection_info().state == "suspended")
    assert len(server.hellos) == 4


# -- trouble -------------------------------------------------------------------------------------------------


async def test_a_message_that_cannot_be_decoded_is_counted_and_told_of(server, client_of, until):
    acks = []

    async def garbage(peer):
        await peer.welcome(limits={"window": 4})
        await peer.socket.send_str('{"type": 1}')
        acks.append(await peer.hear("ack"))
        await peer.stay()

    server.play(garbage)
    client = client_of()
    errors = []
    client.on("error", errors.append)
    await client.connect()
    await until(lambda: acks == [["ack", {"n": 1}]])
    assert [error.code for error in errors] == ["undecodable"]


async def test_frames_that_nobody_understands_end_in_new_counts(server, client_of, until):
    async def garbage(peer):
        await peer.welcome(received=0)
        await peer.socket.send_bytes(b"\x02what?")
        await peer.stay()

    async def anew(peer):
        await peer.welcome(resumed=False, reason="reset", received=0)
        await peer.say({"type": "a", "payload": "clear"})
        await peer.stay()

    server.play(garbage, garbage, garbage, anew)
    client = client_of()
    heard = []
    client.subscribe("a", lambda message: heard.append(message.payload))
    await client.connect()
    await until(lambda: heard == ["clear"])
    assert [hello.get("received", "none") for hello in server.hellos] == ["none", 0, 0, None]


async def test_a_welcome_that_answers_another_hello_is_not_taken(server, client_of):
    async def late(peer):
        await peer.welcome(attach=peer.hello["attach"] + 5)
        await peer.stay()

    server.play(late, welcome_and_stay)
    await client_of().connect()
    assert len(server.hellos) == 2


async def test_a_server_without_the_codec_is_spoken_to_in_json(server, client_of):
    async def unsupported(request):
        if "codec" in request.query:
            return web.Response(status=415)
        return await server._websocket(request)

    server.app.router._resources.clear()
    server.app.router._resource_index.clear()
    server.app._router._frozen = False
    server.app.router.add_get("/rt/ws", unsupported)
    server.play(welcome_and_stay)
    client = client_of(codec="cbor")
    await client.connect()
    assert client.get_connection_info().codec == "json"


async def test_a_move_is_followed_while_the_old_link_goes_on(server, client_of, until):
    going = []

    async def move(peer):
        await peer.welcome()
        await peer.say(["move", {"within": 0.01}], {"type": "a", "payload": 1})
        await peer.stay()
        going.append("left")

    async def here(peer):
        await peer.welcome()
        await peer.say({"type": "a", "payload": 2})
        await peer.stay()

    server.play(move, here)
    client = client_of()
    heard, events = [], []
    client.subscribe("a", lambda message: heard.append(message.payload))
    client.on("disconnect", events.append)
    await client.connect()
    await until(lambda: heard == [1, 2] and going)
    assert server.hellos[1]["session"] == "s1"
    assert not events


async def test_an_error_item_is_told_of(server, client_of, until):
    async def error(peer):
        await peer.welcome()
        await peer.say(["error", {"code": "bad_control", "reason": "what?"}], ["tomorrow", {"x": 1}])
        await peer.stay()

    server.play(error)
    client = client_of()
    errors = []
    client.on("error", errors.append)
    await client.connect()
    await until(lambda: errors)
    assert isinstance(errors[0], RequestError)
    assert (errors[0].code, errors[0].reason) == ("bad_control", "what?")
    assert client.is_connected


async def test_an_acknowledgement_of_more_than_was_sent_ends_the_link(server, client_of, until):
    async def nonsense(peer):
        await peer.welcome()
        await peer.say(["ack", {"n": 99}])
        await peer.stay()

    server.play(nonsense, welcome_and_stay)
    client = client_of()
    reasons = []
    client.on("disconnect", reasons.append)
    await client.connect()
    await until(lambda: reasons == ["bad_control"])


@pytest.mark.parametrize("says", [True, False], ids=["with a reason", "without a word"])
async def test_an_old_link_that_is_superseded_before_the_new_welcome_is_no_loss(
    server, client_of, until, says
):
    hello_came, events = asyncio.Event(), []

    async def old(peer):
        await peer.welcome()
        await peer.say(["move", {"within": 0}])
        await hello_came.wait()
        if says:
            await peer.say(["close", {"code": "superseded", "number": 4200, "reason": "so", "attach": 2}])
        await peer.socket.close(code=4200)

    async def new(peer):
        hello_came.set()
        await until(lambda: not client.is_connected)
        await peer.welcome()
        request = await peer.hear()
        await peer.say({"type": "reply", "re": request["id"], "payload": "here"})
        await peer.stay()

    server.play(old, new)
    client = client_of()
    for name in ("disconnect", "reconnect", "error"):
        client.on(name, lambda value, name=name: events.append((name, value)))
    await client.connect()
    await until(lambda: hello_came.is_set() and client.is_connected)
    assert await client.request("where") == "here"
    assert [hello["attach"] for hello in server.hellos] == [1, 2]
    assert events == []
