"""The fuzzers are modules of the tree, and share the server of the end-to-end tests."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS.parent))
sys.path.insert(0, str(TESTS / "end_to_end"))
