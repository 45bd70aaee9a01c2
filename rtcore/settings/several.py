"""What holds other types: alternatives, lists, tables. Text is no list of letters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, get_args, get_origin

import attrs

from rtcore.settings.faults import Fault, Structure, Unfit, inside
from rtcore.settings.scalars import native
from rtcore.settings.sources import Text, split
from rtcore.settings.words import given_text, type_text


def is_a(type_: Any, *kinds: type) -> bool:
    """Whether a type, with or without its arguments, is a list or table of one of these kinds."""
    kind = get_origin(type_) or type_
    return (
        isinstance(kind, type)
        and issubclass(kind, kinds)
        and not issubclass(kind, str | bytes)
        and not attrs.has(kind)
    )


class Several:
    """What holds other types: alternatives, lists, tables."""

    def __init__(self, structure: Structure, *, secret: bool) -> None:
        self._structure = structure
        self._secret_values = secret

    def union(self, value: Any, type_: Any) -> Any:
        arms = [arm for arm in get_args(type_) if arm is not type(None)]
        if value is None and len(arms) < len(get_args(type_)):
            return None
        if len(arms) == 1:
            return self._structure(value, arms[0])
        # A typed value finds its own arm. Text tries text last, for everything is text.
        faults: list[Fault] = []
        for arm in sorted(arms, key=lambda arm: arm is str):
            try:
                return self._structure(value, arm)
            except Unfit as unfit:
                faults += [fault for fault in unfit.faults if fault.path]
        if faults and isinstance(native(value), Mapping | list | tuple):
            raise Unfit(*faults)  # it reached into one of them: what is wrong there says more
        raise Unfit(Fault((), given_text(value, secret=self._secret_values), type_text(type_)))

    def sequence(self, value: Any, type_: Any) -> Any:
        items = split(value) if isinstance(value, Text) else value
        if not isinstance(items, list | tuple | AbstractSet):
            raise self._unfit(value, type_)
        kind, args = get_origin(type_) or type_, get_args(type_)
        if kind is tuple and args and args[-1] is not Ellipsis:
            if len(items) != len(args):
                raise self._unfit(value, type_)
            types_: Iterable[Any] = args
        else:
            types_ = [args[0] if args else Any] * len(items)
        faults: list[Fault] = []
        made = [
            inside(n, item, item_type, self._structure, faults, secret=self._secret_values)
            for n, (item, item_type) in enumerate(zip(items, types_, strict=True))
        ]
        if faults:
            raise Unfit(*faults)
        if kind is list or kind is set:
            return kind(made)
        return frozenset(made) if issubclass(kind, AbstractSet) else tuple(made)

    def mapping(self, value: Any, type_: Any) -> dict[Any, Any]:
        table = native(value)
        if not isinstance(table, Mapping):
            raise self._unfit(value, type_)
        key_type, value_type = get_args(type_) or (str, Any)
        faults: list[Fault] = []
        made: dict[Any, Any] = {}
        for key, item in table.items():
            name = key if key_type is str else inside(key, Text(str(key)), key_type, self._structure, faults)
            made[name] = inside(key, item, value_type, self._structure, faults, secret=self._secret_values)
        if faults:
            raise Unfit(*faults)
        return made

    def _unfit(self, value: object, type_: Any) -> Unfit:
        return Unfit(Fault((), given_text(value, secret=self._secret_values), type_text(type_)))
