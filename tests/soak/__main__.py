"""`make soak`: mixed traffic with churn for as long as one likes; memory, tasks and descriptors stay flat.

    python -m tests.soak [--minutes 10] [--leak memory|tasks|files]

With `--leak` the server is made to leak, and the soak fails.
"""

from __future__ import annotations

import argparse
import functools
import sys

from tests.soak.soak import soak


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--leak", choices=("memory", "tasks", "files"))
    options = parser.parse_args()
    more = [f"leak={options.leak}"] if options.leak else []
    report = soak(
        options.minutes * 60, size=3, talk=20.0, settings=more, say=functools.partial(print, flush=True)
    )
    print("\n".join(report.lines()))
    return bool(report.wrong)


if __name__ == "__main__":
    sys.exit(main())
