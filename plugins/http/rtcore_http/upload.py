"""A body that is on its way: whoever sends it is alive, however long it takes.

Rule: nothing of it counts before it is whole. But its first item says whose it is, and each byte after that is a sign
of life of that client, whose answer to a ping waits behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rtcore.errors import Rejected
from rtcore.wire.control import Control
from rtcore.wire.errors import WireError
from rtcore_http.body import SLACK

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore.connection import Connection
    from rtcore.spi.codec import Codec

#: Bytes among which the first item must be.
HEAD_MAX: Final = SLACK


class Upload:
    """One body of `POST /rt/send`.

    Args:
        codec: that it is in.
        app: whose sessions are meant.
    """

    def __init__(self, codec: Codec, app: App) -> None:
        self._codec = codec
        self._manager = app.manager
        self._looks = True
        self._connection: Connection | None = None

    def came(self, body: bytearray) -> None:
        """So much of it is here."""
        if self._looks:
            self._find(bytes(body[:HEAD_MAX]))
        if self._connection is not None:
            self._connection.heard = True

    def _find(self, head: bytes) -> None:
        """Read the first item, if it is all there. What is wrong with it is said when the whole body is here."""
        try:
            item, _ = self._codec.decode_first(head)
            if isinstance(item, Control):
                self._looks = False
                if item.name == "send":
                    self._connection = self._manager.find(item.fields)
        except (WireError, Rejected):
            pass
        if len(head) >= HEAD_MAX:
            self._looks = False
