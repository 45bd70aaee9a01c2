"""A model of everything between two applications that may go wrong, around the real cores of both ends.

`network` is time, delay and loss; `server` and `client` drive `ServerLine` and `ClientLine` as the kernel's manager
and the client do; `schedule` makes things happen and says what must never be.

Rule: all that is random comes from one generator, so that a seed is a schedule.
"""

from __future__ import annotations

from .client import SimClient
from .network import Violation
from .schedule import RARE, USUAL, Rules, World, play
from .server import SimServer, SimSession

__all__ = ["RARE", "USUAL", "Rules", "SimClient", "SimServer", "SimSession", "Violation", "World", "play"]
