"""What becomes of a session when its link goes, and how a client finds another one."""

from __future__ import annotations

import asyncio
import ssl
from itertools import chain, repeat

import attrs
import pytest
import rtcore_ratelimit
import trustme
from proxy import Proxy
from rtcore_client import (
    Gap,
    Limits,
    Message,
    NetworkError,
    NotConnected,
    QueueFull,
    Refused,
    RequestError,
    Suspended,
    Timing,
    UnknownOutcome,
)
from stack import make, serving, until

from rtcore.errors import Rejected
from rtcore.hooks import hookimpl
from rtcore.session import Session
from rtcore.spi.auth import Identity

TRANSPORTS = ("websocket", "sse", "polling")


@pytest.fixture
def app():
    app = make(message_buffer_size=5_000)
    app.seen = []
    app.hold = asyncio.Event()

    @app.handler("note")
    def note(payload: object) -> None:
        app.seen.append(payload)

    @app.handler("count")
    async def count(session: Session, payload: int) -> None:
        for n in range(payload):
            session.send("number", n)
            if n % 10 == 0:
                await asyncio.sleep(0.001)

    @app.handler("hold")
    async def hold(payload: object) -> object:
        app.seen.append(payload)
        await app.hold.wait()
        return payload

    return app


def events_of(client):
    events = []
    for name in ("connect", "disconnect", "reconnect", "transport"):
        client.on(name, lambda value, name=name: events.append((name, value)))
    return events


# -- cut, and resumed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_cut_connection_is_resumed_and_nothing_is_lost(client_of, proxy, app, transport):
    client = client_of(connection_type=transport, fallback_types=())
    events = events_of(client)
    heard = []
    client.subscribe("number", lambda message: heard.append(message.payload))
    await client.connect()
    session = client.get_connection_info().session_id
    await client.send("count", 1000)
    for cut in range(5):
        await until(lambda cut=cut: len(heard) > 150 * (cut + 1))
        proxy.cut()
        await client.send("note", cut)
    await until(lambda: len(heard) == 1000 and len(app.seen) == 5)
    assert heard == list(range(1000))
    assert app.seen == list(range(5))
    info = client.get_connection_info()
    assert info.session_id == session
    assert info.counters["missed"] == 0
    assert events[0] == ("transport", transport)
    assert events[1][0] == "connect"


async def test_a_request_survives_a_cut(client_of, proxy, app):
    client = client_of(fallback_types=())
    events = events_of(client)
    await client.connect()
    reply = asyncio.create_task(client.request("hold", "it"))
    await until(lambda: app.seen)
    proxy.cut()
    await until(lambda: "reconnect" in [name for name, _ in events])
    app.hold.set()
    assert await reply == "it"
    assert app.seen == ["it"]
    assert [name for name, _ in events] == ["transport", "connect", "disconnect", "reconnect"]
    assert events[2][1] == "NETWORK_ERROR"
    assert events[3][1].resumed


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_link_that_is_dead_without_having_ended_is_found(client_of, proxy, transport):
    client = client_of(connection_type=transport, fallback_types=(), heartbeat_interval=0.3, ping_timeout=0.3)
    events = events_of(client)
    qualities = []
    client.on("quality", qualities.append)
    await client.connect()
    await until(lambda: qualities)
    proxy.silent = True
    await until(lambda: ("disconnect", "ping_timeout") in events)
    proxy.silent = False
    proxy.cut()
    await client.request("echo", 1)
    assert qualities[0] == "excellent"
    assert "poor" in qualities


async def test_without_auto_reconnect_the_first_loss_is_the_end(client_of, proxy):
    client = client_of(auto_reconnect=False)
    errors = []
    client.on("error", errors.append)
    await client.connect()
    proxy.cut()
    await until(lambda: errors)
    assert isinstance(errors[0], NetworkError)
    assert client.get_connection_info().state == "stopped"
    with pytest.raises(NotConnected):
        await client.send("note")
    await client.connect()
    assert await client.request("echo", 1) == 1


# -- another transport -----------------------------------------------------------------------------------------


async def test_it_falls_back_when_the_websocket_is_blocked(client_of, proxy):
    proxy.blocked = {"/rt/ws"}
    client = client_of()
    await client.connect()
    assert client.get_connection_info().connection_type == "sse"
    assert await client.request("echo", 1) == 1


async def test_it_falls_back_to_the_last_resort(client_of, proxy):
    proxy.blocked = {"/rt/ws", "/rt/sse"}
    client = client_of()
    await client.connect()
    assert client.get_connection_info().connection_type == "polling"
    assert await client.request("echo", 1) == 1


async def test_a_websocket_that_hangs_is_given_up(client_of, proxy):
    proxy.hanging = {"/rt/ws"}
    client = client_of(timing=Timing(open=0.3, climb=60))
    await client.connect()
    assert client.get_connection_info().connection_type == "sse"


async def test_what_worked_is_tried_first_the_next_time(client_of, proxy):
    proxy.blocked = {"/rt/ws"}
    client = client_of()
    events = events_of(client)
    await client.connect()
    proxy.requests.clear()
    proxy.cut()
    await until(lambda: events[-1][0] == "reconnect")
    assert [request for request in proxy.requests if "/rt/send" not in request] == ["POST /rt/sse"]


async def test_it_climbs_back_to_the_better_transport_and_loses_nothing(client_of, proxy):
    proxy.blocked = {"/rt/ws"}
    client = client_of(timing=Timing(open=1.0, climb=0.1, max_climb=0.2))
    events = events_of(client)
    heard = []
    client.subscribe("number", lambda message: heard.append(message.payload))
    await client.connect()
    await client.send("count", 2000)
    await until(lambda: len(heard) > 200)
    proxy.blocked = set()
    await until(lambda: ("transport", "websocket") in events)
    await until(lambda: len(heard) == 2000)
    assert heard == list(range(2000))
    assert not [event for event in events if event[0] in {"disconnect", "reconnect"}]


@pytest.mark.parametrize("goal", TRANSPORTS)
async def test_a_program_may_choose_the_transport_while_messages_flow(client_of, app, goal):
    client = client_of(connection_type="sse" if goal == "websocket" else "websocket")
    events = events_of(client)
    heard = []
    client.subscribe("number", lambda message: heard.append(message.payload))
    await client.connect()
    await client.send("count", 1000)
    await until(lambda: len(heard) > 100)
    await client.switch_transport(goal)
    assert client.get_connection_info().connection_type == goal
    for n in range(100):
        await client.send("note", n)
    await until(lambda: len(heard) == 1000 and len(app.seen) == 100)
    assert heard == list(range(1000))
    assert app.seen == list(range(100))
    assert [name for name, _ in events] == ["transport", "connect", "transport"], "nobody was disconnected"


async def test_a_choice_that_cannot_be_had_leaves_everything_as_it_is(client_of, proxy):
    proxy.blocked = {"/rt/sse"}
    client = client_of()
    await client.connect()
    with pytest.raises(NetworkError):
        await client.switch_transport("sse")
    assert client.get_connection_info().connection_type == "websocket"
    assert await client.request("echo", 1) == 1


async def test_a_choice_that_hangs_is_told_when_the_client_is_closed(client_of, proxy):
    client = client_of(timing=Timing(open=30.0, close=0.2))
    await client.connect()
    proxy.hanging = {"/rt/sse"}
    choice = asyncio.create_task(client.switch_transport("sse"))
    await until(lambda: "POST /rt/sse" in proxy.requests)
    await client.close()
    with pytest.raises(NetworkError):
        await choice


# -- nobody is there ---------------------------------------------------------------------------------------------


async def test_after_so_many_attempts_it_is_suspended_and_connect_tries_again(client_of, proxy):
    await proxy.down()
    client = client_of(max_reconnect_attempts=2)
    errors = []
    client.on("error", errors.append)
    with pytest.raises(Suspended) as raised:
        await client.connect()
    assert raised.value.retry
    assert client.get_connection_info().state == "suspended"
    assert [type(error) for error in errors] == [Suspended]
    await proxy.up()
    await client.connect()
    assert await client.request("echo", 1) == 1


async def test_a_suspended_client_comes_back_by_itself(client_of, proxy):
    client = client_of(
        max_reconnect_attempts=0, timing=Timing(open=1.0, suspended_delay=0.1, max_reconnect_delay=0.01)
    )
    await client.connect()
    await proxy.down()
    await until(lambda: client.get_connection_info().state == "suspended")
    await proxy.up()
    await until(lambda: client.is_connected)
    assert client.get_connection_info().resumed


async def test_what_is_sent_while_offline_waits_by_priority(client_of, proxy, app):
    client = client_of(timing=Timing(open=1.0, suspended_delay=0.1), max_reconnect_attempts=1000)
    await client.connect()
    await proxy.down()
    await until(lambda: not client.is_connected)
    await client.send("note", "low", priority="low")
    await client.send("note", "first")
    await client.send("note", "second")
    await client.send("note", "critical", priority="critical")
    assert client.get_connection_info().counters["queued"] == 4
    await proxy.up()
    await until(lambda: len(app.seen) == 4)
    assert app.seen[0] == "critical"
    assert app.seen.index("first") < app.seen.index("second")


async def test_the_offline_queue_is_bounded_and_says_so(client_of, proxy, app):
    client = client_of(limits=Limits(queue=3), max_reconnect_attempts=1000)
    errors = []
    client.on("error", errors.append)
    await client.connect()
    await proxy.down()
    await until(lambda: not client.is_connected)
    for n in range(3):
        await client.send("note", n)
    with pytest.raises(QueueFull):
        await client.send("note", 3, timeout=0)
    await client.send("note", "urgent", priority="high")
    assert [error.code for error in errors] == ["queue_full"]
    await proxy.up()
    await until(lambda: len(app.seen) == 3)
    assert app.seen == ["urgent", 1, 2]


async def test_a_message_that_its_sender_gave_up_is_never_sent(client_of, proxy, app):
    client = client_of(max_reconnect_attempts=1000)
    await client.connect()
    await proxy.down()
    await until(lambda: not client.is_connected)
    with pytest.raises(TimeoutError):
        await client.send("note", "too late", confirm=True, timeout=0.05)
    await proxy.up()
    await client.send("note", "in time", confirm=True)
    assert app.seen == ["in time"]


async def test_a_client_that_was_never_connected_sends_nothing(client_of):
    client = client_of()
    with pytest.raises(NotConnected):
        await client.send("note")
    with pytest.raises(NotConnected):
        await client.request("echo")


# -- another server ------------------------------------------------------------------------------------------------


async def test_a_restarted_server_is_found_and_the_outcome_of_requests_is_unknown(client_of, proxy, app):
    client = client_of(max_reconnect_attempts=1000)
    await client.connect()
    first = client.get_connection_info().session_id
    await client.join_room("lobby", name="Ada")
    assert await client.request("echo", "answered", idempotent=True) == "answered"
    lost = asyncio.create_task(client.request("hold", "lost"))
    again = asyncio.create_task(client.request("hold", "again", idempotent=True))
    await until(lambda: len(app.seen) >= 1)
    heard, ran = [], []
    client.subscribe("chat:*", lambda message: heard.append(message.payload))

    other = make()

    @other.handler("hold")
    @other.handler("echo")
    def hold(payload: object) -> object:
        ran.append(payload)
        return payload

    async with serving(other) as port:
        proxy.target = port
        proxy.cut()
        with pytest.raises(UnknownOutcome):
            await asyncio.wait_for(lost, 10)
        assert await asyncio.wait_for(again, 10) == "again"
        assert ran == ["again"]
        info = client.get_connection_info()
        assert info.session_id != first
        assert not info.resumed
        await until(lambda: "lobby" in other.manager.rooms)
        await client.send_to_room("lobby", "chat:message", "back")
        await until(lambda: heard == ["back"])
        here = await client.request("room:members", {"room": "lobby"})
        assert [member["name"] for member in here["who"]] == ["Ada"]
        await client.close()


async def test_a_message_that_was_not_confirmed_when_its_session_went_is_told_of(client_of, proxy, app):
    client = client_of(max_reconnect_attempts=1000)
    errors = []
    client.on("error", errors.append)
    await client.connect()
    proxy.silent = True
    await client.send("note", "whose fate nobody knows")
    await until(lambda: client.get_connection_info().counters["sent"] == 1)
    other = make()
    async with serving(other) as port:
        proxy.target, proxy.silent = port, False
        proxy.cut()
        await until(lambda: errors)
        assert errors[0].code == "unknown_outcome"
        assert [message.type for message in errors[0].messages] == ["note"]
        await client.close()


async def test_a_room_with_history_gives_what_was_missed(client_of, proxy, app):
    """Longer away than the session lives: the room's own memory is the second one."""
    app = make(session_ttl=0.05, rooms={"options": {"*": {"history": 100}}})
    async with serving(app) as port, Proxy(port) as way:
        client = client_of(url=way.url, max_reconnect_attempts=1000)
        other = client_of(url=f"http://127.0.0.1:{port}/rt")
        heard = []
        client.subscribe("chat:*", lambda message: heard.append(message.payload))
        await client.connect()
        await other.connect()
        await client.join_room("lobby")
        await other.join_room("lobby")
        await other.send_to_room("lobby", "chat:message", 1, confirm=True)
        await until(lambda: heard == [1])
        await way.down()
        await until(lambda: len(app.manager.sessions) == 1)
        await other.send_to_room("lobby", "chat:message", 2, confirm=True)
        await other.send_to_room("lobby", "chat:message", 3, confirm=True)
        await way.up()
        await until(lambda: heard == [1, 2, 3])
        await client.close()
        await other.close()


async def test_a_server_that_stops_is_waited_for(client_of, proxy, app):
    client = client_of(max_reconnect_attempts=1000)
    events = events_of(client)
    first = make()
    async with serving(first) as port:
        proxy.target = port
        await client.connect()
    await until(lambda: events[-1][0] == "disconnect")
    assert events[-1][1] == "going_away"
    async with serving(make()) as port:
        proxy.target = port
        assert await client.request("echo", 1) == 1
        await client.close()


# -- what the server says goes ---------------------------------------------------------------------------------------


async def test_a_session_that_is_kicked_stays_away(client_of, app):
    client = client_of()
    events = events_of(client)
    errors = []
    client.on("error", errors.append)
    stream = client.messages()
    await client.connect()
    app.manager.disconnect(client.get_connection_info().session_id, "spamming")
    await until(lambda: client.get_connection_info().state == "stopped")
    assert ("disconnect", "kicked") in events
    assert errors[0].code == "kicked"
    assert errors[0].reason == "spamming"
    assert [message async for message in stream] == []
    with pytest.raises(NotConnected):
        await client.send("note")


async def test_a_copied_session_takes_over_and_the_original_stays_away(client_of, app):
    client, copy = client_of(), client_of()
    await client.connect()
    await client.request("echo")
    mine, theirs = client._session.line, copy._session.line
    theirs.session, theirs.secret, theirs.attach = mine.session, mine.secret, mine.attach
    theirs.received, theirs.window.sent = mine.received, mine.window.sent
    await copy.connect()
    await until(lambda: client.get_connection_info().state == "stopped")
    assert await copy.request("echo", 1) == 1


async def test_the_advice_to_come_back_later_is_obeyed(client_of):
    app = make(max_connections=1)
    async with serving(app) as port:
        first = client_of(url=f"http://127.0.0.1:{port}/rt")
        await first.connect()
        second = client_of(
            url=f"http://127.0.0.1:{port}/rt", max_reconnect_attempts=0, timing=Timing(suspended_delay=0.01)
        )
        with pytest.raises(Suspended) as raised:
            await second.connect()
        assert raised.value.retry_after is not None
        assert raised.value.retry_after > 1
        assert "server_full" in raised.value.reason
        refused = app.manager.get_metrics()
        await asyncio.sleep(0.3)
        assert app.manager.get_metrics().errors == refused.errors, "it has not tried again"
        await second.close()
        await first.close()


@attrs.frozen
class Gate:
    """Lets in who has one of these tokens."""

    tokens: dict[str, str]
    shown: list[str | None] = attrs.field(factory=list)
    name: str = "gate"

    @hookimpl
    def rtcore_authenticators(self):
        return [self]

    async def authenticate(self, handshake):
        if handshake.token is None:
            return None
        self.shown.append(handshake.token)
        if handshake.token not in self.tokens:
            raise Rejected("unauthenticated", "who is this?")
        return Identity(self.tokens[handshake.token])


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_token_is_asked_for_before_each_attach(client_of, transport):
    gate = Gate({"one": "ann", "two": "ann"})
    tokens = chain(["one"], repeat("two"))

    async def token() -> str:
        await asyncio.sleep(0)
        return next(tokens)

    async with serving(make(gate, ping_timeout=0.2)) as port, Proxy(port) as way:
        client = client_of(
            url=way.url,
            connection_type=transport,
            fallback_types=(),
            max_reconnect_attempts=1000,
            authentication={"token": token},
        )
        await client.connect()
        await client.request("echo")
        await way.down()
        await until(lambda: not client.is_connected)
        assert gate.shown == ["one"]
        await way.up()
        await until(lambda: client.is_connected)
        assert gate.shown == ["one", "two"]
        assert client.get_connection_info().resumed
        await client.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_wrong_credentials_are_no_reason_to_try_again(client_of, transport):
    gate = Gate({})
    async with serving(make(gate)) as port:
        client = client_of(
            url=f"http://127.0.0.1:{port}/rt",
            connection_type=transport,
            fallback_types=(),
            authentication={"token": "wrong"},
        )
        with pytest.raises(Refused) as raised:
            await client.connect()
        assert raised.value.code == "unauthenticated"
        assert client.get_connection_info().state == "stopped"
        assert gate.shown == ["wrong"]
        await client.close()


async def test_headers_go_with_every_request(client_of):
    gate = Gate({"secret": "ann"})
    async with serving(make(gate, allow_anonymous=False)) as port:
        for transport in TRANSPORTS:
            client = client_of(
                url=f"http://127.0.0.1:{port}/rt",
                connection_type=transport,
                fallback_types=(),
                authentication={"headers": {"Authorization": "Bearer secret"}},
            )
            await client.connect()
            assert await client.request("echo", 1) == 1
            await client.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_rate_that_the_server_takes_is_kept_also_after_a_while_offline(client_of, transport):
    app = make(rtcore_ratelimit, rate_limit_per_second=100)
    seen, errors = [], []

    @app.handler("note")
    def note(payload: object) -> None:
        seen.append(payload)

    async with serving(app) as port, Proxy(port) as way:
        client = client_of(
            url=way.url, connection_type=transport, fallback_types=(), max_reconnect_attempts=1000
        )
        client.on("error", errors.append)
        await client.connect()
        for n in range(100):
            await client.send("note", n)
        await way.down()
        for n in range(100, 200):
            await client.send("note", n)
        await way.up()
        await until(lambda: len(seen) == 200)
        assert seen == list(range(200))
        assert not errors
        await client.close()


# -- the end -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_close_sends_what_is_queued_says_goodbye_and_leaves_nothing(client_of, app, transport):
    before = asyncio.all_tasks()
    client = client_of(connection_type=transport, fallback_types=())
    events = events_of(client)
    await client.connect()
    for n in range(200):
        await client.send("note", n)
    await client.close()
    await until(lambda: app.seen == list(range(200)))
    await until(lambda: not app.manager.sessions)
    assert events[-1] == ("disconnect", "bye")
    assert not clients_tasks(before)
    with pytest.raises(NotConnected):
        await client.send("note")


async def test_a_callback_may_close_its_client(client_of, app):
    before = asyncio.all_tasks()
    client, other = client_of(), client_of()
    await client.connect()
    await other.connect()
    closed = []

    async def close_it(_message: Message) -> None:
        await client.close()
        closed.append(True)

    client.subscribe("number", close_it)
    other.subscribe("number", lambda _message: other.close())
    await client.send("count", 5)
    await other.send("count", 5)
    await until(lambda: closed and other.get_connection_info().state == "closed")
    await until(lambda: not clients_tasks(before))


def clients_tasks(before):
    return [task for task in asyncio.all_tasks() - before if task.get_name().startswith("rtcore-client")]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_tls_with_an_authority_of_ones_own(client_of, tmp_path, transport):
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "cert.pem")
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    app = make(http={"host": "127.0.0.1", "port": 0, "tls_certificate": str(tmp_path / "cert.pem")})
    async with serving(app) as port:
        client = client_of(
            url=f"wss://127.0.0.1:{port}/rt", connection_type=transport, fallback_types=(), ssl=trust
        )
        await client.connect()
        assert await client.request("echo", "x" * 100_000) == "x" * 100_000
        await client.close()
        distrustful = client_of(url=f"https://127.0.0.1:{port}/rt", max_reconnect_attempts=0)
        with pytest.raises(NetworkError):
            await distrustful.connect()
        await distrustful.close()


async def test_whoever_waits_when_the_client_is_closed_is_told(client_of, app):
    client = client_of()
    await client.connect()
    request = asyncio.create_task(client.request("hold"))
    await until(lambda: app.seen)
    await client.close()
    with pytest.raises(NotConnected):
        await request


async def test_a_window_that_overflows_is_a_gap_that_says_how_much(client_of, proxy):
    app = make(message_buffer_size=50)

    @app.handler("count")
    async def count(session: Session, payload: int) -> None:
        for n in range(payload):
            session.send("number", n)

    async with serving(app) as port, Proxy(port) as way:
        client = client_of(url=way.url, max_reconnect_attempts=1000)
        gaps, heard = [], []
        client.on("gap", gaps.append)
        client.subscribe("number", lambda message: heard.append(message.payload))
        await client.connect()
        session = app.manager.sessions[client.get_connection_info().session_id]
        await way.down()
        await until(lambda: session.transport is None)
        for n in range(120):
            session.send("number", n)
        await way.up()
        await until(lambda: heard and heard[-1] == 119)
        missed = sum(gap.n for gap in gaps)
        assert len(heard) + missed == 120
        assert all(isinstance(gap, Gap) for gap in gaps)
        assert heard == sorted(heard)
        await client.close()


async def test_the_error_of_a_message_without_an_id_finds_who_waits_for_its_confirmation(client_of, app):
    client = client_of()
    await client.connect()

    async def send_until_refused() -> None:
        for _ in range(50):
            await client.send("no such type", confirm=True, timeout=5)

    with pytest.raises(RequestError) as raised:
        await send_until_refused()
    assert raised.value.code == "unknown_type"
