"""Rooms of an rtcore server: named audiences that clients join, leave and publish to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from rtcore.app import App
from rtcore.hooks import hookimpl
from rtcore.session import Session
from rtcore.spi.handler import Handler
from rtcore.spi.rooms import Rooms
from rtcore_rooms.requests import Requests
from rtcore_rooms.service import RoomService
from rtcore_rooms.settings import Settings

__rtcore_api__ = 1


@hookimpl
def rtcore_settings() -> type:
    return Settings


@hookimpl
def rtcore_services(app: App) -> Mapping[type, object]:
    return {Rooms: RoomService(app, app.settings(Settings))}


@hookimpl
def rtcore_handlers(app: App) -> Sequence[Handler]:
    return Requests(app).handlers()


@hookimpl
def rtcore_lifespan(app: App) -> AbstractAsyncContextManager[None] | None:
    rooms = app.find(Rooms)
    return rooms.life() if isinstance(rooms, RoomService) else None


@hookimpl
def rtcore_session_left(app: App, session: Session) -> None:
    rooms = app.find(Rooms)
    if isinstance(rooms, RoomService):
        rooms.away(session)


@hookimpl
def rtcore_session_resumed(app: App, session: Session) -> None:
    rooms = app.find(Rooms)
    if isinstance(rooms, RoomService):
        rooms.back(session)


@hookimpl
def rtcore_session_closed(app: App, session: Session) -> None:
    rooms = app.find(Rooms)
    if isinstance(rooms, RoomService):
        rooms.forget(session)
