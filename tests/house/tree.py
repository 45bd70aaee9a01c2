"""What the tests of the house know of the tree: its distributions, and who imports what."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?\s*(?P<range>[^;]*)")


def normal(name: str) -> str:
    """The name of a distribution as an index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


@attrs.frozen
class Import:
    """One name that a module imports: `from a.b import c` is `a.b.c`."""

    name: str
    line: int
    typing_only: bool  # under `if TYPE_CHECKING:`

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]

    def within(self, *packages: str) -> bool:
        return any(self.name == package or self.name.startswith(package + ".") for package in packages)


@attrs.frozen
class Module:
    """One file of a package."""

    path: Path
    name: str

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    def imports(self) -> Iterator[Import]:
        """Every import in it, wherever it stands; relative ones in full."""
        package = self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]
        yield from walk(ast.parse(self.path.read_text(encoding="utf-8")), package, typing_only=False)


def walk(node: ast.AST, package: str, *, typing_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, typing_only)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                above = package.split(".")[: len(package.split(".")) - child.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in child.names:
                yield Import(f"{base}.{alias.name}", child.lineno, typing_only)
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for part in child.body:
                yield from walk(ast.Module([part], []), package, typing_only=True)
            for part in child.orelse:
                yield from walk(ast.Module([part], []), package, typing_only=typing_only)
        else:
            yield from walk(child, package, typing_only=typing_only)


@attrs.frozen
class Distribution:
    """A folder with a pyproject.toml."""

    folder: Path
    project: dict[str, Any] = attrs.field(repr=False)
    tool: dict[str, Any] = attrs.field(repr=False)

    @classmethod
    def read(cls, folder: Path) -> Distribution:
        data = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        return cls(folder, data["project"], data["tool"])

    @property
    def word(self) -> str:
        return self.folder.name

    @property
    def name(self) -> str:
        return str(self.project["name"])

    @property
    def package(self) -> str:
        return self.name.replace("-", "_")

    @property
    def requirements(self) -> dict[str, str]:
        """What it declares, extras included: normal name to range."""
        lines = list(self.project["dependencies"])
        for extra in self.project.get("optional-dependencies", {}).values():
            lines += extra
        matches = [match for match in map(REQUIREMENT.match, lines) if match]
        return {normal(match["name"]): match["range"].strip() for match in matches}

    def modules(self) -> list[Module]:
        """The files of its package, in order."""
        found = []
        for path in sorted((self.folder / self.package).rglob("*.py")):
            parts = path.relative_to(self.folder).with_suffix("").parts
            found.append(Module(path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)))
        return found


KERNEL = Distribution.read(ROOT)
PLUGINS = [Distribution.read(path.parent) for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))]
CLIENT = Distribution.read(ROOT / "clients/python")
CONTRIB = [Distribution.read(path.parent) for path in sorted(ROOT.glob("contrib/*/pyproject.toml"))]
ALL = [KERNEL, *PLUGINS, CLIENT, *CONTRIB]
