"""Rate limits of an rtcore server: GCRA per session, and per identity and address where asked for."""

from __future__ import annotations

from collections.abc import Sequence

from rtcore.app import App
from rtcore.hooks import hookimpl
from rtcore.spi.limiter import Limiter
from rtcore_ratelimit.limiters import limiters
from rtcore_ratelimit.settings import Settings

__rtcore_api__ = 1


@hookimpl
def rtcore_settings() -> type:
    return Settings


@hookimpl
def rtcore_limiters(app: App) -> Sequence[Limiter]:
    return limiters(app.options.rate_limit_per_second, app.settings(Settings), clock=app.clock)
