"""What all contract suites have in common: nobody leaves a part of one out without saying why.

A suite is a class of pytest tests. A plugin subclasses it in a class named `Test…` and gives what the suite asks
for; everything else is inherited, and stays as it is. What a plugin cannot hold it marks, visibly:

    class TestMyCodec(CodecContract):
        def make_codec(self):
            return MyCodec()

        @pytest.mark.xfail(reason="the format has no integers above 2^53")
        def test_numbers(self):
            super().test_numbers()
"""

from __future__ import annotations

from typing import Any


class Contract:
    """The base of all suites.

    Raises:
        TypeError: where a subclass replaces or removes an inherited test that it does not mark
            `pytest.mark.xfail(reason=…)`, so that the file with it fails to load.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in dir(cls):
            if not name.startswith("test"):
                continue
            first, *others = (base for base in cls.__mro__ if name in vars(base))
            replaces = any(issubclass(base, Contract) for base in others)
            if replaces and not _excused(vars(first)[name]):
                raise TypeError(
                    f"{cls.__name__}.{name} replaces a test of the contract; "
                    "if it cannot pass, mark it: @pytest.mark.xfail(reason=…)"
                )


def _excused(test: object) -> bool:
    marks = getattr(test, "pytestmark", ())
    return any(mark.name == "xfail" and mark.kwargs.get("reason") for mark in marks)
