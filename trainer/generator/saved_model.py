"""Exports the generator as a SavedModel that needs nothing of this project to load."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
from collections.abc import Iterator, Mapping, Sequence

import google.protobuf.message
import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.core.protobuf import saved_model_pb2

from trainer import errors
from trainer.dcgan.conditioning import Classes
from trainer.dcgan.hparams import HParams
from trainer.filesystem import disk_errors, files, paths
from trainer.filesystem.pattern_free import plain
from trainer.generator import signatures
from trainer.generator.weights import GeneratorWeights
from trainer.storage import gcs
from trainer.storage.refusals import ADMIN, explained

_GRAPH = 'saved_model.pb'
_NAMES = re.compile(r'saved_model\.pb|fingerprint\.pb|variables|variables/variables\.(index|data-[0-9]{5}-of-[0-9]{5})')
_MOST_BYTES = 256 << 20  # Of a graph without its weights; ours have a few hundred kilobytes.
_RENAME_EXCHANGE, _AT_FDCWD = 2, -100  # Constants of Linux's renameat2.


def check(path: str, flag: str = '--export_dir') -> None:
    """Checks by the rule of all outputs that the folder may become the SavedModel.

    Raises:
      errors.UserError: it holds anything other than a SavedModel of this project.
    """
    with explained(path, ADMIN), disk_errors.explained(f'{flag}={path}'):
        foreign = _foreign(path)
    if foreign:
        raise errors.UserError(
            f'{flag}={path} holds {foreign}, which is not a generator exported by this trainer and would be replaced: '
            'choose another folder, or an empty one'
        )
    plain(path)


def check_apart(path: str, own: str, others: Mapping[str, Sequence[str]], flag: str = '--export_dir') -> None:
    """Refuses a folder that is, holds or lies in one of `others`; `own`, its usual place, is allowed.

    Args:
      path: the folder for the SavedModel.
      own: saved_model in model_dir.
      others: flag -> folders or files.
      flag: the flag that gives `path`.

    Raises:
      errors.UserError: they overlap, so the export would replace files of the other, or lie among them.
    """
    if paths.same(path, own):
        return
    for name, other in ((name, other) for name, these in others.items() for other in these):
        if paths.within(path, other) or paths.within(other, path):
            raise errors.UserError(
                f'{flag}={path} and {name}={other} overlap, and an export replaces its folder as a whole: choose a '
                f'separate folder, or leave {flag} out for {own}'
            )


def export(hparams: HParams, checkpoint: str, path: str, classes: Classes | None = None) -> None:
    """Writes the generator of `checkpoint` to the folder `path`, replacing an earlier export.

    The model loads with `tf.saved_model.load(path)` and has three signatures:
      serving_default: noise, float32 [N, noise_dim] -> images, uint8 [N, H, W, C]
      seeds: seed and count, int32 scalars -> images, uint8 [count, H, W, C], for the seeds seed, seed + 1, ...
      png: seed and count -> image_bytes, string [count]: the same images as PNG files

    Seed and count may also be vectors, as a row of instances makes them: the pictures of all pairs follow each other.

    A generator with K classes draws them in the shares of the training images, and has four more:
      labelled: seed, count and label, int32 scalars -> images of one class; label -1 is none
      labelled_png: the same -> image_bytes
      classes: noise, float32 [N, noise_dim], and classes, float32 [N, K], usually one-hot -> images
      labels: label, int32 [N], from -1 to K - 1 -> name, string [N], and count, int32 [N], of training images

    Raises:
      errors.UserError: `path` holds something else, which is left unchanged.
    """
    path = path if gcs.is_remote(path) else os.path.realpath(path)  # A link stays; its target is replaced.
    with _workshop(path) as temporary:
        with tf.Graph().as_default(), v1.Session() as session:
            found = signatures.build(hparams, classes)
            GeneratorWeights(hparams, classes).load(session, checkpoint)
            builder = v1.saved_model.Builder(plain(temporary))
            builder.add_meta_graph_and_variables(session, [tf.saved_model.SERVING], found)
            builder.save()
        _put_in_place(temporary, path, '--export_dir')


def copy(source: str, path: str, flag: str = '--output_dir') -> None:
    """Copies the SavedModel in the folder `source` to the folder `path`, by the same rule as `export`.

    Args:
      source, path: local or gs://.
      flag: the flag that gives `path`.

    Raises:
      errors.UserError: `path` holds something else, which is left unchanged.
    """
    path = path if gcs.is_remote(path) else os.path.realpath(path)
    with _workshop(path) as temporary:
        _copy(source, temporary)
        _put_in_place(temporary, path, flag)


def is_ours(path: str) -> bool:
    """Whether a folder holds a SavedModel with the signatures that every version of `export` writes."""
    try:
        with tf.io.gfile.GFile(os.path.join(path, _GRAPH), 'rb') as file:
            graphs = saved_model_pb2.SavedModel.FromString(file.read(_MOST_BYTES)).meta_graphs
    except (tf.errors.OpError, google.protobuf.message.DecodeError):
        return False
    return len(graphs) == 1 and all(
        name in graphs[0].signature_def
        and set(graphs[0].signature_def[name].inputs) == inputs
        and set(graphs[0].signature_def[name].outputs) == {signatures.IMAGES}
        for name, inputs in signatures.ALWAYS.items()
    )


def _foreign(path: str) -> str:
    """A name in the folder that we must not replace; '' if it is absent, empty, or one of our SavedModels."""
    names = files.names_in(path)
    if not names:
        return ''
    variables = os.path.join(path, 'variables')
    below = files.names_in(variables) if tf.io.gfile.isdir(variables) else []
    strangers = [name for name in (*names, *(f'variables/{name}' for name in below)) if not _NAMES.fullmatch(name)]
    if strangers:
        return strangers[0]
    return '' if is_ours(path) else names[0]


@contextlib.contextmanager
def _workshop(path: str) -> Iterator[str]:
    """A temporary folder of our own beside `path`, removed at the end."""
    temporary = files.temporary_beside(path.rstrip('/'))
    try:
        if not gcs.is_remote(path):
            os.makedirs(temporary)
        yield temporary
    finally:
        with contextlib.suppress(tf.errors.OpError):
            if tf.io.gfile.exists(temporary):
                tf.io.gfile.rmtree(temporary)


def _put_in_place(temporary: str, path: str, flag: str) -> None:
    check(path, flag)  # Again: the first check may be hours ago.
    (_copy if gcs.is_remote(path) else _publish)(temporary, path)


def _publish(temporary: str, path: str) -> None:
    """Puts the new folder in the place of the old one; at every moment one of them is there."""
    if not os.path.lexists(path):
        os.rename(temporary, path)
    elif not _exchanged(temporary, path):  # Then the old folder is the temporary one, and is removed.
        _copy(temporary, path)


def _exchanged(one: str, other: str) -> bool:
    """Exchanges two folders in one step; False if the system or the disk cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # Not Linux, or an old C library.
        return False
    return rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0


def _copy(source: str, path: str) -> None:
    """Replaces file by file, the graph last; a bucket, or a disk mounted at `path`, allows nothing better."""
    source = source.rstrip('/')
    written = [os.path.join(folder, name) for folder, _, names in tf.io.gfile.walk(source) for name in names]
    for one in sorted(written, key=lambda name: os.path.basename(name) == _GRAPH):
        target = path.rstrip('/') + one[len(source) :]
        files.make_folder(os.path.dirname(target))
        tf.io.gfile.copy(one, target, overwrite=True)
