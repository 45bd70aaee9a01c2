"""rtcore: a realtime server that is assembled from plugins.

The public names are loaded when they are asked for, so that `rtcore.wire` can be imported without asyncio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore.connection import Connection
    from rtcore.errors import (
        Closed,
        PayloadError,
        PluginError,
        Rejected,
        RtcoreError,
        SettingsError,
        WrongThread,
    )
    from rtcore.hooks import hookimpl, hookspec
    from rtcore.manager import RealtimeManager
    from rtcore.session import Session
    from rtcore.wire.message import Message
    from rtcore.wire.policy import Policy

__version__ = "0.1.0"

__all__ = [
    "App",
    "Closed",
    "Connection",
    "Message",
    "PayloadError",
    "PluginError",
    "Policy",
    "RealtimeManager",
    "Rejected",
    "RtcoreError",
    "Session",
    "SettingsError",
    "WrongThread",
    "__version__",
    "hookimpl",
    "hookspec",
]

_HOMES = {
    "App": "rtcore.app",
    "Closed": "rtcore.errors",
    "Connection": "rtcore.connection",
    "Message": "rtcore.wire.message",
    "PayloadError": "rtcore.errors",
    "PluginError": "rtcore.errors",
    "Policy": "rtcore.wire.policy",
    "RealtimeManager": "rtcore.manager",
    "Rejected": "rtcore.errors",
    "RtcoreError": "rtcore.errors",
    "Session": "rtcore.session",
    "SettingsError": "rtcore.errors",
    "WrongThread": "rtcore.errors",
    "hookimpl": "rtcore.hooks",
    "hookspec": "rtcore.hooks",
}


def __getattr__(name: str) -> object:
    """Load a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
