"""What cannot be parsed as HTTP: a count, one line for whoever debugs, and an answer.

Rule: none of the three holds anything of what was sent. The byte that is wrong may stand in the middle of a token.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, InvalidURLError

from rtcore.errors import Rejected
from rtcore_http.answers import refuse
from rtcore_http.doors import BARE

if TYPE_CHECKING:
    from rtcore.telemetry import Counters

_log = logging.getLogger("rtcore.http")

#: Where a parser's message goes over to what was sent.
_QUOTED: Final = re.compile(r"\s*(\bb?['\"]|[:({\[<])")
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9 ,./`-]{2,80}")


def why(error: BaseException | None) -> str:
    r"""Return what is wrong with a request, in the parser's words and without the request's.

    >>> from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
    >>> why(BadHttpMessage("Invalid header value char:\n\n  b'Authorization: Bearer secret\x01'"))
    'Invalid header value char'
    >>> why(LineTooLong(b"/?token=secret", 32768))
    'Got more than 32768 bytes when reading'
    >>> why(None)
    'it is no HTTP'
    """
    if isinstance(error, InvalidURLError):
        return "Invalid URL"  # which is all that its message is
    message = error.message if isinstance(error, HttpProcessingError) else ""
    first = _QUOTED.split(message.partition("\n")[0], maxsplit=1)[0].strip()
    return first if _PLAIN.fullmatch(first) else "it is no HTTP"


def answer(peer: str | None, error: BaseException | None, counters: Counters) -> web.Response:
    """Count a request that cannot be parsed, and return its answer, which ends the connection."""
    reason = why(error)
    counters.error("malformed_request")
    _log.debug("a request of %s cannot be parsed: %s", peer, reason)
    made = refuse(Rejected("malformed_request", reason))
    made.headers.update(BARE)
    made.force_close()
    return made
