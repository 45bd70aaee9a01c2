"""Settings: one TOML file, one attrs class per plugin, every problem found at once.

Where a value comes from, the later wins: defaults, the file, the environment (`RTCORE_WEBSOCKET__MAX_SIZE`),
the command line (`--set websocket.max_size=65536`). A program gives a mapping instead of all of these.

    >>> sources = from_mapping({"max_connections": 50})
    >>> resolved = resolve(sources, {})
    >>> resolved.options.max_connections, resolved.origin("max_connections")
    (50, 'program')
    >>> resolved.origin("heartbeat_interval")
    'default'
"""

from __future__ import annotations

from rtcore.settings.options import Options
from rtcore.settings.resolve import Resolved, Row, resolve
from rtcore.settings.sources import DEFAULT_FILE, Sources, Text, from_mapping, load

__all__ = [
    "DEFAULT_FILE",
    "Options",
    "Resolved",
    "Row",
    "Sources",
    "Text",
    "from_mapping",
    "load",
    "resolve",
]
