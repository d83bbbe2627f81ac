"""The page at /: that of trainer.explore if the run has one, else a small one; only its own files are served."""

from __future__ import annotations

import os
import posixpath

import tensorflow as tf

from trainer.evaluation import live_generator
from trainer.filesystem import files, outputs, paths
from trainer.inference.model import Model
from trainer.page import builder, publish
from trainer.page.content import Page
from trainer.serving.http import Request, Response, Route
from trainer.storage import gcs
from trainer.storage.refusals import VIEWER, explained

_EXPLORE = 'trainer.explore'
_OTHER_TYPES = {'.json': 'application/json', '.wasm': 'application/wasm', '.png': 'image/png'}
_ANY_TYPE = 'application/octet-stream'
# A page loads nothing from elsewhere, and only WebAssembly is compiled; pictures also come as data.
_POLICY = '; '.join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = (
    ('Cache-Control', 'no-cache'),
    ('Content-Security-Policy', _POLICY),
    ('Cross-Origin-Opener-Policy', 'same-origin'),
    ('Cross-Origin-Resource-Policy', 'same-origin'),
    ('Referrer-Policy', 'no-referrer'),
    ('X-Content-Type-Options', 'nosniff'),
)


def page_folder(model: Model, model_dir: str, temporary: str, predict: str) -> str:
    """The local folder with the page to serve.

    Args:
      model: that is served.
      model_dir: its run, local or gs://; '' for none.
      temporary: an empty folder for a page that must be fetched or written first.
      predict: the predict route.

    Raises:
      errors.UserError: Cloud Storage refuses the page of the run.
    """
    explore = os.path.join(model_dir, 'explore')
    with explained(explore, VIEWER):
        mark = outputs.read_mark(explore) if model_dir else None
        if mark and mark.made_by == _EXPLORE and builder.INDEX in files.names_in(explore):
            if not gcs.is_remote(explore):
                return explore
            _fetch(explore, temporary)
            return temporary
    live = live_generator.served(model.generator, model.image_size, model.channels, predict)
    title = f'What {paths.name_of(model_dir)} learned' if model_dir else 'New pictures'
    builder.write_page(temporary, Page(title, _facts(model), dataset=None, live=live))
    return temporary


def routes(folder: str) -> dict[str, Route]:
    """A route for each file of a page that is there now, and / for its index.

    Nothing else of the folder is ever opened, whatever a path says.
    """
    found = {}
    for name in builder.NAMES:
        path = os.path.join(folder, name)
        for below in [path] if os.path.isfile(path) else _all_below(path):
            web = posixpath.join('/', *os.path.relpath(below, folder).split(os.sep))
            found[web] = Route({'GET': _File(below)})
    found['/'] = found[f'/{builder.INDEX}']
    return found


def _facts(model: Model) -> list[tuple[str, str]]:
    labels = [('Labels', ', '.join(model.labels))] if model.labels else []
    return [('Model', model.title), ('Pictures', f'{model.image_size} px'), *labels]


class _File:
    """Answers with one file."""

    def __init__(self, path: str):
        ending = os.path.splitext(path)[1]
        self._path = path
        self._type = publish.CONTENT_TYPES.get(ending) or _OTHER_TYPES.get(ending, _ANY_TYPE)

    def __call__(self, _: Request) -> Response:
        with open(self._path, 'rb') as file:
            return Response(200, self._type, file.read(), HEADERS)


def _all_below(folder: str) -> list[str]:
    return [
        os.path.join(where, name)
        for where, _, names in os.walk(folder)
        for name in sorted(names)
        if files.is_regular(os.path.join(where, name)) and not files.is_temporary(name)
    ]


def _fetch(source: str, target: str) -> None:
    """Copies the files of a page from a bucket to a local folder."""
    for name in builder.NAMES:
        path = os.path.join(source, name)
        if not tf.io.gfile.isdir(path):
            tf.io.gfile.copy(path, os.path.join(target, name), overwrite=True)
            continue
        for where, _, names in tf.io.gfile.walk(path):
            inside = os.path.join(target, os.path.relpath(where.rstrip('/'), source))
            os.makedirs(inside, exist_ok=True)
            for one in names:
                tf.io.gfile.copy(os.path.join(where, one), os.path.join(inside, one), overwrite=True)
