"""permessage-deflate (RFC 7692): what a client offers, what we make of it, and what it sends.

Rule: neither side keeps anything from one message to the next. Ours because one compressed frame goes to many; theirs
because a window per connection is 32 KiB per connection.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from rtcore_websocket.violation import Violation

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for a word
_PARAMETER: Final = re.compile(rf'\s*;\s*({_TOKEN})\s*(?:=\s*("?)({_TOKEN})\2\s*)?')
_NAME: Final = re.compile(rf"\s*({_TOKEN})")
_BITS: Final = re.compile(r"[89]|1[0-5]")


class Agreement(NamedTuple):
    """What was agreed on: the window of our compressor, and the header that says so."""

    bits: int
    header: str


def agree(offers: Sequence[str], *, bits: int) -> Agreement | None:
    """Accept the first offer that we can keep.

    Args:
        offers: the values of Sec-WebSocket-Extensions.
        bits: the widest window that our compressor may use.

    >>> agree(["permessage-deflate; client_max_window_bits; server_max_window_bits=10"], bits=12)
    Agreement(bits=10, header='permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
server_max_window_bits=10')
    >>> agree(["permessage-deflate; server_max_window_bits=8, x-other"], bits=12) is None
    True
    """
    for name, parameters in _parse(",".join(offers)):
        if name != "permessage-deflate" or parameters is None:
            continue
        agreed = _accept(parameters, bits)
        if agreed is not None:
            return agreed
    return None


def _accept(parameters: dict[str, str | None], bits: int) -> Agreement | None:
    for name, value in parameters.items():
        if name in {"server_no_context_takeover", "client_no_context_takeover"}:
            known = value is None
        elif name == "client_max_window_bits":
            known = value is None or _BITS.fullmatch(value) is not None
        else:
            known = (
                name == "server_max_window_bits" and value is not None and _BITS.fullmatch(value) is not None
            )
        if not known:
            return None  # an offer with something unknown in it must be declined (section 5.1)
    asked = parameters.get("server_max_window_bits")
    header = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    if asked is not None:
        bits = min(bits, int(asked))
        if bits < 9:
            return None  # zlib cannot write raw deflate with a window of 256 bytes
        header += f"; server_max_window_bits={bits}"
    return Agreement(bits, header)


def _parse(text: str) -> Iterator[tuple[str, dict[str, str | None] | None]]:
    """Yield each extension with its parameters; `None` for those that are malformed or repeat themselves."""
    for offer in text.split(","):
        found = _NAME.match(offer)
        if found is None:
            continue
        parameters: dict[str, str | None] | None = {}
        at = found.end()
        while parameters is not None and offer[at:].strip():
            parameter = _PARAMETER.match(offer, at)
            if parameter is None or parameter[1] in parameters:
                parameters = None
            else:
                parameters[parameter[1]] = parameter[3]
                at = parameter.end()
        yield found[1], parameters


def inflate(packed: bytes, *, max_size: int) -> bytes:
    """Return the message in a compressed payload, never allocating much more than `max_size` bytes.

    Raises:
        Violation: it is larger than that (1009), or is not what deflate makes (1007).
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        message = inflater.decompress(packed + b"\x00\x00\xff\xff", max_size + 1)
    except zlib.error:
        raise Violation(1007, "the payload is not deflated data") from None
    if len(message) > max_size:
        raise Violation(1009, f"a message of more than {max_size} bytes, inflated")
    return message
