"""Tiny real data and a tiny real model for all tests."""

from __future__ import annotations

import gc
import io
import os
import pathlib
import signal

from tests.fakes.cloud.gcs import KNOBS
from tests.xla import FAST

# A shell ignores Ctrl-C for what it runs in the background, and every child would inherit that: `make test &`.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.update(KNOBS)  # TensorFlow reads these when it is imported.
os.environ.setdefault('XLA_FLAGS', FAST)

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow.compat.v1 as v1  # noqa: E402
from PIL import Image  # noqa: E402

from tests.fakes.cloud.fixtures import gcs, gcs_server  # noqa: E402, F401  Fixtures of all tests.
from tests.sessions import grappler, start_without_grappler  # noqa: E402, F401
from trainer.data import manifest, records  # noqa: E402
from trainer.dcgan import conditioning, ema, networks
from trainer.dcgan.conditioning import Classes
from trainer.dcgan.hparams import HParams  # noqa: E402
from trainer.model_dir import classes_file, hparams_file

ROOT = pathlib.Path(__file__).parent.parent
# The objects of TensorFlow's import are never garbage; scanning them took a fifth of the time of a tiny run.
gc.freeze()
gc.set_threshold(20000, 20, 20)
start_without_grappler()


def smooth_images(count: int, size: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Soft coloured blobs, uint8 [count, size, size, channels]: smooth, like photographs."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    phase = random.uniform(0, 2 * np.pi, (count, 2, channels, 1, 1))
    waves = np.sin(3 * x + phase[:, 0]) * np.cos(4 * y + phase[:, 1])  # [count, channels, size, size]
    return np.round((waves + 1) * 127.5).astype(np.uint8).transpose(0, 2, 3, 1)


def write_shard(path: pathlib.Path, serialized: list[bytes]) -> manifest.Shard:
    """Writes one TFRecord file and returns its manifest entry."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in serialized:
            writer.write(record)
    size = path.stat().st_size
    return manifest.Shard(path.name, len(serialized), size, manifest.file_crc32c(str(path)))


def write_dataset(
    folder: pathlib.Path,
    size: int = 32,
    channels: int = 3,
    train: int = 24,
    holdout: int = 8,
    shards: int = 2,
    labels: tuple[str, ...] = (),
) -> str:
    """Writes a data set of smooth images as the converter would, and returns its folder; `labels` take turns."""
    folder.mkdir(parents=True)
    splits = {}
    for split, count in ((manifest.TRAIN, train), (manifest.HOLDOUT, holdout)):
        pictures = smooth_images(count, size, channels, seed=len(split))
        serialized = [
            records.encode_example(picture, i % len(labels) if labels else -1, f'{split}{i}.png')
            for i, picture in enumerate(pictures)
        ]
        parts = [serialized[i::shards] for i in range(shards)]
        names = [folder / f'{split}-{i:05d}-of-{shards:05d}.tfrecord' for i in range(shards)]
        splits[split] = tuple(write_shard(name, part) for name, part in zip(names, parts)) if count else ()
    manifest.write(str(folder), manifest.Manifest(size, channels, records.HWC, splits, labels))
    return str(folder)


def open_image(path: os.PathLike | str) -> Image.Image:
    """Reads a whole picture and closes its file, which Pillow alone leaves open."""
    return Image.open(io.BytesIO(pathlib.Path(path).read_bytes()))


# The defaults that `tiny_hparams` leaves out, because they take a third of the time to build a graph.
_LEFT_OUT = ('generator_norm', 'generator_output', 'augment', 'augment_target')
SHIPPED = {name: getattr(HParams(), name) for name in _LEFT_OUT}


_TINY = {
    'base_filters': 4, 'noise_dim': 8, 'train_batch_size': 8, 'generator_output': 'deconv', 'generator_norm': 'batch',
    'augment': 'none', 'augment_target': 0.0,
}  # fmt: skip
# The same for commands, with little to draw and to measure.
TINY_FLAGS = (*(f'--{name}={value}' for name, value in _TINY.items()), '--sample_count=4', '--extractor=pixels')


def tiny_hparams(**changes) -> HParams:
    """The smallest model that is still a DCGAN; tests of what is in the networks add SHIPPED."""
    of_data = {'image_size': 32, 'channels': 3, 'generator_upsampling': 'plain'}
    return HParams(**{**of_data, 'train_steps': 2, **_TINY, **changes})


def write_run(folder: pathlib.Path, step: int, hparams: HParams, classes: Classes | None = None) -> str:
    """Writes the generator files of a run, with initial weights; returns the checkpoint's prefix.

    With `classes`, as many as `hparams` says, a picture depends on its class.
    """
    with tf.Graph().as_default(), v1.Session() as session:
        of_class = v1.placeholder(tf.float32, [None, hparams.classes]) if classes else None
        networks.generator(
            v1.placeholder(tf.float32, [None, hparams.noise_dim]), hparams.architecture, classes=of_class
        )
        learned = [v for v in v1.trainable_variables() if '/class_' in v.name]  # They start at zero.
        told = [v.assign(tf.random.stateless_normal(v.shape, [i, 0])) for i, v in enumerate(learned)]
        told += [conditioning.kept_strength().assign(1.0)] if classes else []
        update = ema.update(v1.trainable_variables(), tf.constant(0, tf.int64), hparams.train_batch_size, 1.0)
        session.run(v1.global_variables_initializer())
        session.run(told)
        session.run(update)
        checkpoint = v1.train.Saver().save(session, str(folder / 'model.ckpt'), step, write_meta_graph=False)
    hparams_file.write(str(folder), hparams)
    if classes:
        classes_file.write(str(folder), classes)
    return checkpoint


@pytest.fixture
def dataset32(tmp_path: pathlib.Path) -> str:
    """A data set of 24 training and 8 hold-out images of 32 px, in two shards each."""
    return write_dataset(tmp_path / 'dataset32')
