"""Services: what a plugin provides for others may be any object. One that can answer is asked what does not fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from rtcore.errors import Problem


@runtime_checkable
class Checked(Protocol):
    """Implement it if settings can be wrong that are right by themselves: they ask for what nothing here can do.

    Do not for what a settings class can see in its own values.
    """

    def problems(self) -> Iterable[Problem]:
        """Say what does not fit. Called once at boot, and by `rtcore check`; the broker is chosen, nothing runs yet."""
