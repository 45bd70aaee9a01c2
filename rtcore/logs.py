r"""Lines of a log that nobody else can write.

Rule: what comes from outside is shown, and does nothing: no line break that begins a line of its own, no escape
sequence that paints the terminal or hides what is before it. What is secret in a URL is not shown (`rtcore.masks`).

>>> printable("GET /x\n2026-12-01 INFO all is well \x1b[31m")
'GET /x\\n2026-12-01 INFO all is well \\x1b[31m'
"""

from __future__ import annotations

import logging
import types
from typing import Final

from rtcore.masks import masked

#: How the lines of `rtcore serve` look.
FORMAT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
#: What a traceback's lines begin with, since they are not records.
INDENT: Final = "    "


def printable(text: str, limit: int = 0) -> str:
    r"""Return a text with everything that is not printable escaped.

    Args:
        text: anybody's.
        limit: characters of it that are shown; 0 for all.

    >>> printable("é \u202e \udcff", 3)
    'é \\u202e'
    """
    if limit and len(text) > limit:
        text = text[:limit]
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in text
    )


class Formatter(logging.Formatter):
    """Writes each record as one line, and a traceback below it as lines that are indented."""

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that logging gives it
        record.message = printable(masked(record.message))
        return super().formatMessage(record)

    def formatException(  # noqa: N802 - as above
        self,
        ei: tuple[type[BaseException], BaseException, types.TracebackType | None] | tuple[None, None, None],
    ) -> str:
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - as above
        return _indented(super().formatStack(stack_info))


def _indented(text: str) -> str:
    return "\n".join(INDENT + printable(line) for line in masked(text).split("\n"))
