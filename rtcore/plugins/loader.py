"""From candidates to rows: each plugin is imported, compared with the hooks, and registered if it passes."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from types import ModuleType
from typing import Any, cast

import attrs
import pluggy

from rtcore import hooks
from rtcore.errors import PluginError
from rtcore.plugins.find import Candidate, discover, given
from rtcore.plugins.marks import Specs, arguments, declared, implementations
from rtcore.plugins.report import Report, Row
from rtcore.settings import Options
from rtcore.settings.faults import nearest
from rtcore.settings.shape import Shaper

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = {f.name for f in attrs.fields(Options)}  # a section of that name would be a key of the kernel's

Complaint = tuple[str, str | None]  # the cause, the mend


def new_manager() -> pluggy.PluginManager:
    """Return a manager that knows the kernel's hooks and no plugin."""
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    return manager


def load(
    manager: pluggy.PluginManager,
    *,
    named: Sequence[str] | None = None,
    disabled: Collection[str] = (),
    explicit: Sequence[object] | None = None,
    required: Collection[str] = (),
    strict: bool = True,
) -> Report:
    """Load plugins into a manager that has the kernel's hooks.

    Args:
        manager: from `new_manager`.
        named: the installed plugins to load; `None` for all of them, or for none if `explicit` is given.
        disabled: names that are not loaded, whoever else names them.
        explicit: modules and objects to load as well.
        required: names that must load if they are installed, because they have a section in the settings.
        strict: whether to raise what is fatal. Without it, look at `report.errors`.

    Raises:
        PluginError: a plugin that was named cannot be loaded; the manager is as it was.
    """
    known = discover() if explicit is None or named is not None else []
    chosen = [given(plugin) for plugin in explicit or ()]
    handed = {c.name for c in chosen}
    wanted = None if named is None and explicit is None else set(named or ()) - handed
    chosen += [c for c in known if wanted is None or c.name in wanted]
    must = {*(named or ()), *required, *(c.name for c in chosen if not c.found)}
    loading = _Loading(must - set(disabled))
    for name in sorted(set(named or ()) - {c.name for c in chosen} - set(disabled)):
        loading.absent(name, known)
    for candidate in sorted(chosen, key=lambda c: c.name):
        loading.consider(candidate, disabled, twins=[c for c in chosen if c.name == candidate.name])
    loading.check(declared(hooks, "rtcore"))
    here = {c.name for c in (*known, *chosen)}
    warnings = [_no_such(name, here) for name in sorted(set(disabled) - here)]
    report = loading.report(warnings)
    if strict:
        report.raise_fatal()
    loading.register(manager)
    return report


def settings_classes(manager: pluggy.PluginManager) -> dict[str, type[Any]]:
    """Return each loaded plugin's settings class, by its section's name.

    Raises:
        PluginError: it is no attrs class, a field has no default, a type cannot be held, a secret would be printed.
    """
    classes: dict[str, type[Any]] = {}
    shaper: Shaper | None = None
    for implementation in manager.hook.rtcore_settings.get_hookimpls():
        name = implementation.plugin_name
        try:
            cls: Any = implementation.function()
        except Exception as error:
            raise PluginError(name, f"rtcore_settings raised {why(error)}") from error
        if cls is None:
            continue
        shaper = shaper or Shaper()
        if complaint := shaper.complaint(cls):
            raise PluginError(name, f"its settings: {complaint}")
        classes[name] = cls
    return dict(sorted(classes.items()))


@attrs.define
class _Plugin:
    row: Row
    candidate: Candidate
    plugin: object
    declares: object | None = None


class _Loading:
    """The plugins of one boot on their way from candidates to rows."""

    def __init__(self, must: Collection[str]) -> None:
        self._must = must
        self._rows: list[Row] = []
        self._live: dict[str, _Plugin] = {}

    def absent(self, name: str, known: Sequence[Candidate]) -> None:
        names = sorted({c.name for c in known})
        near = nearest(name, names)
        mend = (
            f"did you mean `{near}`?"
            if near
            else f"pip install rtcore-{name.replace('_', '-')}, if that is its home"
        )
        listed = f"installed: {', '.join(names)}" if names else "no plugin is installed"
        self._fail(Row(name, None, None), f"is named in the settings and not installed ({listed})", mend)

    def consider(
        self, candidate: Candidate, disabled: Collection[str], *, twins: Sequence[Candidate]
    ) -> None:
        """Import a candidate and look at what does not depend on other plugins."""
        row = Row(candidate.name, candidate.distribution, candidate.version)
        if candidate.name in disabled:
            row.status, row.reason = "disabled", "disabled in the settings"
            self._rows.append(row)
        elif len(twins) > 1:
            homes = " and ".join(sorted(c.distribution or "this program" for c in twins))
            self._fail(row, f"its name is claimed twice, by {homes}", "uninstall one of them", fatal=True)
        elif not _NAME.fullmatch(candidate.name):
            self._fail(row, f"its name does not match {_NAME.pattern}", "rename its entry point")
        elif candidate.name in _TAKEN:
            self._fail(row, "its name is a key of the kernel's own settings", "rename its entry point")
        else:
            self._import(candidate, row)

    def _import(self, candidate: Candidate, row: Row) -> None:
        try:
            plugin = candidate.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a module may raise anything while it is imported
            self._fail(row, f"cannot be imported: {why(error)}", _mend(error, candidate), because=error)
            return
        if isinstance(plugin, type):
            self._fail(row, "its entry point is a class", "point it at a module or an instance")
            return
        api = getattr(plugin, "__rtcore_api__", None)
        if api is None and (candidate.found or isinstance(plugin, ModuleType)):
            self._fail(
                row,
                "does not say which kernel API it needs",
                f"add __rtcore_api__ = {hooks.API_VERSION} to it",
            )
            return
        if api is not None and api != hooks.API_VERSION:
            newer = isinstance(api, int) and api > hooks.API_VERSION
            older = "upgrade rtcore" if newer else f"upgrade {candidate.distribution or 'the plugin'}"
            self._fail(row, f"needs version {api!r} of the kernel API, this is {hooks.API_VERSION}", older)
            return
        entry = _Plugin(row, candidate, plugin)
        try:
            row.hooks = tuple(sorted(name for name, _, _ in implementations(plugin)))
            entry.declares = _call_addhooks(plugin)
        except PluginError as error:
            self._fail(row, error.cause, error.mend)
        except Exception as error:  # noqa: BLE001 - its own code
            self._fail(row, f"rtcore_addhooks raised {why(error)}", because=error)
        else:
            self._live[candidate.name] = entry

    def check(self, kernel: Specs) -> None:
        """Compare what plugins implement with what is declared. One that falls takes its declarations with it."""
        fallen = True
        while fallen:
            fallen = False
            specs = dict(kernel)
            for name, entry in sorted(self._live.items()):
                complaint = self._declare(name, entry, specs)
                if complaint:
                    fallen = self._drop(entry, *complaint)
            for entry in list(self._live.values()):
                complaint = self._compare(entry.plugin, specs)
                if complaint:
                    fallen = self._drop(entry, *complaint)
            fallen = fallen or self._rehearse()

    def _rehearse(self) -> bool:
        """Register with a manager that is thrown away: what only pluggy finds is found before it matters."""
        scratch = new_manager()
        for entry in self._live.values():
            if entry.declares is not None:
                scratch.add_hookspecs(cast(Any, entry.declares))
        for entry in list(self._live.values()):
            try:
                scratch.register(entry.plugin, name=entry.row.name)
            except (pluggy.PluginValidationError, ValueError) as error:
                return self._drop(entry, f"cannot be registered: {why(error)}", None)
        return False

    def _drop(self, entry: _Plugin, cause: str, mend: str | None) -> bool:
        del self._live[entry.row.name]
        self._fail(entry.row, cause, mend)
        return True

    @staticmethod
    def _declare(
        name: str, entry: _Plugin, specs: dict[str, tuple[str, tuple[str, ...]]]
    ) -> Complaint | None:
        if entry.declares is None:
            return None
        try:
            own = declared(entry.declares, name)
        except ValueError:
            return "rtcore_addhooks returned something without hooks", "mark them with @hookspec"
        for hook in own:
            if not hook.startswith("rtcore_"):
                return (
                    f"declares `{hook}`, a hook that does not begin with rtcore_",
                    f"call it rtcore_{name}_{hook}",
                )
            if hook in specs:
                return (
                    f"declares the hook `{hook}`, which `{specs[hook][0]}` declares",
                    f"call it rtcore_{name}_…",
                )
        specs.update(own)
        return None

    def _compare(self, plugin: object, specs: Specs) -> Complaint | None:
        for hook, function, optional in implementations(plugin):
            if hook not in specs:
                if optional:
                    continue
                return f"waits for a hook that nobody declares: `{hook}`", self._who_declares(hook, specs)
            _, offered = specs[hook]
            strange = [arg for arg in arguments(function) if arg not in offered]
            if strange:
                takes = ", ".join(f"`{arg}`" for arg in strange)
                gives = ", ".join(f"`{arg}`" for arg in offered) or "nothing"
                return f"{hook} takes {takes}, and the hook is given {gives}", "take only what it is given"
        return None

    def _who_declares(self, hook: str, specs: Specs) -> str:
        for row in self._rows:
            if hook.startswith(f"rtcore_{row.name}_"):
                return f"plugin `{row.name}` would declare it and is {row.status}: {row.reason}"
        near = nearest(hook, specs)
        if near:
            return f"did you mean `{near}`?"
        return "install the plugin that declares it, or mark the implementation with optionalhook=True"

    def _fail(
        self,
        row: Row,
        cause: str,
        mend: str | None = None,
        *,
        fatal: bool = False,
        because: BaseException | None = None,
    ) -> None:
        row.status = "failed"
        row.reason = f"{cause}; {mend}" if mend else cause
        row.fatal = fatal or row.name in self._must
        row.error = PluginError(row.name, cause, distribution=row.distribution, mend=mend)
        row.error.__cause__ = because
        self._rows.append(row)

    def report(self, warnings: Sequence[str]) -> Report:
        for entry in self._live.values():
            entry.row.status = "loaded"
        rows = sorted([*self._rows, *(entry.row for entry in self._live.values())], key=lambda row: row.name)
        return Report(tuple(rows), tuple(warnings))

    def register(self, manager: pluggy.PluginManager) -> None:
        """Hand over what passed. Hooks first, so that a plugin may implement those of one that comes later."""
        entries = [entry for _, entry in sorted(self._live.items())]
        for entry in entries:
            if entry.declares is not None:
                manager.add_hookspecs(cast(Any, entry.declares))
        for entry in entries:
            manager.register(entry.plugin, name=entry.row.name)


def _call_addhooks(plugin: object) -> object | None:
    for hook, function, _ in implementations(plugin):
        if hook == "rtcore_addhooks":
            return function()  # type: ignore[no-any-return]  # a hook types as Any; `declared` looks at it
    return None


def why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _mend(error: BaseException, candidate: Candidate) -> str:
    home = candidate.distribution or candidate.name
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"install `{error.name.partition('.')[0]}`, or {home} again with what it depends on"
    return f'mend or uninstall {home}, or disable it: disabled = ["{candidate.name}"]'


def _no_such(name: str, here: Collection[str]) -> str:
    near = nearest(name, here)
    hint = f"; did you mean `{near}`?" if near else ""
    return f"disabled names `{name}`, which is not installed{hint}"
