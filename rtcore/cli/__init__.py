"""The `rtcore` program.

Rule: one module per command, imported when it is asked for; `rtcore --version` imports click and nothing else.
"""

from __future__ import annotations

from rtcore.cli.program import main

__all__ = ["main"]
