"""The page at /: that of trainer.explore if the run has one, else a small one; only its own files are served."""

from __future__ import annotations

import html
import os
import posixpath

import tensorflow as tf

from trainer.filesystem import files, outputs
from trainer.inference.model import Model
from trainer.page import builder, publish
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
    text = _SMALL.format(title=html.escape(model.title), predict=html.escape(predict))
    files.write_bytes(os.path.join(temporary, builder.INDEX), text.encode())
    files.write_bytes(os.path.join(temporary, 'code', 'small.js'), _SMALL_SCRIPT.encode())
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


_SMALL = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<h1>{title}</h1>
<form id="form" data-predict="{predict}">
  <label>Seed <input id="seed" type="number" value="0" min="-2147483648" max="2147483647"></label>
  <button>Show</button>
</form>
<p id="status" role="status"></p>
<img id="picture" alt="" hidden>
<script src="code/small.js"></script>
"""
_SMALL_SCRIPT = """'use strict';
const form = document.getElementById('form');
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const seed = Number(document.getElementById('seed').value);
  const body = JSON.stringify({instances: [{seed}]});
  const headers = {'Content-Type': 'application/json'};
  const answer = await (await fetch(form.dataset.predict, {method: 'POST', headers, body})).json();
  const picture = document.getElementById('picture');
  document.getElementById('status').textContent = answer.error || '';
  picture.hidden = Boolean(answer.error);
  if (!answer.error) {
    picture.src = `data:image/png;base64,${answer.predictions[0].image.b64}`;
    picture.alt = `The picture of seed ${seed}`;
  }
});
"""
