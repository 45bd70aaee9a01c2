"""Writes the tables of docs/codes.md and the vectors' codes.json from the code: `python tools/codes_page.py`.

A table stands between `<!-- codes: NAME -->` and `<!-- end -->`. Everything around the tables is written by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from rtcore_http.answers import STATUS

from rtcore.wire.codes import CODES, DROP_REASONS, RESUME_REASONS, Code, Next

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "codes.md"
VECTORS = ROOT / "rtcore" / "testing" / "vectors" / "codes.json"
BLOCK = re.compile(r"(<!-- codes: (?P<name>[a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
FAULT = {"local": "server", "remote": "client"}


def tables() -> dict[str, str]:
    """Every table of the page, by name."""
    closes = [code for code in CODES.values() if code.number]
    made = {
        following.value: numbered(code for code in closes if code.next is following) for following in Next
    }
    return {
        **made,
        "inside": unnumbered(code for code in CODES.values() if not code.number),
        "http": statuses(STATUS),
        "resumption": reasons("Reason", RESUME_REASONS),
        "drops": reasons("Reason", DROP_REASONS),
    }


def numbered(codes: Iterable[Code]) -> str:
    head = "| Number | Code | Fault | Meaning |\n|---|---|---|---|\n"
    rows = sorted(codes, key=lambda code: code.number)
    return head + "".join(
        f"| {c.number} | `{c.name}` | {FAULT[c.fault.value]} | {c.meaning} |\n" for c in rows
    )


def unnumbered(codes: Iterable[Code]) -> str:
    head = "| Code | Fault | Retry | Meaning |\n|---|---|---|---|\n"
    return head + "".join(
        f"| `{c.name}` | {FAULT[c.fault.value]} | {'yes' if c.retry else 'no'} | {c.meaning} |\n"
        for c in codes
    )


def statuses(status: Mapping[str, int]) -> str:
    by_status: dict[int, list[str]] = {}
    for code, number in status.items():
        by_status.setdefault(number, []).append(f"`{code}`")
    head = "| Status | Codes |\n|---|---|\n"
    return head + "".join(
        f"| {number} | {', '.join(codes)} |\n" for number, codes in sorted(by_status.items())
    )


def reasons(title: str, words: Mapping[str, str]) -> str:
    return f"| {title} | Meaning |\n|---|---|\n" + "".join(
        f"| `{word}` | {text} |\n" for word, text in words.items()
    )


def page(text: str) -> str:
    """Return the page with its tables made anew."""
    made = tables()
    return BLOCK.sub(lambda found: f"{found[1]}{made[found['name']]}{found[3]}", text)


def vectors() -> str:
    """Return the table for implementations in other languages."""
    rows = [
        {
            "code": code.name,
            "number": code.number,
            "next": code.next.value if code.number else None,
            "fault": code.fault.value,
            "retry": code.retry,
        }
        for code in CODES.values()
    ]
    return "[\n" + ",\n".join(f" {json.dumps(row)}" for row in rows) + "\n]\n"


def main() -> None:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    VECTORS.write_text(vectors(), encoding="utf-8")
    print(f"{PAGE.name}, {VECTORS.name}: {len(CODES)} codes")


if __name__ == "__main__":
    main()
