"""Calls of other threads are done in the loop, in their order, or refused at once; never half."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextvars import ContextVar

import pytest

from rtcore import Message, RtcoreError, WrongThread
from rtcore import threads as threads_module
from rtcore.spi.broker import Publication
from tests.kernel.harness import MemoryTransport, Peer, make_app, until


@pytest.fixture
async def app():
    app = make_app({"message_buffer_size": 100_000})
    async with app:
        yield app


@pytest.fixture
def peer(app):
    return Peer(app).connect()


def numbers(peer, type_="n"):
    return [message["payload"] for message in peer.got if message["type"] == type_]


async def called(call, *args):
    """Call something in another thread; return what it returned or raised."""

    def run():
        try:
            return call(*args)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            return error

    return await asyncio.to_thread(run)


# -- what works ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["broadcast", "send_to_connection", "post", "send", "audience", "reply"])
async def test_what_is_sent_in_a_thread_arrives_whole_and_in_order(app, peer, way):
    session, manager = peer.session, app.manager
    audience = manager.audience()
    audience.add(session)
    ways = {
        "broadcast": lambda n: manager.broadcast(Message("n", n)),
        "send_to_connection": lambda n: manager.send_to_connection(session.id, Message("n", n)),
        "post": lambda n: session.post(Message("n", n)),
        "send": lambda n: session.send("n", n),
        "audience": lambda n: audience.publish(Message("n", n)),
        "reply": lambda n: session.reply(Message("n", id="1"), Message("n", n)),
    }
    answers = await called(lambda: [ways[way](n) for n in range(3000)])
    await until(lambda: (peer.read(), len(numbers(peer)) >= 3000)[1])
    assert numbers(peer) == list(range(3000))
    assert set(answers) <= {1, None}
    assert not any(manager.get_metrics().drops.values())


async def test_each_thread_keeps_its_order_and_all_of_them_arrive(app, peer):
    def work(me):
        for n in range(500):
            peer.session.send("n", [me, n])

    workers = [threading.Thread(target=work, args=(me,)) for me in range(8)]
    for worker in workers:
        worker.start()
    await until(lambda: (peer.read(), len(numbers(peer)) >= 4000)[1], turns=1_000_000)
    for worker in workers:
        worker.join()
    for me in range(8):
        assert [n for who, n in numbers(peer) if who == me] == list(range(500))


async def test_ends_and_leavings_in_a_thread_are_done(app):
    first, second = Peer(app).connect(), Peer(app).connect()
    one, two = first.session, second.session
    assert await called(app.manager.disconnect, one.id, "kicked") is True
    assert await called(app.manager.disconnect, "nobody", "kicked") is False
    assert await called(two.close, "session_closed") is None
    await until(lambda: not app.manager.sessions)
    assert first.control("close")["code"] == "kicked"
    assert second.control("close")["code"] == "session_closed"
    assert await called(two.send, "n", 1) is False
    await until(lambda: app.manager.get_metrics().drops["expired_session"] == 1)


async def test_a_connection_closed_in_a_thread_is_closed(app, peer):
    connection = peer.connection
    assert await called(connection.close, "going_away") is None
    await until(lambda: peer.link.closed == (4000, "going_away"))
    other = Peer(app).connect()
    assert await called(app.manager.give_up, other.connection, "going_away") is None
    await until(lambda: other.session.connection is None)


async def test_members_may_come_and_go_in_a_thread_while_the_loop_speaks_to_them(app):
    peers = [Peer(app).connect() for _ in range(20)]
    audience = app.manager.audience()
    over = threading.Event()

    def churn():
        while not over.is_set():
            for peer in peers:
                audience.add(peer.session)
            for peer in peers:
                audience.discard(peer.session)

    churning = asyncio.create_task(asyncio.to_thread(churn))
    for n in range(300):
        audience.publish(Message("n", n))
        await asyncio.sleep(0)
    over.set()
    await churning


async def test_a_broker_may_deliver_in_a_thread(app, peer):
    heard = []

    class Rooms:
        def deliver(self, publication):
            heard.append((publication.message.payload, threading.get_ident()))

    app.find = lambda _protocol: Rooms()
    await called(lambda: [app._deliver(Publication("r", Message("n", n))) for n in range(10)])
    await until(lambda: len(heard) == 10)
    assert heard == [(n, threading.get_ident()) for n in range(10)]


async def test_the_caller_s_context_goes_along(app, peer):
    trace = ContextVar("trace", default="none")
    seen = []
    app.manager.broadcast = lambda *_args, **_fields: seen.append(trace.get())

    def work(name):
        trace.set(name)
        app.threads.take("manager.broadcast", app.manager.broadcast)

    await called(work, "a")
    await called(work, "b")
    await until(lambda: seen == ["a", "b"])


async def test_what_is_sent_is_what_it_was_when_the_thread_called(app, peer):
    def work():
        payload = {"list": [0]}
        for n in range(50):
            payload["list"][0] = n
            app.manager.broadcast(Message("n", payload))
            peer.session.send("n", payload)
        payload["list"] = "changed"

    await called(work)
    await until(lambda: (peer.read(), len(numbers(peer)) >= 100)[1])
    assert numbers(peer) == [{"list": [n]} for n in range(50) for _ in range(2)]


async def test_what_cannot_be_sent_is_refused_in_the_thread(app, peer):
    for call in (app.manager.broadcast, peer.session.post):
        error = await called(call, Message("n", {"a": [1, object()]}))
        assert isinstance(error, TypeError)
        assert "a[1]" in str(error)
    peer.session.send("n", "fine")
    await until(lambda: (peer.read(), numbers(peer) == ["fine"])[1])


async def test_what_a_call_raises_later_is_logged_by_name_and_thread_and_ends_nothing_else(app, peer, caplog):
    def broken():
        raise SystemExit("not the loop's")

    def work():
        app.threads.take("my.call", broken)
        peer.session.send("n", 1)

    with caplog.at_level(logging.ERROR, "rtcore.threads"):
        worker = threading.Thread(target=work, name="worker-7")
        worker.start()
        await until(lambda: (peer.read(), numbers(peer) == [1])[1], turns=1_000_000)
        worker.join()
    assert "my.call, called in thread 'worker-7', failed" in caplog.text


# -- what is refused ---------------------------------------------------------------------------------------


async def test_what_waits_or_answers_is_refused_with_what_to_use(app, peer):
    async def nothing():
        pass

    def in_a_loop(make):
        async def main():
            return await make()

        return asyncio.run(main())

    session, manager, audience = peer.session, app.manager, app.manager.audience()
    for name, make in {
        "app.spawn": lambda: app.spawn(nothing(), name="x"),
        "app.drain": app.drain,
        "app.stop": app.stop,
        "manager.join_room": lambda: manager.join_room(session, "r"),
        "manager.drained": lambda: manager.drained("r"),
        "session.drained": session.drained,
        "audience.drained": audience.drained,
    }.items():
        error = await called(in_a_loop, make)
        assert isinstance(error, WrongThread), name
        assert isinstance(error, RtcoreError)
        assert isinstance(error, RuntimeError)
        assert name in str(error)
        assert "app.from_thread(" in str(error)
    error = await called(lambda: app.spawn(nothing(), name="x"))
    assert isinstance(error, WrongThread)


async def test_what_only_looks_works_everywhere(app, peer):
    manager = app.manager
    assert (await called(manager.get_metrics)).sessions_opened == 1
    assert await called(lambda: list(dict(manager.sessions))) == [peer.session.id]
    assert list(await called(lambda: manager.rooms)) == []
    assert await called(lambda: (peer.session.backlog, dict(peer.session.drops))) == (0, {})


# -- from_thread ------------------------------------------------------------------------------------------


async def test_a_thread_may_wait_for_what_a_call_returns_raises_or_awaits(app, peer):
    async def later(value):
        await asyncio.sleep(0.001)
        if isinstance(value, Exception):
            raise value
        return value

    def here(*args, **fields):
        return threading.get_ident(), args, fields

    mine = threading.get_ident()
    assert await called(lambda: app.from_thread(here, 1, a=2)) == (mine, (1,), {"a": 2})
    assert await called(app.from_thread, app.manager.broadcast, Message("n", 1)) == 1
    assert await called(app.from_thread, later, 7) == 7
    for error in (ValueError("now"), KeyError("x")):
        assert await called(app.from_thread, later, error) is error

    def fail():
        raise LookupError("at once")

    assert isinstance(await called(app.from_thread, fail), LookupError)
    assert await called(lambda: app.from_thread(app.spawn, later(3), name="mine")) == 3
    tasks = []
    assert await called(app.from_thread, lambda: tasks.append(app.spawn(later(4), name="mine"))) is None
    assert await tasks[0] == 4


async def test_it_comes_after_what_the_thread_has_called_before(app, peer):
    def work():
        for n in range(1000):
            peer.session.send("n", n)
        return app.from_thread(lambda: len(peer.session.outbox) + app.manager.get_metrics().messages_sent)

    assert await called(work) == 1000


async def test_what_takes_too_long_is_cancelled(app):
    cancelled = asyncio.Event()

    async def for_ever():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    assert isinstance(await called(lambda: app.from_thread(for_ever, timeout=0.05)), TimeoutError)
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_in_the_app_s_own_thread_it_would_wait_for_itself(app):
    with pytest.raises(WrongThread, match="wait for itself"):
        app.from_thread(print)


async def test_asyncio_s_own_way_works(app, peer):
    loop, session = asyncio.get_running_loop(), peer.session

    async def ask():
        session.send("n", 1)
        await session.drained(below=10)
        return "done"

    assert await called(lambda: asyncio.run_coroutine_threadsafe(ask(), loop).result(5)) == "done"


# -- bounds ------------------------------------------------------------------------------------------------


async def test_a_thread_that_is_faster_than_the_loop_waits_for_room(app, peer, monkeypatch):
    monkeypatch.setattr(threads_module, "LIMIT", 50)
    most = []

    def work():
        for n in range(5000):
            peer.session.send("n", n)
            most.append(len(app.threads._calls))

    await called(work)
    await until(lambda: (peer.read(), len(numbers(peer)) >= 5000)[1])
    assert numbers(peer) == list(range(5000))
    assert max(most) <= 50


async def test_a_loop_that_waits_for_the_thread_is_no_deadlock(app, peer, monkeypatch):
    monkeypatch.setattr(threads_module, "LIMIT", 50)
    monkeypatch.setattr(threads_module, "PATIENCE", 0.05)
    told = []

    def work():
        try:
            for n in range(1000):
                peer.session.send("n", n)
        except WrongThread as error:
            told.append(str(error))

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()  # what nobody should do in a loop
    assert "50 calls of other threads wait" in told[0]
    await until(lambda: (peer.read(), len(numbers(peer)) >= 50)[1])
    assert numbers(peer) == list(range(50)), "what was taken is done"


async def test_a_lock_that_both_need_is_no_deadlock(app, peer):
    """As with a log handler that broadcasts: its thread holds the handler's lock, and the loop logs."""
    lock = threading.Lock()

    def work():
        for n in range(500):
            with lock:
                app.manager.broadcast(Message("n", n))

    working = asyncio.create_task(asyncio.to_thread(work))
    while not working.done():
        with lock:
            pass
        await asyncio.sleep(0)
    await until(lambda: (peer.read(), len(numbers(peer)) >= 500)[1])


# -- before, during and after the app's life -----------------------------------------------------------------


def test_before_the_start_nothing_is_refused():
    app = make_app()
    app.boot()
    assert app.manager.broadcast(Message("n", 1)) == 0
    with pytest.raises(WrongThread, match="does not run"):
        app.from_thread(print)


async def test_after_the_end_a_thread_is_told_so():
    app = make_app()
    async with app:
        session = Peer(app).connect().session
    assert app.manager.broadcast(Message("n", 1)) == 0
    assert session.post(Message("n", 1)) is False
    for call in (lambda: app.manager.broadcast(Message("n", 1)), lambda: app.from_thread(print)):
        error = await called(call)
        assert isinstance(error, WrongThread)
    async with app:
        peer = Peer(app).connect()
        assert await called(app.manager.broadcast, Message("n", 1)) == 1
        await until(lambda: (peer.read(), numbers(peer) == [1])[1])


@pytest.mark.parametrize("round_", range(5))
async def test_at_a_stop_each_call_is_done_or_refused(round_):
    """Threads call as fast as they can while the app stops: what was taken is done, the rest is told, nobody hangs."""
    app = make_app()
    taken, done, told = [0] * 6, [], []
    begun = threading.Barrier(7)

    def work(me):
        begun.wait()
        try:
            while True:
                if me % 3 == 0:
                    app.threads.take("mine", done.append, me)
                elif me % 3 == 1:
                    app.from_thread(done.append, me)
                else:
                    app.manager.broadcast(Message("n", me))
                    done.append(me)
                taken[me] += 1
        except WrongThread as error:
            told.append(error)

    workers = [threading.Thread(target=work, args=(me,)) for me in range(6)]
    async with app:
        Peer(app).connect()
        for worker in workers:
            worker.start()
        await asyncio.to_thread(begun.wait)
        while not all(taken):  # noqa: ASYNC110 - threads set no event of the loop's
            await asyncio.sleep(0.001)
    for worker in workers:
        await asyncio.to_thread(worker.join, 10)
        assert not worker.is_alive()
    assert len(told) == 6
    assert [done.count(me) for me in range(6)] == taken


async def test_a_start_that_fails_leaves_no_thread_waiting():
    class Broken(MemoryTransport):
        async def start(self, app):
            raise OSError("no such port")

    from rtcore import App
    from tests.kernel.harness import Basics

    app = App({}, plugins=[Basics(Broken())])
    with pytest.raises(OSError, match="no such port"):
        await app.start()
    assert isinstance(await called(lambda: app.from_thread(print)), WrongThread)
