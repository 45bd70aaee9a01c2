"""A page that goes says so: others see it gone after a grace, unless it is back; its session waits as ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from rtcore import App, hookimpl
from rtcore.session import Session
from rtcore.testing import FakeClock, InMemoryTransport, PlainCodec, WireClient


class Observer:
    def __init__(self) -> None:
        self.seen: list[str] = []

    @hookimpl
    def rtcore_session_left(self, session: Session) -> None:
        self.seen.append("left")

    @hookimpl
    def rtcore_session_resumed(self, session: Session) -> None:
        self.seen.append("resumed")

    @hookimpl
    def rtcore_session_closed(self, session: Session, reason: str) -> None:
        self.seen.append(reason)


class Scene:
    """One client of an app whose clock stands still."""

    def __init__(self, app: App, clock: FakeClock, transport: InMemoryTransport, observer: Observer) -> None:
        self.app, self.clock, self.transport, self.observer = app, clock, transport, observer
        self.client = WireClient()

    async def begin(self) -> None:
        await self.client.attach(self.transport.connect())
        [self.session] = self.app.manager.sessions.values()

    async def says(self, **fields: object) -> None:
        """Say `away`, and make sure that it has been heard."""
        await self.client.say("away", **fields)
        await self.client.say("ping")
        await self.client.control("pong")

    async def cut(self) -> None:
        await self.client.cut()
        async with asyncio.timeout(10):
            while self.session.connection is not None:  # noqa: ASYNC110 - the transport's end has no event
                await asyncio.sleep(0)

    def after(self, seconds: float) -> list[str]:
        """What was observed once so many seconds more have passed."""
        self.clock.advance(seconds)
        self.app.manager.heartbeat.tick(self.clock())
        return self.observer.seen


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with made() as scene:
        yield scene


@asynccontextmanager
async def made(**settings: object) -> AsyncIterator[Scene]:
    clock, transport, observer = FakeClock(), InMemoryTransport(), Observer()
    app = App(settings, plugins=[PlainCodec(), transport, observer], clock=clock)
    async with app:
        scene = Scene(app, clock, transport, observer)
        await scene.begin()
        yield scene


async def test_it_has_left_after_five_seconds_and_its_session_waits(scene: Scene) -> None:
    await scene.says()
    await scene.cut()
    assert scene.after(4.9) == []
    assert scene.after(0.2) == ["left"]
    assert scene.after(60) == ["left"]
    assert scene.session.closed is None
    assert scene.after(61) == ["left", "session_expired"]


async def test_whoever_is_back_in_time_was_never_gone(scene: Scene) -> None:
    await scene.says()
    await scene.cut()
    scene.after(4.9)
    await scene.client.attach(scene.transport.connect())
    assert scene.client.welcome.resumed
    assert scene.after(100) == ["resumed"]


async def test_whoever_is_back_later_is_back_too(scene: Scene) -> None:
    await scene.says()
    await scene.cut()
    scene.after(6)
    await scene.client.attach(scene.transport.connect())
    assert scene.client.welcome.resumed
    assert scene.observer.seen == ["left", "resumed"]
    await scene.says()
    assert scene.after(6) == ["left", "resumed", "left"]


async def test_a_page_whose_connection_has_not_ended_yet_has_left_as_well(scene: Scene) -> None:
    await scene.says()
    assert scene.after(6) == ["left"]


@pytest.mark.parametrize("within", [0, 1, 2.5])
async def test_a_client_may_say_how_long(scene: Scene, within: float) -> None:
    await scene.says(within=within)
    if within:
        assert scene.after(within - 0.1) == []
    assert scene.after(0.2) == ["left"]


async def test_the_server_says_it_for_those_who_do_not() -> None:
    async with made(away_grace=20.0) as scene:
        await scene.says()
        assert scene.after(19.0) == []
        assert scene.after(2.0) == ["left"]


@pytest.mark.parametrize("within", [-1, 3601, "5", None, True])
async def test_what_is_no_number_of_seconds_is_refused_and_means_nothing(
    scene: Scene, within: object
) -> None:
    await scene.client.say("away", within=within)
    refusal = (await scene.client.control("error")).fields
    assert refusal["code"] == "bad_control"
    assert "expected seconds from 0 to 3600" in refusal["reason"]
    assert scene.after(10) == []


async def test_to_say_it_again_and_again_costs_and_changes_nothing(scene: Scene) -> None:
    await scene.says(within=1)
    for _ in range(100):
        await scene.client.say("away", within=3000)
    await scene.says(within=3000)
    assert scene.after(1.1) == ["left"]
    assert len(scene.app.manager.departures._order) <= 1


async def test_a_session_that_ends_meanwhile_has_ended_and_not_left(scene: Scene) -> None:
    await scene.says()
    scene.session.close("kicked")
    assert scene.after(10) == ["kicked"]
    assert not scene.app.manager.departures._due
