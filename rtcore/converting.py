"""Payloads to types where no plugin knows better: with cattrs, and with what pydantic's models do themselves."""

from __future__ import annotations

from typing import Any

from rtcore.errors import PayloadError
from rtcore.spi.model import is_model, validated


class CattrsConverter:
    """Payloads to types with cattrs; used where no plugin offers a `Converter`."""

    def __init__(self) -> None:
        import cattrs
        from cattrs.strategies import configure_union_passthrough as union_passthrough

        self._converter = cattrs.Converter(forbid_extra_keys=False, detailed_validation=True)
        for builtin in (str, int, float, bool):
            self._converter.register_structure_hook(builtin, _strict)
        self._converter.register_structure_hook(bytes, _bytes)
        self._converter.register_structure_hook_func(is_model, validated)
        union_passthrough(str | int | float | bool | bytes | None, self._converter)

    def knows(self, type_: type[Any]) -> bool:
        """Say whether payloads can become this type at all: found out at boot, not by the first message."""
        import cattrs

        try:
            self._converter.get_structure_hook(type_)
        except cattrs.StructureHandlerNotFoundError:
            return False
        return True

    def convert(self, payload: object, type_: type[Any]) -> Any:
        """Structure a payload; see `rtcore.spi.codec.Converter`."""
        import cattrs

        try:
            return self._converter.structure(payload, type_)
        except cattrs.BaseValidationError as error:
            said = error.subgroup(PayloadError)
            if said is not None:
                raise _first(said) from error
            path, expected = cattrs.transform_error(error)[0].rsplit(" @ ", 1)[::-1]
            raise PayloadError(path.removeprefix("$").lstrip("."), expected, _shown(payload)) from error
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            raise PayloadError("", getattr(type_, "__name__", str(type_)), _shown(payload)) from error


def _first(group: BaseExceptionGroup[PayloadError]) -> PayloadError:
    """What a model has said of itself, wherever in the payload it is."""
    inner = group.exceptions[0]
    return inner if isinstance(inner, PayloadError) else _first(inner)


def _bytes(value: object, _: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"expected bytes, given {type(value).__name__}")
    return value


def _strict(value: object, type_: type[Any]) -> Any:
    if type_ is float and type(value) is int:
        return float(value)
    if type(value) is not type_:
        raise ValueError(f"expected {type_.__name__}, given {type(value).__name__}")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
