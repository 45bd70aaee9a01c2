"""A server whose handlers fork: `forking.py SETTINGS`, as JSON. It says its ports; they answer with the child's id."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
import warnings

import rtcore_tcp_ndjson
from rtcore_http.service import Http
from stack import make

from rtcore.serve import run


def main() -> None:
    app = make(rtcore_tcp_ndjson, **json.loads(sys.argv[1]))
    warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: that is what is tried here

    @app.handler("fork")
    def fork() -> int:
        child = os.fork()
        if child == 0:
            time.sleep(600)
            os._exit(0)
        return child

    @app.handler("multiprocessing")
    def process() -> int:
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,), daemon=True)
        child.start()
        return child.pid or 0

    def ready() -> None:
        tcp = app.registry.transports["tcp_ndjson"]
        print(app.get(Http).port, tcp.port, flush=True)  # type: ignore[attr-defined]  # its own

    run(app, ready=ready)


if __name__ == "__main__":
    main()
