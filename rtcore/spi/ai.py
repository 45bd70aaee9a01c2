"""AI handlers: something that answers a conversation, as it thinks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    from rtcore.session import Session


@attrs.frozen
class AIRequest:
    """A conversation that wants an answer; `messages` are `{"role": …, "content": …}`, oldest first."""

    conversation: str
    messages: Sequence[Mapping[str, Any]]
    model: str | None = None
    options: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class AIEvent:
    """A piece of an answer: text to append, a tool that is called, or what it cost."""

    kind: Literal["text", "tool_call", "usage"]
    data: Mapping[str, Any]


@runtime_checkable
class AIHandler(Protocol):
    """Streams an answer. Closing the iterator cancels the work behind it, and its cost."""

    name: str

    def answer(self, session: Session, request: AIRequest) -> AsyncIterator[AIEvent]:
        """Yield pieces until the answer is whole. Errors are raised as `Rejected`."""
