"""The loader: finds plugins, checks each against the hooks, registers those that pass.

Rule: everything is checked before anything is registered, so that no manager is ever half filled. What somebody
*named* (in `plugins`, by a section, in `App(plugins=…)`) must load, or boot fails; what is merely installed and
cannot load is a row of the report.

    manager = new_manager()
    report = load(
        manager,
        named=sources.names("plugins"),
        disabled=sources.names("disabled") or (),
        explicit=plugins,
        required=sources.sections(),
    )
    settings = resolve(sources, settings_classes(manager), ignored=report.idle, plain=report.loaded)
"""

from __future__ import annotations

from rtcore.plugins.find import Candidate, discover, given
from rtcore.plugins.loader import load, new_manager, settings_classes
from rtcore.plugins.report import Report, Row

__all__ = ["Candidate", "Report", "Row", "discover", "given", "load", "new_manager", "settings_classes"]
