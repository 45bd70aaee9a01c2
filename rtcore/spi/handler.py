"""Handlers: what happens when a message of a type arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs


@attrs.frozen
class Handler:
    """A callable for message types that match a pattern.

    Attributes:
        pattern: an exact type (`"chat:message"`), a prefix (`"chat:*"`), or `"*"`. The longest match wins.
        call: takes, by annotation or by name, any of `session: Session`, `message: Message` and one payload
            parameter of any other type, which is validated; its default, if it has one, holds where there is no
            payload. Plain functions run at once; coroutine functions, and
            what a plain function returns to be awaited, run in order per session. What comes of it answers the
            request, if the message was one.
        concurrent: an async handler that need not wait for the ones before it, nor they that follow for it.
        detached: goes on when its session ends, instead of being cancelled.
    """

    pattern: str
    call: Callable[..., Any]
    concurrent: bool = False
    detached: bool = False
