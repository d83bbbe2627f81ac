"""The signatures of the exported generator: what it takes and gives, by name, in any program that loads it."""

from __future__ import annotations

import math

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.data import images
from trainer.dcgan import conditioning, noise
from trainer.dcgan.conditioning import Classes
from trainer.dcgan.hparams import HParams
from trainer.generator import weights

NOISE, SEEDS, PNG = 'serving_default', 'seeds', 'png'
# Only of a generator with classes.
LABELLED, LABELLED_PNG, CLASSES, LABELS = 'labelled', 'labelled_png', 'classes', 'labels'
IMAGES = 'images'
# TensorFlow Serving's REST API, and with it the prebuilt containers of Vertex AI, send an output in base64 if its name
# ends so (https://www.tensorflow.org/tfx/serving/api_rest#encoding_binary_values).
PNGS = 'image_bytes'
# Of an exported generator, whatever its version: earlier ones have no PNG.
ALWAYS = {NOISE: {'noise'}, SEEDS: {'seed', 'count'}}

_signature = v1.saved_model.signature_def_utils.predict_signature_def


def build(hparams: HParams, classes: Classes | None) -> dict:
    """Builds the generator in the default graph, and the signatures that `saved_model.export` lists.

    Returns:
      SignatureDefs by name.
    """

    def generate(vectors: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        none = tf.zeros([tf.shape(vectors)[0], 0])
        of_class = none if labels is None else conditioning.one_hot(labels, hparams.classes)
        return images.to_uint8(weights.generator(vectors, of_class, hparams))

    vectors = v1.placeholder(tf.float32, [None, hparams.noise_dim], 'noise')
    # Of any shape, because Vertex AI's prebuilt containers make one vector of the numbers of all instances.
    seed, count, label = (v1.placeholder(tf.int32, None, name) for name in ('seed', 'count', 'label'))
    seeds = _all_of(seed, count)
    noise_of_seeds = noise.from_seeds(seeds, hparams.noise_dim)
    # The first number of the noise also decides the class, because there is no other number to decide it.
    by_noise = conditioning.at_quantile(_normal_cdf(vectors[:, 0]), classes.shares) if classes else None
    by_seed = conditioning.draw(seeds, classes.shares) if classes else None
    of_seeds, chosen = generate(noise_of_seeds, by_seed), {'seed': seed, 'count': count}
    found = {
        NOISE: _signature({'noise': vectors}, {IMAGES: generate(vectors, by_noise)}),
        SEEDS: _signature(chosen, {IMAGES: of_seeds}),
        PNG: _signature(chosen, {PNGS: _pngs(of_seeds)}),
    }
    if not classes:
        return found
    labels = v1.placeholder(tf.int32, [None], 'labels')
    of_class = v1.placeholder(tf.float32, [None, hparams.classes], 'classes')
    of_classes = images.to_uint8(weights.generator(vectors, of_class, hparams))
    names = tf.constant(['', *classes.names])
    counts = tf.constant([classes.unlabelled, *classes.images], tf.int32)
    known = {'name': tf.gather(names, labels + 1), 'count': tf.gather(counts, labels + 1)}
    of_label = generate(noise_of_seeds, tf.repeat(_flat(label), _flat(count)))
    return {
        **found,
        LABELLED: _signature({**chosen, 'label': label}, {IMAGES: of_label}),
        LABELLED_PNG: _signature({**chosen, 'label': label}, {PNGS: _pngs(of_label)}),
        CLASSES: _signature({'noise': vectors, 'classes': of_class}, {IMAGES: of_classes}),
        LABELS: _signature({'label': labels}, known),
    }


def _all_of(first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """`count` numbers from `first` on, for each pair of them: int32 of one shape -> int32 [N]."""
    begin = _flat(first)
    return tf.ragged.range(begin, begin + _flat(count)).flat_values


def _flat(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1])


def _pngs(pixels: tf.Tensor) -> tf.Tensor:
    """uint8 [N, H, W, C] -> string [N]."""
    return tf.map_fn(tf.io.encode_png, pixels, fn_output_signature=tf.TensorSpec([], tf.string))


def _normal_cdf(x: tf.Tensor) -> tf.Tensor:
    return 0.5 * (1.0 + tf.math.erf(x / math.sqrt(2.0)))
