"""Errors, as a tree.

    RtcoreError
    ├── SettingsError      settings are wrong; holds every problem found, not only the first
    ├── PluginError        a plugin cannot be loaded or breaks its contract: plugin, distribution, cause, mend
    ├── Rejected           one connection or one message is refused: a code of the wire, a reason, when to retry
    │   └── PayloadError   a payload is not what the handler expects: path, what was given, what was expected
    ├── Closed             the session has ended; nothing more can be sent through it
    └── WrongThread        called in a thread in which it cannot work; the text says what to use instead

What the peer sends wrong below a session is a `rtcore.wire.errors.WireError`. Any other exception is a bug.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from rtcore.wire.codes import CODES, Code

__all__ = [
    "Closed",
    "PayloadError",
    "PluginError",
    "Problem",
    "Rejected",
    "RtcoreError",
    "SettingsError",
    "WrongThread",
]


class RtcoreError(Exception):
    """The root of all errors that rtcore raises on purpose."""


@attrs.frozen
class Problem:
    """One thing wrong in the settings.

    Attributes:
        key: the key path, such as `websocket.max_size`.
        given: what was given, as text; never a secret's value.
        expected: what would have been right.
        source: where it came from: a file, a variable, the command line.
        nearest: the valid key that it looks like, if the key is unknown.
    """

    key: str
    given: str
    expected: str
    source: str = ""
    nearest: str | None = None

    def __str__(self) -> str:
        where = f" (from {self.source})" if self.source else ""
        hint = f"; did you mean `{self.nearest}`?" if self.nearest else ""
        return f"{self.key}: given {self.given}, expected {self.expected}{hint}{where}"


class SettingsError(RtcoreError):
    """Settings are wrong. `problems` holds all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        n = len(self.problems)
        head = f"{n} problem{'s' if n != 1 else ''} in the settings:"
        super().__init__("\n  ".join([head, *map(str, self.problems)]))


class PluginError(RtcoreError):
    """A plugin cannot be used. The text names the plugin, its distribution, the cause and the mend."""

    def __init__(
        self, plugin: str, cause: str, *, distribution: str | None = None, mend: str | None = None
    ) -> None:
        self.plugin, self.cause, self.distribution, self.mend = plugin, cause, distribution, mend
        dist = f" (distribution {distribution})" if distribution else ""
        fix = f"; {mend}" if mend else ""
        super().__init__(f"plugin `{plugin}`{dist}: {cause}{fix}")


class Rejected(RtcoreError):
    """A connection or a message is refused.

    Args:
        code: a name from `rtcore.wire.codes.CODES`, or an application's own (`"app:…"`).
        reason: one line that the client may see: what was given, what was expected.
        retry_after: seconds after which another try makes sense, where one does.
        details: further facts for the client, encodable by every codec.
    """

    def __init__(
        self,
        code: str,
        reason: str = "",
        *,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.code = code
        self.reason = reason or (CODES[code].meaning if code in CODES else code)
        self.retry_after = retry_after
        self.details = dict(details or {})
        super().__init__(f"{code}: {self.reason}")

    @property
    def row(self) -> Code:
        """The code's row in the table; an application's own codes count as `forbidden`."""
        return CODES.get(self.code, CODES["forbidden"])

    def fields(self) -> dict[str, Any]:
        """Return the error as the map that travels: code, reason, retry, and what else there is."""
        body: dict[str, Any] = {"code": self.code, "reason": self.reason}
        if self.row.retry:
            body["retry"] = True
        if self.retry_after is not None:
            body["retry_after"] = round(self.retry_after, 3)
        if self.details:
            body["details"] = self.details
        return body


class PayloadError(Rejected):
    """A payload does not fit the type that the handler declares.

    Args:
        path: the field, such as `text` or `items[2].price`; empty for the payload itself.
        expected: what the type wants there.
        given: what was there, shortened.
    """

    def __init__(self, path: str, expected: str, given: str) -> None:
        self.path, self.expected, self.given = path, expected, given
        where = f"`{path}`" if path else "the payload"
        super().__init__(
            "bad_payload",
            f"{where}: expected {expected}, given {given}",
            details={"path": path, "expected": expected, "given": given},
        )


class Closed(RtcoreError):
    """The session has ended; `code` says why."""

    def __init__(self, code: str, reason: str = "") -> None:
        self.code = code
        self.reason = reason or (CODES[code].meaning if code in CODES else code)
        super().__init__(f"{code}: {self.reason}")


class WrongThread(RtcoreError, RuntimeError):
    """Called in another thread, or another event loop, than the app's; nothing was done. See docs/threads.md."""
