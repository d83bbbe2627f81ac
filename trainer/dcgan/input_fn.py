"""The input_fn: records on disk -> shuffled batches of uint8 pixels.

A set that fits into memory is read once and kept as one tensor; a larger one is read again in each epoch, a window at a
time. In both cases records are parsed many at once, and images are picked from a tensor of pixels in random order.
"""

from __future__ import annotations

from typing import Any, Callable

import tensorflow as tf
from absl import logging

from trainer.data.dataset import DataSource
from trainer.dcgan import order, reading
from trainer.dcgan.hparams import HParams
from trainer.dcgan.reading import Batch, Labels

InputFn = Callable[[dict[str, Any]], tf.data.Dataset]

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


def train_input_fn(
    source: DataSource, window: int, start_step: int, cache: bool, labels: Labels | None = None
) -> InputFn:
    """Returns the input_fn for training.

    Args:
      source: a verified data set.
      window: images to shuffle at a time.
      start_step: the step that training starts from.
      cache: whether to keep all images in memory. The images of each step then depend on the seed and the step alone,
        so a resumed run sees the images that it would have seen without the stop. Otherwise each start shuffles anew.
      labels: of a run with classes, which draws images by their weights.

    Returns:
      A function of TPUEstimator's params. Its data set yields a `Batch` without end, of params['batch_size'] images.
    """

    def input_fn(params: dict[str, Any]) -> tf.data.Dataset:
        if not cache:
            return _streamed(source, window, start_step, params, labels)
        if labels:
            return _weighted_from_memory(source, start_step, params, labels)
        return _from_memory(source, start_step, params)

    return input_fn


def eval_input_fn(source: DataSource, labels: Labels | None = None) -> InputFn:
    """Returns the input_fn for evaluation: the set once, in order, without the last partial batch."""

    def input_fn(params: dict[str, Any]) -> tf.data.Dataset:
        return _finished(
            reading.read(source, params, labels).rebatch(params['batch_size'], drop_remainder=True), params
        )

    return input_fn


def null_input_fn(params: dict[str, Any]) -> tf.data.Dataset:
    """The input_fn of --input=null: one batch of zeros, repeated without end at almost no cost."""
    hparams = params['hparams']
    shape = [params['batch_size'], hparams.image_size, hparams.image_size, hparams.channels]
    labels = {'labels': tf.zeros(shape[:1], tf.int32)} if hparams.classes else {}
    return tf.data.Dataset.from_tensors({'images': tf.zeros(shape, tf.uint8), **labels}).repeat()


def first_batch(source: DataSource, hparams: HParams, count: int, labels: Labels | None = None) -> Batch:
    """The first `count` images of an epoch, with their labels if given, exactly as the model_fn receives them."""
    params = {'hparams': hparams, 'batch_size': count}
    # The whole window is read before the first image comes, so the window of training would take too long.
    window = max(count, min(source.records, _PREVIEW_WINDOW))
    return next(iter(train_input_fn(source, window, start_step=0, cache=False, labels=labels)(params)))


def _from_memory(source: DataSource, start_step: int, params: dict[str, Any]) -> tf.data.Dataset:
    """Batches picked from one uint8 tensor of all images of this host, in a new order each epoch."""
    records, count = _in_memory(source, params, None)
    batch_size = params['batch_size']
    seen = _batches_seen(start_step, params) * batch_size
    indices = order.permutations(seen, count, params['hparams'].seed).rebatch(batch_size, drop_remainder=True)
    return _finished(tf.data.Dataset.zip((records, indices)).map(_pick, tf.data.AUTOTUNE), params)


def _weighted_from_memory(
    source: DataSource, start_step: int, params: dict[str, Any], labels: Labels
) -> tf.data.Dataset:
    """The same, drawn by the weights of the classes; what does not fill a batch is left out of its epoch."""
    records, count = _in_memory(source, params, labels)
    batches = max(1, count // params['batch_size'])
    first, offset = divmod(_batches_seen(start_step, params), batches)

    def draw(epoch: tf.Tensor, records: Batch) -> tf.data.Dataset:
        begin = tf.where(tf.equal(epoch, first), tf.constant(offset, tf.int64), 0)
        return _batches(records, batches, params, labels, epoch).skip(begin)

    return _finished(records.enumerate(first).flat_map(draw), params)


def _in_memory(source: DataSource, params: dict[str, Any], labels: Labels | None) -> tuple[tf.data.Dataset, int]:
    """All images of this host as one element that comes again and again, in the same memory; and their number."""
    host, hosts = reading.deployment(params)
    count = len(range(host, source.records, hosts))
    return reading.read(source, params, labels).rebatch(count).take(1).cache().repeat(), count


def _batches_seen(start_step: int, params: dict[str, Any]) -> int:
    """Batches that this host has handed out before a step. TPUEstimator takes one for each core, several per step."""
    _, hosts = reading.deployment(params)
    return start_step * max(1, params['hparams'].train_batch_size // (hosts * params['batch_size']))


def _streamed(
    source: DataSource, window: int, start_step: int, params: dict[str, Any], labels: Labels | None
) -> tf.data.Dataset:
    """Batches picked from one window of images after another; the shards come in a new order each epoch."""
    seed, batch_size = params['hparams'].seed, params['batch_size']
    batches = max(window // batch_size, 1)  # A window holds whole batches, so that nothing is left over.
    chunks = reading.read(source, params, labels, seed + _SEED_STRIDE * start_step).repeat().prefetch(_CHUNKS_AHEAD)
    windows = chunks.rebatch(batches * batch_size, drop_remainder=True).prefetch(1)

    def draw(number: tf.Tensor, records: Batch) -> tf.data.Dataset:
        return _batches(records, batches, params, labels, start_step, number)

    return _finished(windows.enumerate().flat_map(draw), params)


def _batches(
    records: Batch, batches: int, params: dict[str, Any], labels: Labels | None, *numbers: int | tf.Tensor
) -> tf.data.Dataset:
    """Batches of some records in an order decided by the seed and the numbers."""
    count, seed = batches * params['batch_size'], params['hparams'].seed
    if labels:
        drawn = order.weighted(tf.gather(labels.weights, records['labels'] + 1), seed, *numbers)[:count]
    else:
        drawn = order.permutation(count, seed, *numbers)
    drawn = tf.reshape(drawn, [batches, params['batch_size']])
    return tf.data.Dataset.range(batches).map(lambda i: _pick(records, drawn[i]))


def _pick(records: Batch, index: tf.Tensor) -> Batch:
    return {name: tf.gather(values, index) for name, values in records.items()}


def _finished(dataset: tf.data.Dataset, params: dict[str, Any]) -> tf.data.Dataset:
    """Gives every batch its static shape, which a TPU needs, and prefetches."""
    hparams = params['hparams']
    shapes = {'images': [hparams.image_size, hparams.image_size, hparams.channels], 'labels': []}

    def ensure(batch: Batch) -> Batch:
        return {name: tf.ensure_shape(value, [params['batch_size'], *shapes[name]]) for name, value in batch.items()}

    return dataset.map(ensure).prefetch(tf.data.AUTOTUNE)
