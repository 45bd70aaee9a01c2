"""`make lives`: 200 clients of both languages send 100,000 messages through bad networks, a drain and a crash.

python -m tests.lives [--clients 200] [--messages 500] [--pause 0.2] [--seed N]
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import logging
import random
import sys

from tests.lives.lives import lives


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--messages", type=int, default=500, help="of each client")
    parser.add_argument(
        "--pause", type=float, default=0.2, help="mean seconds between two messages of a client"
    )
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.randrange(2**31) if options.seed is None else options.seed
    say = functools.partial(print, flush=True)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # proxies write to sockets that they have cut
    say(f"seed {seed}")
    report = asyncio.run(
        lives(clients=options.clients, messages=options.messages, pause=options.pause, seed=seed, say=say)
    )
    say("\n".join(report.lines()))
    return bool(report.wrong)


if __name__ == "__main__":
    sys.exit(main())
