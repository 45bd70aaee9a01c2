"""Examples are programs. The ten lines are run by their test, not imported by whoever looks for doctests."""

from __future__ import annotations

collect_ignore = ["ten_lines.py"]
