"""A wish: somebody wants the session on another link, while the present one goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from rtcore_client.errors import NetworkError

if TYPE_CHECKING:
    from rtcore_client.options import ConnectionType
    from rtcore_client.transports import LinkLost


@attrs.frozen
class Wish:
    """The session on one of these types, the first that can be had.

    Attributes:
        order: the types, in the order in which they are tried.
        done: who waits for the outcome.
    """

    order: Sequence[ConnectionType]
    done: asyncio.Future[None] | None = None

    def settle(self, failure: LinkLost | None) -> None:
        """Say how it went."""
        if self.done is None or self.done.done():
            return
        if failure is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(NetworkError(str(failure), retry_after=failure.retry_after))
