"""The input_fn: records on disk -> shuffled batches of uint8 pixels.

A set that fits into memory is read once and kept as one tensor; a larger one is read again in each epoch, a window at a
time. In both cases records are parsed many at once, and images are picked from a tensor of pixels in random order.
"""

from __future__ import annotations

from typing import Any, Callable

import tensorflow as tf
from absl import logging

from trainer.data import records
from trainer.data.dataset import DataSource
from trainer.dcgan.hparams import HParams

InputFn = Callable[[dict[str, Any]], tf.data.Dataset]

_OPEN_SHARDS = 16
_READ_BUFFER = 256 * 1024  # Bytes; with megabytes tests/benchmarks/input_pipeline.py is slower.
_CHUNK = 256  # Records to parse at once.
_CHUNKS_AHEAD = 16  # Chunks parsed while a window is put together; without them it is slower.
_PREVIEW_WINDOW = 1024  # Records to shuffle for a look at the first batch.
_SEED_STRIDE = 1_000_003  # Keeps the shuffles of neighbouring seeds apart.
# Copies of the pixels in memory at a time, as measured. A set that is kept: itself and the parts it is put together
# from. A streamed set: the current window, the next one, one being put together, and its parts.
_COPIES_KEPT, _COPIES_STREAMED = 2, 4


def fits(source: DataSource, hparams: HParams, shuffle_mib: int) -> bool:
    """Whether `shuffle_mib` is enough to keep all images in memory."""
    return source.records * _COPIES_KEPT <= _images_in(shuffle_mib, hparams)


def shuffle_window(source: DataSource, hparams: HParams, shuffle_mib: int) -> int:
    """The number of images to shuffle at a time if `shuffle_mib` is too small to keep all of them; logs a warning."""
    window = max(_images_in(shuffle_mib, hparams) // _COPIES_STREAMED, hparams.train_batch_size)
    logging.warning(
        'shuffling within %s of %s images: --shuffle_mib=%d allows no more. Data sets of this project are already '
        'shuffled; for records that are sorted by class, raise --shuffle_mib or give --cache',
        f'{window:,}',
        f'{source.records:,}',
        shuffle_mib,
    )
    return window


def _images_in(mib: int, hparams: HParams) -> int:
    return mib * 2**20 // (hparams.image_size**2 * hparams.channels)


def train_input_fn(source: DataSource, window: int, start_step: int, cache: bool) -> InputFn:
    """Returns the input_fn for training.

    Args:
      source: a verified data set.
      window: images to shuffle at a time.
      start_step: the step that training starts from.
      cache: whether to keep all images in memory. The images of each step then depend on the seed and the step alone,
        so a resumed run sees the images that it would have seen without the stop. Otherwise each start shuffles anew.

    Returns:
      A function of TPUEstimator's params. Its data set yields {'images': uint8 [B, H, W, C]} without end; B is always
      params['batch_size'].
    """

    def input_fn(params: dict[str, Any]) -> tf.data.Dataset:
        return _from_memory(source, start_step, params) if cache else _streamed(source, window, start_step, params)

    return input_fn


def eval_input_fn(source: DataSource) -> InputFn:
    """Returns the input_fn for evaluation: the set once, in order, without the last partial batch."""

    def input_fn(params: dict[str, Any]) -> tf.data.Dataset:
        images = _pixels(source, params).rebatch(params['batch_size'], drop_remainder=True)
        return _finished(images.map(lambda pixels: {'images': pixels}), params)

    return input_fn


def null_input_fn(params: dict[str, Any]) -> tf.data.Dataset:
    """The input_fn of --input=null: one batch of zeros, repeated without end at almost no cost."""
    hparams = params['hparams']
    shape = [params['batch_size'], hparams.image_size, hparams.image_size, hparams.channels]
    return tf.data.Dataset.from_tensors({'images': tf.zeros(shape, tf.uint8)}).repeat()


def first_batch(source: DataSource, hparams: HParams, count: int) -> tf.Tensor:
    """The first `count` images of an epoch, uint8 [count, H, W, C], exactly as the model_fn receives them."""
    params = {'hparams': hparams, 'batch_size': count}
    # The whole window is read before the first image comes, so the window of training would take too long.
    window = max(count, min(source.records, _PREVIEW_WINDOW))
    return next(iter(train_input_fn(source, window, start_step=0, cache=False)(params)))['images']


def _from_memory(source: DataSource, start_step: int, params: dict[str, Any]) -> tf.data.Dataset:
    """Batches picked from one uint8 tensor of all images of this host, in a new order each epoch."""
    hparams, batch_size = params['hparams'], params['batch_size']
    host, hosts = _deployment(params)
    count = len(range(host, source.records, hosts))
    # One element; each repetition hands out the same memory.
    images = _pixels(source, params).rebatch(count).take(1).cache().repeat()
    # TPUEstimator takes one batch for each core, and so several per step.
    batches_a_step = max(1, hparams.train_batch_size // (hosts * batch_size))
    seen = start_step * batches_a_step * batch_size
    indices = _permutations(seen, count, hparams.seed).rebatch(batch_size, drop_remainder=True)
    return _finished(tf.data.Dataset.zip((images, indices)).map(_pick, tf.data.AUTOTUNE), params)


def _streamed(source: DataSource, window: int, start_step: int, params: dict[str, Any]) -> tf.data.Dataset:
    """Batches picked from one window of images after another; the shards come in a new order each epoch."""
    seed, batch_size = params['hparams'].seed, params['batch_size']
    batches = max(window // batch_size, 1)  # A window holds whole batches, so that nothing is left over.
    chunks = _pixels(source, params, seed + _SEED_STRIDE * start_step).repeat().prefetch(_CHUNKS_AHEAD)
    windows = chunks.rebatch(batches * batch_size, drop_remainder=True).prefetch(1)

    def draw(number: tf.Tensor, images: tf.Tensor) -> tf.data.Dataset:
        order = tf.reshape(_permutation(batches * batch_size, seed, start_step, number), [batches, batch_size])
        return tf.data.Dataset.range(batches).map(lambda i: _pick(images, order[i]))

    return _finished(windows.enumerate().flat_map(draw), params)


def _permutations(seen: int, count: int, seed: int) -> tf.data.Dataset:
    """A permutation of the numbers below `count` for each epoch, without end; skips the first `seen` numbers."""
    first, offset = divmod(seen, count)

    def epoch(number: tf.Tensor) -> tf.Tensor:
        return _permutation(count, seed, number)[tf.where(tf.equal(number, first), offset, 0) :]

    return tf.data.Dataset.range(first, tf.int64.max).map(epoch)


def _permutation(count: int, seed: int, *numbers: int | tf.Tensor) -> tf.Tensor:
    """A permutation, int64 [count], decided by the seed and the numbers."""
    folded = tf.constant([seed, 0], tf.int64)
    for number in numbers:
        folded = tf.random.experimental.stateless_fold_in(folded, tf.cast(number, tf.int64))
    return tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), folded)


def _pick(images: tf.Tensor, index: tf.Tensor) -> dict[str, tf.Tensor]:
    return {'images': tf.gather(images, index)}


def _finished(dataset: tf.data.Dataset, params: dict[str, Any]) -> tf.data.Dataset:
    """Gives every batch its static shape, which a TPU needs, and prefetches."""
    hparams = params['hparams']
    shape = [params['batch_size'], hparams.image_size, hparams.image_size, hparams.channels]
    dataset = dataset.map(lambda features: {'images': tf.ensure_shape(features['images'], shape)})
    return dataset.prefetch(tf.data.AUTOTUNE)


def _pixels(source: DataSource, params: dict[str, Any], shard_seed: int | None = None) -> tf.data.Dataset:
    """All images of this host once, in chunks uint8 [N, H, W, C] of small, varying N; each host has its own part."""
    hparams = params['hparams']
    host, hosts = _deployment(params)
    files = tf.data.Dataset.from_tensor_slices(list(source.paths))
    if shard_seed is not None:
        files = files.shuffle(len(source.paths), seed=shard_seed)

    def parse(serialized: tf.Tensor) -> tf.Tensor:
        return records.parse_batch(serialized, source.format, hparams.image_size, hparams.channels)

    def read(path: tf.Tensor) -> tf.data.Dataset:
        dataset = tf.data.TFRecordDataset(path, buffer_size=_READ_BUFFER).batch(_CHUNK)
        return dataset.map(parse)

    dataset = files.interleave(
        read, cycle_length=min(_OPEN_SHARDS, len(source.paths)), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    if hosts > 1:  # The number of hosts in a TPU slice is a power of two, so each chunk but the last splits evenly.
        dataset = dataset.rebatch(_CHUNK).map(lambda pixels: pixels[host::hosts])
    return dataset


def _deployment(params: dict[str, Any]) -> tuple[int, int]:
    """The number of this host, and how many hosts there are."""
    if 'context' not in params:  # TPUEstimator's; absent on a CPU.
        return 0, 1
    _, host, hosts, _ = params['context'].current_input_fn_deployment()
    return host, hosts
