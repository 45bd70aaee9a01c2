"""The protocol, sans-I/O: what both ends of a session share. No asyncio, no sockets, no clock.

`message`, `control` and `hello` are the nouns, `values` what payloads hold; `format` makes them bytes; `window` and
`lanes` hold them; `server_line` and `client_line` are the two state machines; `codes` is the table of everything that
can go wrong. docs/wire.md is the same in prose.
"""

from __future__ import annotations

from rtcore.wire.client_line import ClientLine, Resumption
from rtcore.wire.codes import CODES, DROP_REASONS, RESUME_REASONS, Code, Fault, Next, after_close
from rtcore.wire.control import VERSION, Control, Undecodable
from rtcore.wire.errors import (
    AttachRefusedError,
    BadControlError,
    FrameError,
    TooBigError,
    UndecodableError,
    WireError,
)
from rtcore.wire.format import Format, unpack
from rtcore.wire.hello import Hello, Welcome
from rtcore.wire.lanes import Lanes
from rtcore.wire.message import LANE, PRIORITIES, Checked, Message, Priority
from rtcore.wire.server_line import Attached, ServerLine
from rtcore.wire.values import is_simple, mark, plain, unmark
from rtcore.wire.window import Rest, Window

__all__ = [
    "CODES",
    "DROP_REASONS",
    "LANE",
    "PRIORITIES",
    "RESUME_REASONS",
    "VERSION",
    "AttachRefusedError",
    "Attached",
    "BadControlError",
    "Checked",
    "ClientLine",
    "Code",
    "Control",
    "Fault",
    "Format",
    "FrameError",
    "Hello",
    "Lanes",
    "Message",
    "Next",
    "Priority",
    "Rest",
    "Resumption",
    "ServerLine",
    "TooBigError",
    "Undecodable",
    "UndecodableError",
    "Welcome",
    "Window",
    "WireError",
    "after_close",
    "is_simple",
    "mark",
    "plain",
    "unmark",
    "unpack",
]
