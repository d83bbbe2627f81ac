from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from tests.conftest import SHIPPED, tiny_hparams
from tests.dcgan.test_model_fn import TRAIN, build, run_steps
from trainer.dcgan import ema, networks, noise
from trainer.dcgan.updates import Updates
from trainer.generator.sampler import CheckpointGenerator


@pytest.mark.parametrize('half_life_kimg, half_lives', [(1000.0, (2.0, 4.0, 6.0)), (0.003, (2.0, 3.0, 3.0))])
def test_the_average_follows_its_formula(half_life_kimg, half_lives):
    """With batches of 40 images, 5 % of the images seen are 2, 4, 6."""
    values = [1.0, -2.0, 5.0]
    with tf.Graph().as_default(), v1.Session() as session:
        weight = v1.get_variable('weight', [1])
        step, value = v1.placeholder(tf.int64, []), v1.placeholder(tf.float32, [1])
        with tf.control_dependencies([weight.assign(value)]):
            update = ema.update([weight], step, batch_size=40, half_life_kimg=half_life_kimg)
        (average,) = (variable for variable in v1.global_variables() if variable.op.name == ema.name_of(weight.op.name))
        session.run(v1.global_variables_initializer())
        expected = 0.0
        for number, (now, half_life) in enumerate(zip(values, half_lives)):
            session.run(update, {step: number, value: [now]})
            expected += (1 - 0.5 ** (40 / half_life)) * (now - expected)
            assert session.run(average)[0] == pytest.approx(expected, rel=1e-5)


def test_every_weight_of_the_generator_is_averaged_after_it_moved(tmp_path):
    """After the first step the EMA is almost equal to the weight itself."""
    _, _, after = run_steps(tmp_path, steps=1, **SHIPPED)
    names = [name for name in after if name.startswith('average/')]
    moved = [name for name in after if name.startswith('generator_optimizer/') and name.endswith('/Adam')]
    assert len(names) == len(moved) > 0
    for name in names:
        np.testing.assert_allclose(after[name], after[name[len('average/') :]], rtol=1e-4, atol=1e-6, err_msg=name)


def checkpoint(tmp_path, steps: int, **changes) -> str:
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(1)
        train_op = build(TRAIN, tmp_path, **changes).train_op
        session.run(v1.global_variables_initializer())
        for _ in range(steps):
            session.run(train_op)
        return v1.train.Saver().save(session, str(tmp_path / 'model.ckpt'), global_step=steps)


def reference_pictures(path: str, prefix: str, vectors: np.ndarray) -> np.ndarray:
    """Pictures from one set of weights, with batch norm's moments over 1,024 images computed independently."""
    hparams, reader = tiny_hparams(), tf.train.load_checkpoint(path)
    with tf.Graph().as_default(), v1.Session() as session:
        pictures = networks.generator(tf.constant(vectors), hparams.architecture)
        numbers = range(16)
        z = [tf.random.stateless_normal([64, hparams.noise_dim], [number, 2]) for number in numbers]
        passes = [Updates() for _ in numbers]
        for one, updates in zip(z, passes):
            networks.generator(one, hparams.architecture, updates)
        for variable in v1.trainable_variables():
            session.run(variable.assign(reader.get_tensor(prefix + variable.op.name)))
        found = session.run([updates.batch_values() for updates in passes])
        for variable in v1.global_variables():
            if 'moving_mean' in variable.name:
                session.run(variable.assign(np.mean([one[variable.name] for one in found], axis=0)))
            if 'moving_variance' in variable.name:
                means = [one[variable.name.replace('variance', 'mean')] for one in found]
                variance = np.mean([one[variable.name] for one in found], axis=0) + np.var(means, axis=0)
                session.run(variable.assign(variance))
        return session.run(tf.cast(tf.round((pictures + 1) * 127.5), tf.uint8))


def test_pictures_are_of_the_average_with_moments_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(ema, '_RAMP_UP', 2.0)  # So that the EMA is far from the last weights after three steps.
    path = checkpoint(tmp_path, 3, learning_rate=0.02, ema_half_life_kimg=10.0)
    vectors = noise.from_seeds(tf.range(8), 8).numpy()
    made = CheckpointGenerator(tiny_hparams()).restore(path).images(vectors)
    averaged, last = (reference_pictures(path, prefix, vectors) for prefix in ('average/', ''))
    assert np.abs(made.astype(int) - averaged).max() <= 1
    assert np.abs(made.astype(int) - last).max() > 1


def test_without_an_average_pictures_are_of_the_last_weights(tmp_path):
    """They also use the moving averages of batch norm, as before the EMA existed."""
    path = checkpoint(tmp_path, 3, learning_rate=0.02, ema_half_life_kimg=0.0)
    vectors = noise.from_seeds(tf.range(8), 8).numpy()
    hparams = tiny_hparams(ema_half_life_kimg=0.0)
    made = CheckpointGenerator(hparams).restore(path).images(vectors)
    with tf.Graph().as_default(), v1.Session() as session:
        pictures = networks.generator(tf.constant(vectors), hparams.architecture)
        v1.train.Saver().restore(session, path)
        expected = session.run(tf.cast(tf.round((pictures + 1) * 127.5), tf.uint8))
    assert np.abs(made.astype(int) - expected).max() <= 1
