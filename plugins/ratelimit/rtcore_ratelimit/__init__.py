"""Rate limits of an rtcore server: GCRA per session, and per identity and address where asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rtcore.app import App
from rtcore.errors import PluginError
from rtcore.hooks import hookimpl
from rtcore.settings import Resolved
from rtcore.spi.limiter import Limiter
from rtcore_ratelimit.limiters import Paced, limiters
from rtcore_ratelimit.settings import Settings

__rtcore_api__ = 1


@hookimpl
def rtcore_settings() -> type:
    return Settings


@hookimpl
def rtcore_limiters(app: App) -> Sequence[Limiter]:
    return limiters(app.options.rate_limit_per_second, app.settings(Settings), clock=app.clock)


@hookimpl
def rtcore_reload(app: App, settings: Resolved) -> Callable[[], None]:
    mine = {limiter.name: limiter for limiter in app.registry.limiters if isinstance(limiter, Paced)}
    new = limiters(settings.options.rate_limit_per_second, settings.section(Settings), clock=app.clock)
    if mine.keys() != {limiter.name for limiter in new}:
        raise PluginError(
            "ratelimit", "a limit can neither begin nor end while the server runs", mend="restart"
        )

    def apply() -> None:
        for limiter in new:
            mine[limiter.name].pace(limiter.rate, limiter.burst)

    return apply
