"""The service by which others find the port: `app.get(Http)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class Http(Protocol):
    """The one HTTP port of this node."""

    @property
    def port(self) -> int:
        """The port that is open; 0 while there is none."""

    @property
    def base(self) -> str:
        """The path below which the transports are: `/rt`; empty if that is the root."""

    @property
    def urls(self) -> Sequence[str]:
        """Where it listens: `["http://127.0.0.1:8080"]`; empty while it does not."""
