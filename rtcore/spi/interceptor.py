"""Interceptors: steps that every inbound message passes before its handler."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from rtcore.session import Session
    from rtcore.wire.message import Message


class Stage(IntEnum):
    """The order of the inbound chain. Within a stage, by name, unless settings say otherwise."""

    TRACE = 0
    SIZE = 1
    LIMIT = 2
    VALIDATE = 3
    AUTHORISE = 4


@runtime_checkable
class Interceptor(Protocol):
    """One step of the inbound chain. Called for every message that was counted and decoded."""

    name: str
    stage: Stage

    def inbound(self, session: Session, message: Message) -> Message | None:
        """Return the message to go on (the same or another), or `None` to swallow it.

        Another one answers the same request. Swallowing is counted as `rejected`; a request that was not answered
        before (`session.reply`) is answered with `forbidden`, since its sender waits. Must be quick and not block.

        Raises:
            Rejected: the sender gets the coded error; nobody else notices.
        """
