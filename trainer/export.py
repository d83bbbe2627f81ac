"""Exports the generator as a SavedModel that needs nothing of this project to load."""

from __future__ import annotations

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer import images, networks, noise
from trainer.generator_weights import GeneratorWeights
from trainer.hparams import HParams

_signature = v1.saved_model.signature_def_utils.predict_signature_def


def export(hparams: HParams, checkpoint: str, path: str) -> None:
    """Writes the generator of `checkpoint` to the folder `path`, replacing what is there.

    The model loads with `tf.saved_model.load(path)` and has two signatures:
      serving_default: noise, float32 [N, noise_dim] -> images, uint8 [N, H, W, C]
      seeds: seed and count, int32 scalars -> images, uint8 [count, H, W, C], of seeds seed, seed + 1, ...
    """
    temporary = f'{path}.tmp'
    if tf.io.gfile.exists(temporary):
        tf.io.gfile.rmtree(temporary)
    with tf.Graph().as_default(), v1.Session() as session:
        signatures = _signatures(hparams)
        GeneratorWeights(hparams).load(session, checkpoint)
        builder = v1.saved_model.Builder(temporary)
        builder.add_meta_graph_and_variables(session, [tf.saved_model.SERVING], signatures)
        builder.save()
    if tf.io.gfile.exists(path):
        tf.io.gfile.rmtree(path)
    tf.io.gfile.rename(temporary, path)


def _signatures(hparams: HParams) -> dict:
    def generate(vectors: tf.Tensor) -> dict[str, tf.Tensor]:
        return {'images': images.to_uint8(networks.generator(vectors, hparams.architecture))}

    vectors = v1.placeholder(tf.float32, [None, hparams.noise_dim], 'noise')
    seed, count = (v1.placeholder(tf.int32, [], name) for name in ('seed', 'count'))
    of_seeds = generate(noise.from_seeds(tf.range(seed, seed + count), hparams.noise_dim))
    return {
        'serving_default': _signature({'noise': vectors}, generate(vectors)),
        'seeds': _signature({'seed': seed, 'count': count}, of_seeds),
    }
