"""Attempts: one round over the transports, that may be cut short and begun anew when the network is another one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rtcore_client.attach import TokenFailed
from rtcore_client.failures import AttachFailed
from rtcore_client.tasks import end
from rtcore_client.transports import LinkLost

if TYPE_CHECKING:
    from rtcore_client.attach import Attacher
    from rtcore_client.options import ConnectionType

_log = logging.getLogger("rtcore_client")

#: Seconds that a round may have taken when somebody is in a hurry; a longer one may hang, and is begun anew.
FRESH: Final = 1.0


class Attempts:
    """Tries the transports in turn. `attacher` does it for one."""

    def __init__(self, attacher: Attacher) -> None:
        self._attacher = attacher
        self._round: asyncio.Task[None] | None = None
        self._since = 0.0

    async def until_attached(self, order: Sequence[ConnectionType]) -> None:
        """Try these in turn; begin anew when that was cut short by `hurry`.

        Raises:
            AttachFailed: see `once`.
        """
        while True:
            task = asyncio.create_task(self.once(order), name="rtcore-client:attach")
            self._round, self._since = task, asyncio.get_running_loop().time()
            try:
                await asyncio.wait((task,))
            finally:
                self._round = None
                await end(task)
            if not task.cancelled():
                return task.result()

    async def once(self, order: Sequence[ConnectionType]) -> None:
        """Try these types in turn, until the session is attached or the server itself refuses.

        Raises:
            AttachFailed: with what became of each, and the longest advice.
        """
        tried: dict[ConnectionType, LinkLost] = {}
        for type_ in order:
            try:
                await self._attacher.attach(type_)
            except LinkLost as lost:
                _log.debug("attach by %s: %s", type_, lost)
                tried[type_] = lost
                answered = lost.refusal is not None and lost.code != "unsupported_codec"
                if answered or isinstance(lost, TokenFailed):
                    break
            else:
                return
        raise AttachFailed(tried)

    def hurry(self) -> None:
        """What is under way may hang on a network that is gone: begin anew, unless it has only just begun."""
        if self._round is not None and asyncio.get_running_loop().time() - self._since > FRESH:
            self._round.cancel()
            self._attacher.renew()
