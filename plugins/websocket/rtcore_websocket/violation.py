"""What a peer does wrong, and the close number that answers it (RFC 6455, section 7.4.1)."""

from __future__ import annotations


class Violation(Exception):
    """The connection must be failed. `number`: 1002 protocol, 1007 not UTF-8 or not deflate, 1009 too big."""

    def __init__(self, number: int, reason: str) -> None:
        self.number = number
        self.reason = reason
        super().__init__(f"{number}: {reason}")
