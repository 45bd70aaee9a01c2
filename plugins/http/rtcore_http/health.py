"""/healthz: the process lives. /readyz: this node takes traffic; and if not, why."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from aiohttp import web

from rtcore.spi.health import HealthCheck
from rtcore_http.answers import answer
from rtcore_http.keys import APP

_log = logging.getLogger("rtcore.http")

#: Seconds that a check may take; a load balancer asks again soon.
TIMEOUT: Final = 1.0


async def healthz(request: web.Request) -> web.StreamResponse:
    """Answer 200 for as long as the event loop turns."""
    return answer({"status": "ok"})


async def readyz(request: web.Request) -> web.StreamResponse:
    """Answer 200 when the node is ready; 503 while it drains or when a check fails, with what is wrong by name."""
    app = request.app[APP]
    if app.draining:
        return answer({"status": "draining"}, status=503, headers={"Retry-After": "1"})
    checks = app.registry.health
    found = dict(zip((check.name for check in checks), await asyncio.gather(*map(_ask, checks)), strict=True))
    wrong = {name: what for name, what in found.items() if what is not None}
    body = {
        "status": "not ready" if wrong else "ready",
        "checks": {n: what or "ok" for n, what in found.items()},
    }
    return answer(body, status=503 if wrong else 200)


async def _ask(check: HealthCheck) -> str | None:
    try:
        async with asyncio.timeout(TIMEOUT):
            return await check.check()
    except TimeoutError:
        return f"no answer within {TIMEOUT:g} s"
    except Exception:  # noqa: BLE001 - a check is a plugin's own code; it is logged
        # The text of an exception may hold a password: it goes to the log, not to whoever asks.
        _log.exception("the health check `%s` failed", check.name)
        return "the check itself failed; the log says why"
