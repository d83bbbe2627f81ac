"""A copy of the project's own files, so that nothing is left behind among them."""

from __future__ import annotations

import pathlib
import shutil

from tests.conftest import ROOT

_MADE_AT_THE_TOP = {'.venv', '.venv-tpu', '.venv-pjrt', 'runs', 'data', 'generated', 'jobs', 'build', 'dist', '.git'}
_MADE_ANYWHERE = shutil.ignore_patterns('__pycache__', '*_cache', '*.egg-info')


def copy_to(folder: pathlib.Path) -> pathlib.Path:
    """Copies all but what commands have made, as .gitignore names it; returns `folder`."""

    def ignored(inside: str, names: list[str]) -> set[str]:
        at_the_top = _MADE_AT_THE_TOP if pathlib.Path(inside) == ROOT else set()
        return at_the_top | _MADE_ANYWHERE(inside, names)

    shutil.copytree(ROOT, folder, ignore=ignored)
    return folder
