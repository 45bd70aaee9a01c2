"""Plain tables into attrs classes: cattrs dispatches by type, our hooks are strict and find every fault."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, cast, get_origin

import attrs
import cattrs

from rtcore.settings.faults import BAD, Fault, Unfit, inside, nearest
from rtcore.settings.scalars import Scalars, native
from rtcore.settings.secret import Secrets
from rtcore.settings.several import Several, is_a
from rtcore.settings.words import given_text, type_text


class Shaper:
    """Makes instances. Secrets' references are looked up in `folder` and `env`.

    There are two converters, for what is known to be a secret must be handled as one all the way down.
    """

    def __init__(self, *, folder: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        self._secrets = Secrets(folder or Path(), env or {})
        self._plain = self._converter(secret=False)
        self._secret = self._converter(secret=True)

    def shape(self, value: object, cls: type[Any]) -> Any:
        """Return an instance of the attrs class.

        Raises:
            Unfit: with every fault, in the order of the table's keys.
        """
        return self._plain.structure(value, cls)

    def complaint(self, cls: type[Any]) -> str | None:
        """Say why a class cannot hold settings, or `None` if it can."""
        if not attrs.has(cls):
            return f"{cls!r} is not an attrs class"
        try:
            fields = attrs.fields(attrs.resolve_types(cls))
        except NameError as error:
            return f"an annotation of {cls.__qualname__} cannot be resolved at run time: {error}"
        for field in fields:
            where = f"field `{field.name}` of {cls.__qualname__}"
            if field.init and field.default is attrs.NOTHING:
                return f"{where} has no default"
            if field.metadata.get("secret") and field.repr:
                return f"{where} is secret and lacks repr=False"
            try:
                self._plain.get_structure_hook(cast(Any, field.type))
            except cattrs.StructureHandlerNotFoundError:
                return f"{where} has a type that settings cannot hold: {field.type}"
        return None

    def _converter(self, *, secret: bool) -> cattrs.Converter:
        it = cattrs.Converter(detailed_validation=False)  # our hooks gather the faults themselves
        one = Scalars(secret=secret)
        it.register_structure_hook(bool, one.boolean)
        it.register_structure_hook(int, one.whole)
        it.register_structure_hook(float, one.number)
        it.register_structure_hook(str, self._secrets.text if secret else one.text)
        it.register_structure_hook(Path, one.path)
        it.register_structure_hook_func(_is_anything, one.anything)
        it.register_structure_hook_func(lambda t: isinstance(t, type) and issubclass(t, Enum), one.member)
        it.register_structure_hook_func(_is_choice, one.literal)
        several = Several(it.structure, secret=secret)
        it.register_structure_hook_func(_is_union, several.union)
        it.register_structure_hook_func(
            lambda t: is_a(t, list, tuple, Sequence, AbstractSet), several.sequence
        )
        it.register_structure_hook_func(lambda t: is_a(t, Mapping), several.mapping)
        instance = self._secret_instance if secret else self._instance
        it.register_structure_hook_func(lambda t: isinstance(t, type) and attrs.has(t), instance)
        return it

    def _secret_instance(self, value: Any, cls: type[Any]) -> Any:
        return self._instance(value, cls, secret=True)

    def _instance(self, value: Any, cls: type[Any], *, secret: bool = False) -> Any:
        if isinstance(value, cls):
            return value
        table = native(value)
        if not isinstance(table, Mapping):
            kind = "text" if isinstance(table, str) else given_text(value)  # it may be a secret, misplaced
            raise Unfit(Fault((), kind, "a table"))
        fields = {f.alias or f.name: f for f in attrs.fields(attrs.resolve_types(cls)) if f.init}
        faults: list[Fault] = []
        values: dict[str, Any] = {}
        for key, given in table.items():
            if (field := fields.get(key)) is None:
                keys = f"one of: {', '.join(fields)}" if fields else "no keys"
                faults.append(Fault((key,), "an unknown key", keys, nearest(key, fields)))
                continue
            hidden = secret or bool(field.metadata.get("secret"))
            converter = self._secret if hidden else self._plain
            expected = type_text(field.type, field.validator)
            shaped = inside(
                key, given, field.type, converter.structure, faults, secret=hidden, expected=expected
            )
            if shaped is not BAD:
                values[key] = shaped
        try:
            made = cls(**values)
        except Exception as error:  # noqa: BLE001 - checks are a plugin's own code
            faults += _failed(cls, fields, values, table, error, secret=secret)
        else:
            if not faults:
                return made
        raise Unfit(*faults)


def _is_anything(type_: Any) -> bool:
    return type_ is Any or type_ is object


def _is_choice(type_: Any) -> bool:
    origin: Any = get_origin(type_)
    return origin is Literal


def _is_union(type_: Any) -> bool:
    return get_origin(type_) in {Union, types.UnionType}


def _failed(
    cls: type[Any],
    fields: Mapping[str, Any],
    values: Mapping[str, Any],
    table: Mapping[str, Any],
    error: Exception,
    *,
    secret: bool,
) -> list[Fault]:
    """Say which checks fail. attrs stops at the first, so each runs again by itself, on an instance without any."""
    blank = object.__new__(cls)
    for key, field in fields.items():
        default = field.default.factory() if _plain_factory(field.default) else field.default
        object.__setattr__(blank, field.name, _converted(field, values.get(key, default)))
    faults = []
    for key in values:
        field = fields[key]
        if field.validator is None:
            continue
        hidden = secret or bool(field.metadata.get("secret"))
        try:
            field.validator(blank, field, getattr(blank, field.name))
        except Exception as why:  # noqa: BLE001 - checks are a plugin's own code
            known = type_text(field.type, field.validator)
            own = str(why.args[0]) if why.args and not hidden else "a valid secret"
            expected = known if known != type_text(field.type) else own
            faults.append(Fault((key,), given_text(table[key], secret=hidden), expected))
    if faults:
        return faults
    # No check of one field: the class looks at several together.
    return [Fault((), "values that do not go together", str(error) or type(error).__name__)]


def _plain_factory(default: Any) -> bool:
    return isinstance(default, attrs.Factory) and not default.takes_self  # type: ignore[arg-type]  # a class at run time


def _converted(field: Any, value: Any) -> Any:
    return field.converter(value) if callable(field.converter) else value
