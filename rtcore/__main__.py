"""`python -m rtcore` is the `rtcore` program."""

from __future__ import annotations

from rtcore.cli import main

if __name__ == "__main__":
    main()
