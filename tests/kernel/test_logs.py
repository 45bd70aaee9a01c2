"""A line of the log is one line, whoever has written what is in it."""

from __future__ import annotations

import io
import logging

from rtcore.logs import Formatter


def logged(say: str, *arguments: object, error: BaseException | None = None) -> list[str]:
    """The lines that a record becomes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Formatter())
    log = logging.Logger("some.plugin")  # noqa: LOG001 - of this test alone
    log.addHandler(handler)
    log.error(say, *arguments, exc_info=error)
    return stream.getvalue().splitlines()


def test_what_is_not_printable_is_escaped() -> None:
    [line] = logged("room %s", "a\n2026-12-01 INFO all is well\r\x1b[31m\u202e\x85\u2028")
    assert line.endswith(
        r"ERROR   some.plugin: room a\n2026-12-01 INFO all is well\r\x1b[31m\u202e\x85\u2028"
    )


def test_letters_of_all_languages_are_printable() -> None:
    [line] = logged("Räume: %s", "日本語 é 🙂")
    assert line.endswith("Räume: 日本語 é 🙂")


def test_a_traceback_is_below_its_line_and_no_line_of_it_looks_like_a_record() -> None:
    try:
        raise ValueError("evil\n2026-12-01 00:00:00,000 INFO    rtcore: all is well\x1b[2J")
    except ValueError as error:
        first, *rest = logged("failed", error=error)
    assert first.endswith("ERROR   some.plugin: failed")
    assert all(line.startswith("    ") for line in rest)
    assert rest[-1] == r"    2026-12-01 00:00:00,000 INFO    rtcore: all is well\x1b[2J"
