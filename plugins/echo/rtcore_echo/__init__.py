"""Answers a request with its own payload: the living template of a plugin.

This file is the door: hook implementations and nothing else. The work is in modules named for what they do.
"""

from __future__ import annotations

from collections.abc import Sequence

from rtcore.hooks import hookimpl
from rtcore.spi.handler import Handler
from rtcore_echo.echo import echo

__rtcore_api__ = 1


@hookimpl
def rtcore_handlers() -> Sequence[Handler]:
    return [Handler("echo", echo)]
