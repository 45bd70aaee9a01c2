"""A server as a process of its own: `program.py SETTINGS`, as JSON; says its port when it is ready."""

from __future__ import annotations

import json
import os
import signal
import sys

from rtcore_http.service import Http
from stack import make

from rtcore.serve import run
from rtcore.session import Session


def main() -> None:
    app = make(**json.loads(sys.argv[1]))

    @app.handler("fill and stop")
    def fill_and_stop(session: Session, payload: int) -> None:
        for n in range(payload):
            session.send("number", n)
        os.kill(os.getpid(), signal.SIGTERM)

    @app.handler("port")
    def port() -> int:
        return app.get(Http).port

    run(app, ready=lambda: print(app.get(Http).port, flush=True))


if __name__ == "__main__":
    main()
