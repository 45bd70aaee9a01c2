"""Models: types that make themselves of a payload and check it, as those of pydantic do.

A handler may declare one as its payload; every converter of payloads asks here. Nothing needs to be installed for it.
"""

from __future__ import annotations

from typing import Any, Protocol, Self, runtime_checkable

from rtcore.errors import PayloadError


@runtime_checkable
class Model(Protocol):
    """Implement it if a type of yours checks payloads by itself. Do not if it is a dataclass or an attrs class."""

    @classmethod
    def model_validate(cls, obj: Any) -> Self:
        """Make one of a decoded payload.

        Raises:
            ValueError: it does not fit. If the error has `errors()`, a list of dicts with `loc`, `msg` and `input`,
                the sender is told where, what was expected and what was given.
        """


def is_model(type_: Any) -> bool:
    """Say whether a type is a `Model`."""
    return isinstance(type_, type) and isinstance(type_, Model)


def validated(payload: object, type_: Any) -> Any:
    """Make a model of a payload.

    Raises:
        PayloadError: it does not fit.
    """
    try:
        return type_.model_validate(payload)
    except ValueError as error:
        first: dict[str, Any] = next(iter(getattr(error, "errors", list)()), {})
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first.get("loc", ()))
        given = _shown(first.get("input", payload))
        raise PayloadError(path.lstrip("."), str(first.get("msg", error))[:200], given) from error


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
