"""`make fuzz`: a parser's inputs, guided by coverage, for as long as one likes.

    python -m tests.fuzz TARGET [--minutes 10]

It stands on atheris, which is libFuzzer for Python: inputs that reach new lines are kept and changed further, so it
finds the way into a parser by itself. Hypothesis, which the property tests use, shrinks better but is not guided by
coverage without a tool whose licence is not ours. New inputs are kept in `.fuzz/TARGET`; one that breaks something is
written to `crash-…`, and belongs, as hex, into `tests/fuzz/corpus/TARGET` once it is mended.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=("json", "cbor", "compressed"), nargs="?", default="cbor")
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()

    import atheris

    with atheris.instrument_imports(
        include=["rtcore", "rtcore_json", "rtcore_cbor", "rtcore_deflate", "rtcore_brotli"]
    ):
        from tests.fuzz.targets import TARGETS
    from tests.fuzz.mutate import seeds

    kept = ROOT / ".fuzz" / options.target
    kept.mkdir(parents=True, exist_ok=True)
    for n, data in enumerate(seeds()[options.target == "cbor"]):
        (kept / f"seed-{n}").write_bytes(data)
    for path in (ROOT / "tests" / "fuzz" / "corpus" / options.target).glob("*.hex"):
        (kept / path.stem).write_bytes(bytes.fromhex(path.read_text(encoding="ascii")))
    end = f"-max_total_time={int(options.minutes * 60)}"
    atheris.Setup([sys.argv[0], str(kept), end, "-max_len=65536", "-timeout=5"], TARGETS[options.target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
