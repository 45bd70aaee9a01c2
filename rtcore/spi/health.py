"""Health: what readiness depends on."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class HealthCheck(Protocol):
    """One thing that must work for this node to be ready. Asked by `/readyz` and `rtcore check`."""

    name: str

    async def check(self) -> str | None:
        """Return `None` when well, or what is wrong in one line (no secrets). Must answer within a second."""
