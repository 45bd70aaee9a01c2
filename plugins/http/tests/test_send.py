"""POST /rt/send: messages go up, once each, and everything that is wrong has a code."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from rtcore.app import App
from rtcore.hooks import hookimpl
from rtcore.session import Session
from rtcore.spi.handler import Handler
from rtcore.testing import InMemoryTransport, PlainCodec, WireClient
from rtcore.wire.message import Message

TEXT = {"Content-Type": "text/plain;charset=UTF-8"}


class Sessions:
    """A server with a session that has come in some other way, and a client that posts for it."""

    def __init__(self, app: App, url: str, transport: InMemoryTransport, http: aiohttp.ClientSession) -> None:
        self.app, self.url, self.transport, self.http = app, url, transport, http
        self.got: list[Any] = []
        self.client = WireClient()

    async def attach(self) -> None:
        await self.client.attach(self.transport.connect())

    def control(self, start: int, **other: Any) -> list[Any]:
        welcome = self.client.welcome
        fields = {
            "session": welcome.session,
            "secret": welcome.secret,
            "attach": welcome.attach,
            "from": start,
        }
        return ["send", {**fields, **other}]

    async def post(self, *items: Any, query: str = "", headers: Any = TEXT) -> tuple[int, Any, Any]:
        body = (
            items[0]
            if isinstance(items[0], bytes)
            else b"\n".join(json.dumps(item).encode() for item in items)
        )
        async with self.http.post(self.url + "/rt/send" + query, data=body, headers=headers) as response:
            name, fields = json.loads(await response.read())
            return response.status, name, fields


@pytest.fixture
async def sessions(serve: Any, browser: aiohttp.ClientSession) -> Sessions:
    transport = InMemoryTransport()
    made: list[Sessions] = []

    def take(session: Session, message: Message) -> None:
        made[0].got.append(message.payload)

    class Plugin:
        @hookimpl
        def rtcore_handlers(self, app: App) -> list[Handler]:
            return [Handler("note", take)]

    app, url = await serve(plugins=[transport, Plugin()], top={"max_message_size": 10_000})
    made.append(Sessions(app, url, transport, browser))
    await made[0].attach()
    return made[0]


def note(payload: Any) -> dict[str, Any]:
    return {"type": "note", "payload": payload}


async def test_messages_arrive_in_order_and_are_acknowledged(sessions: Sessions) -> None:
    assert await sessions.post(sessions.control(0), note(1), note(2)) == (200, "ack", {"n": 2})
    assert await sessions.post(sessions.control(2), note(3)) == (200, "ack", {"n": 3})
    assert sessions.got == [1, 2, 3]


async def test_a_post_that_comes_twice_counts_once(sessions: Sessions) -> None:
    for _ in range(2):
        assert await sessions.post(sessions.control(0), note(1), note(2)) == (200, "ack", {"n": 2})
    assert await sessions.post(sessions.control(1), note(2), note(3)) == (200, "ack", {"n": 3})
    assert sessions.got == [1, 2, 3]


async def test_a_hole_is_answered_with_what_was_expected(sessions: Sessions) -> None:
    await sessions.post(sessions.control(0), note(1))
    status, name, fields = await sessions.post(sessions.control(5), note(6))
    assert (status, name, fields["code"], fields["details"]) == (409, "error", "gap", {"expected": 1})
    assert sessions.got == [1]


async def test_posts_side_by_side_count_each_message_once(sessions: Sessions) -> None:
    same = [sessions.post(sessions.control(0), note(1), note(2)) for _ in range(5)]
    assert {answer[2]["n"] for answer in await asyncio.gather(*same)} == {2}
    assert sessions.got == [1, 2]


async def test_a_wrong_secret_and_an_unknown_session_look_the_same(sessions: Sessions) -> None:
    wrong = await sessions.post(sessions.control(0, secret="x" * 24), note(1))
    unknown = await sessions.post(sessions.control(0, session="nobody"), note(1))
    assert wrong == unknown
    assert (wrong[0], wrong[2]["code"]) == (404, "unknown_session")


async def test_an_older_attach_is_superseded(sessions: Sessions) -> None:
    before = sessions.control(0)
    await sessions.client.attach(sessions.transport.connect())
    before[1]["secret"] = sessions.client.welcome.secret
    status, _, fields = await sessions.post(before, note(1))
    assert (status, fields["code"]) == (409, "superseded")


async def test_a_goodbye_is_taken_when_the_stream_is_gone_already(sessions: Sessions) -> None:
    manager = sessions.app.manager
    session = manager.sessions[sessions.client.welcome.session]
    goodbye = sessions.control(0)
    sessions.client.duplex.cut()
    async with asyncio.timeout(10):
        while session.connection is not None:  # noqa: ASYNC110 - the transport's end; there is no event of it
            await asyncio.sleep(0)
    assert (await sessions.post(goodbye, note(1)))[2]["code"] == "going_away"
    wrong = [goodbye[0], {**goodbye[1], "secret": "x" * 24}]
    assert (await sessions.post(wrong, ["bye", {}]))[2]["code"] == "unknown_session"
    assert (await sessions.post(goodbye, ["bye", {}], note(1)))[2]["code"] == "going_away"
    assert session.closed is None
    assert await sessions.post(goodbye, ["bye", {}]) == (200, "ack", {"n": 0})
    assert session.closed == "bye"
    assert not manager.sessions


async def test_a_goodbye_of_an_older_attach_ends_nothing(sessions: Sessions) -> None:
    before = sessions.control(0)
    await sessions.client.attach(sessions.transport.connect())
    before[1]["secret"] = sessions.client.welcome.secret
    assert (await sessions.post(before, ["bye", {}]))[2]["code"] == "superseded"
    assert sessions.app.manager.sessions


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_control"),
        (b"x", 400, "malformed_frame"),
        (b"\x01\x02\x03", 400, "malformed_frame"),
        (b'{"type":"note"}', 400, "bad_control"),
        (b'["ack",{"n":1}]', 400, "bad_control"),
        (b'["send",{"from":"0"}]', 400, "bad_control"),
        (b'["send",{"from":-1}]', 400, "bad_control"),
        (b'["send",{"from":true}]', 400, "bad_control"),
        (b'["send",{"from":0}]', 400, "bad_control"),
        (b"x" * 15_000, 413, "message_too_big"),
    ],
)
async def test_what_is_wrong_has_a_code(sessions: Sessions, body: bytes, status: int, code: str) -> None:
    got, name, fields = await sessions.post(body)
    assert (got, name, fields["code"]) == (status, "error", code)
    assert sessions.got == []


async def test_the_codec_is_the_querys_and_the_media_type_says_nothing(sessions: Sessions) -> None:
    for query, content_type, status in [
        ("", "application/json", 200),
        ("", "image/png", 200),
        ("?codec=json", "application/cbor-seq", 200),
        ("?codec=morse", "application/json", 415),
        ("?codec=", "application/json", 415),
    ]:
        got, _, fields = await sessions.post(
            sessions.control(0), query=query, headers={"Content-Type": content_type}
        )
        assert got == status, fields


async def test_a_compressed_body_is_refused(sessions: Sessions) -> None:
    got, _, fields = await sessions.post(sessions.control(0), headers={**TEXT, "Content-Encoding": "gzip"})
    assert (got, fields["code"]) == (400, "malformed_frame")


async def test_a_page_of_another_host_may_not_post(sessions: Sessions) -> None:
    got, _, fields = await sessions.post(
        sessions.control(0), note(1), headers={**TEXT, "Origin": "https://evil.example"}
    )
    assert (got, fields["code"]) == (403, "origin_refused")
    assert sessions.got == []


async def test_an_answer_is_in_the_codec_that_was_asked_for(
    serve: Any, browser: aiohttp.ClientSession
) -> None:
    turned = PlainCodec("turned", binary=True)
    _, url = await serve(plugins=[turned])
    body = turned.encode_control("send", {"session": "a", "secret": "b", "attach": 1, "from": 0})
    async with browser.post(url + "/rt/send?codec=turned", data=body) as response:
        assert response.status == 404
        assert response.headers["Content-Type"] == turned.content_type
        (control,) = turned.decode(await response.read())
    assert control.name == "error"  # type: ignore[union-attr]


# -- a page that may be back ---------------------------------------------------------------------------------------


async def test_a_page_that_goes_says_so_by_a_post_when_its_stream_is_gone(sessions: Sessions) -> None:
    manager = sessions.app.manager
    [session] = manager.sessions.values()
    goodbye = sessions.control(0)
    await sessions.client.cut()
    async with asyncio.timeout(10):
        while session.connection is not None:  # noqa: ASYNC110 - the transport's end; there is no event of it
            await asyncio.sleep(0)
    assert await sessions.post(goodbye, ["away", {"within": 3}]) == (200, "ack", {"n": 0})
    assert session in manager.departures._due
    assert session.closed is None
    status, _, fields = await sessions.post(goodbye, ["away", {"within": "soon"}])
    assert (status, fields["code"]) == (400, "bad_control")


async def test_what_a_page_said_is_worth_nothing_once_the_next_one_is_here(sessions: Sessions) -> None:
    before = sessions.control(0)
    await sessions.client.attach(sessions.transport.connect())
    before[1]["secret"] = sessions.client.welcome.secret
    status, _, fields = await sessions.post(before, ["away", {}])
    assert (status, fields["code"]) == (409, "superseded")
    assert not sessions.app.manager.departures._due
