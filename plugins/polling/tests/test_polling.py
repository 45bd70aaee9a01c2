"""Polls that are answered at once, held, overtaken, aborted, and too large."""

from __future__ import annotations

import asyncio
import zlib
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from polling_client import PollDuplex, Poller, message, until
from rtcore_polling.farewells import COUNT_MAX, KEPT, SIZE_MAX, Farewells
from rtcore_polling.link import IDLE_MAX

from rtcore.app import App
from rtcore.hooks import hookimpl
from rtcore.spi.codec import Codec
from rtcore.testing import PlainCodec
from rtcore.testing.client import WireClient
from rtcore.wire.control import Control
from rtcore.wire.message import Message
from rtcore.wire.server_line import Key

codecs = pytest.mark.parametrize(
    "codec", [PlainCodec(), PlainCodec("turned", binary=True)], ids=lambda c: c.name
)


def only(app: App) -> Any:
    [session] = app.manager.sessions.values()
    return session


async def attached(http: aiohttp.ClientSession, url: str, **options: Any) -> Poller:
    poller = Poller(http, url, **options)
    answer = await poller.hello()
    assert answer.status == 200
    return poller


async def waits(app: App) -> None:
    """Until the session's poll has arrived and is held."""
    await until(lambda: only(app).connection.link._poll is not None and not only(app).connection.paused)


# -- the way down --------------------------------------------------------------------------------------------


@codecs
async def test_the_hello_is_answered_with_the_welcome(
    serve: Any, http: aiohttp.ClientSession, codec: Codec
) -> None:
    _, url = await serve()
    poller = Poller(http, url, codec=codec)
    welcome = (await poller.hello()).control("welcome")
    assert (welcome["transport"], welcome["codec"], welcome["resumed"]) == ("polling", codec.name, False)
    assert poller.last.headers["Content-Type"] == codec.content_type
    assert poller.last.headers["Cache-Control"] == "no-store"


@codecs
async def test_what_waits_is_answered_at_once_in_one_frame(
    serve: Any, http: aiohttp.ClientSession, codec: Codec
) -> None:
    app, url = await serve()
    poller = await attached(http, url, codec=codec)
    for n in range(10):
        app.manager.broadcast(message(n))
    assert (await poller.poll()).payloads == list(range(10))


async def test_a_poll_is_held_until_there_is_something(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    poller = await attached(http, url)
    poll = asyncio.create_task(poller.poll())
    await waits(app)
    assert not poll.done()
    for n in range(3):
        app.manager.broadcast(message(n))
    assert (await poll).payloads == [0, 1, 2]


async def test_a_poll_is_not_held_for_ever(serve: Any, http: aiohttp.ClientSession) -> None:
    _, url = await serve(polling={"hold": 0.1})
    poller = await attached(http, url)
    answer = await poller.poll()
    assert (answer.status, answer.items, poller.body) == (200, [], b"")


async def test_a_ping_ends_the_wait_and_polls_keep_the_session(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    app, url = await serve(heartbeat_interval=0.2, ping_timeout=0.2)
    poller = await attached(http, url)
    for _ in range(4):
        assert (await poller.poll()).control("ping") == {}
    assert only(app).transport == "polling"


async def test_nobody_polls_and_the_session_counts_as_left(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve(heartbeat_interval=0.2, ping_timeout=0.2)
    poller = await attached(http, url)
    await until(lambda: only(app).transport is None)
    answer = await poller.poll()
    assert (answer.status, answer.code) == (503, "going_away")
    again = await poller.hello(
        attach=2, session=poller.fields["session"], secret=poller.fields["secret"], received=0
    )
    assert again.control("welcome")["resumed"] is True


async def test_between_two_polls_messages_wait_by_priority(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    poller = await attached(http, url)
    for n in range(5):
        app.manager.broadcast(Message("n", n, priority="low"))
    app.manager.broadcast(Message("n", "urgent", priority="critical"))
    assert (await poller.poll()).payloads == ["urgent", *range(5)]


async def test_an_answer_is_bounded_and_the_rest_follows(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve(polling={"answer_limit": 20_000}, message_buffer_size=1000)
    poller = await attached(http, url)
    for n in range(200):
        app.manager.broadcast(Message("n", [n, "x" * 1000]))
    arrived: list[int] = []
    sizes = []
    while len(arrived) < 200:
        arrived += [n for n, _ in (await poller.poll()).payloads]
        sizes.append(len(poller.body))
    assert arrived == list(range(200))
    assert len(sizes) >= 5
    assert max(sizes) < 40_000


# -- polls that go wrong ---------------------------------------------------------------------------------------


async def test_a_newer_poll_ends_the_older_one_empty(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    poller = await attached(http, url)
    older = asyncio.create_task(poller.poll())
    await waits(app)
    newer = asyncio.create_task(poller.poll())
    answer = await older
    assert (answer.status, answer.items) == (200, [])
    app.manager.broadcast(message(1))
    assert (await newer).payloads == [1]


async def test_what_was_written_for_an_older_poll_goes_to_the_newer_one(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    app, url = await serve()
    poller = await attached(http, url)
    older = asyncio.create_task(poller.poll())
    await waits(app)
    link = only(app).connection.link
    app.manager.broadcast(message(1))
    app.manager.flusher.flush()  # the older one is woken; before its handler's turn comes, so does the newer one
    newer = link.next(0)
    assert (await older).items == []
    [frame] = link.take(newer)
    assert [item.payload for item in poller.codec.decode(frame)] == [1]


async def test_an_aborted_poll_loses_nothing(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    poller = await attached(http, url)
    arrived: list[int] = []
    for n in range(0, 60, 2):
        poll = asyncio.create_task(poller.poll())
        await waits(app)
        if n % 4:
            app.manager.broadcast(message(n))
            await asyncio.sleep(0)
            poll.cancel()
        else:
            poll.cancel()
            await until(lambda: only(app).connection.link._poll is None)
            app.manager.broadcast(message(n))
        await asyncio.gather(poll, return_exceptions=True)
        app.manager.broadcast(message(n + 1))
        while len(arrived) < n + 2:
            arrived += (await poller.poll()).payloads
    assert arrived == list(range(60))


async def test_an_aborted_poll_is_missed_at_once(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    poller = await attached(http, url)
    poll = asyncio.create_task(poller.poll())
    await waits(app)
    poll.cancel()
    await until(lambda: only(app).connection.paused)
    assert only(app).transport == "polling"


async def test_an_answer_that_never_arrived_comes_again(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    poller = await attached(http, url)
    for n in range(5):
        app.manager.broadcast(message(n))
    assert (await poller.poll()).payloads == list(range(5))
    poller.received = 2
    app.manager.broadcast(message(5))
    assert (await poller.poll()).payloads == [2, 3, 4, 5]


async def test_a_poll_that_comes_late_ends_no_other(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    poller = await attached(http, url)
    app.manager.broadcast(message(0))
    await poller.poll()
    current = asyncio.create_task(poller.poll())
    await waits(app)
    stale = await Poller(http, url).poll(**poller.fields, received=0)
    assert (stale.status, stale.code) == (409, "stale_poll")
    app.manager.broadcast(message(1))
    assert (await current).payloads == [1]


async def test_a_repeated_hello_gets_the_same_session(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    poller = Poller(http, url)
    one = (await poller.hello(nonce="the same nonce as before")).control("welcome")
    two = (await poller.hello(nonce="the same nonce as before")).control("welcome")
    assert one["session"] == two["session"]
    app.manager.broadcast(message(1))
    assert (await poller.poll()).payloads == [1]


async def test_what_was_not_confirmed_follows_to_another_attach(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    app, url = await serve()
    client = WireClient()
    await client.attach(PollDuplex(http, url))
    app.manager.broadcast(message(0))
    assert (await client.receive()).payload == 0
    await client.cut()
    for n in range(1, 5):
        app.manager.broadcast(message(n))
    await client.attach(PollDuplex(http, url))
    assert client.welcome.resumed
    assert [(await client.receive()).payload for _ in range(4)] == [1, 2, 3, 4]


async def test_a_superseded_poll_is_told_so(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    poller = await attached(http, url)
    fields = dict(poller.fields)
    poll = asyncio.create_task(poller.poll())
    await waits(app)
    other = Poller(http, url)
    await other.hello(attach=2, session=fields["session"], secret=fields["secret"], received=0)
    assert (await poll).control("close")["code"] == "superseded"
    answer = await Poller(http, url).poll(**fields)
    assert answer.status in {404, 409}
    app.manager.broadcast(message(1))
    assert (await other.poll()).payloads == [1]


async def test_the_server_says_why_it_ends_a_session(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    poller = await attached(http, url)
    poll = asyncio.create_task(poller.poll())
    await waits(app)
    app.manager.broadcast(message(1))
    app.manager.disconnect(poller.fields["session"], "enough for today")
    answer = await poll
    assert answer.payloads == [1]
    assert answer.control("close")["reason"] == "enough for today"
    assert app.manager.get_metrics().connection_count == 0


async def test_who_was_between_two_polls_is_told_with_the_next(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    app, url = await serve()
    poller = await attached(http, url)
    app.manager.broadcast(message(1))
    app.manager.disconnect(poller.fields["session"], "enough for today")
    await until(lambda: not app.manager.get_metrics().connection_count)
    guessed = await poller.poll(secret="guessed")
    assert (guessed.status, guessed.code) == (404, "unknown_session")
    answer = await poller.poll()
    assert answer.payloads == [1]
    close = answer.control("close")
    assert (close["code"], close["number"], close["reason"]) == ("kicked", 4203, "enough for today")
    gone = await poller.poll()
    assert (gone.status, gone.code) == (404, "unknown_session")


async def test_last_words_are_bounded_in_number_and_in_time() -> None:
    now = 0.0
    farewells = Farewells(lambda: now)
    for n in range(COUNT_MAX + 10):
        farewells.keep(_ended(f"s{n}"), [b"bye"])
    assert farewells.take({"session": "s0", "secret": "x"}) is None
    assert farewells.take({"session": "s10", "secret": "x"}) is not None
    assert farewells.take({"session": 10, "secret": None}) is None
    now = KEPT + 1
    assert farewells.take({"session": "s11", "secret": "x"}) is None
    for n in range(40):
        farewells.keep(_ended(f"large {n}"), [b"x" * (SIZE_MAX // 10)])
    assert len(farewells._kept) == 10
    now = 2 * KEPT + 2
    farewells.keep(_ended("new"), [b"bye"])
    assert len(farewells._kept) == 1
    assert farewells._size == 3


def _ended(name: str) -> Any:
    return SimpleNamespace(
        session=SimpleNamespace(id=name, key=Key("x", "")),
        codec=None,
        compressor=None,
        form=SimpleNamespace(threshold=0),
    )


async def test_the_app_stops_while_polls_are_held(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    pollers = [await attached(http, url) for _ in range(20)]
    polls = [asyncio.create_task(poller.poll()) for poller in pollers]
    await until(lambda: all(s.connection.link._poll for s in app.manager.sessions.values()))
    started = asyncio.get_running_loop().time()
    await app.stop()
    assert asyncio.get_running_loop().time() - started < 2.0
    assert {(await poll).control("close")["code"] for poll in polls} == {"going_away"}


# -- the way up --------------------------------------------------------------------------------------------------


@codecs
async def test_answers_find_their_way_and_posts_are_confirmed(
    serve: Any, http: aiohttp.ClientSession, codec: Codec
) -> None:
    _, url = await serve()
    client = WireClient(codec)
    await client.attach(PollDuplex(http, url, codec=codec))
    for n in range(10):
        assert (await client.request("echo", {"n": n, "text": "ä\r\n"})).payload == {"n": n, "text": "ä\r\n"}
    assert client.line.window.acked == 10


async def test_a_client_that_only_posts_nonsense_fills_no_memory(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    app, url = await serve(polling={"hold": 0.05})
    poller = await attached(http, url)
    link = only(app).connection.link
    nonsense = poller.codec.encode_control("nonsense", {"x" * 2000: 1})
    assert (await poller.send(*[nonsense] * 300)).status == 200
    assert 0 < link._size <= IDLE_MAX
    # From here on it may have to read what it was answered before it is read again.
    posting = asyncio.create_task(poller.send(*[nonsense] * 300))
    codes = set()
    while not posting.done():
        answer = await poller.poll()
        codes |= {item.fields["code"] for item in answer.items if isinstance(item, Control)}
    assert (await posting).status == 200
    assert codes == {"bad_control"}


# -- compression -----------------------------------------------------------------------------------------------


class Zip:
    name = "zip"

    @hookimpl
    def rtcore_compressors(self) -> list[Zip]:
        return [self]

    def compress(self, data: bytes) -> bytes:
        return zlib.compress(data)

    def decompress(self, data: bytes, *, max_size: int) -> bytes:
        return zlib.decompress(data)


async def test_an_answer_is_compressed_as_a_whole(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve(plugins=(Zip(),))
    poller = Poller(http, url, compressor=Zip())
    welcome = (await poller.hello(compress=["zip"])).control("welcome")
    assert welcome["compress"] == "zip"
    for n in range(50):
        app.manager.broadcast(Message("n", ["small", n]))
    assert (await poller.poll()).payloads == [["small", n] for n in range(50)]
    assert poller.body[0] == 1
    assert poller.last.headers["Content-Type"] == "application/octet-stream"
    app.manager.broadcast(Message("n", "a token"))
    assert (await poller.poll()).payloads == ["a token"]
    assert poller.body[:1] == b"{"


async def test_the_answer_to_a_hello_is_plain_since_it_names_the_compressor(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    app, url = await serve(plugins=(Zip(),))
    poller = Poller(http, url, compressor=Zip())
    await poller.hello(compress=["zip"])
    for n in range(50):
        app.manager.broadcast(Message("n", ["small", n]))
    again = await poller.hello(compress=["zip"], **{**poller.fields, "attach": 2, "received": 0})
    assert poller.body[:1] == b"["
    assert again.control("welcome")["compress"] == "zip"
    assert again.payloads == [["small", n] for n in range(50)]
