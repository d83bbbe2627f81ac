"""One whole run: check the data, train, draw, evaluate, export; resume from wherever the last run ended."""

from __future__ import annotations

import os

import tensorflow as tf
import tensorflow.compat.v1 as v1
from absl import logging

from trainer import checkpoints, dataset, errors, export, inputs, manifest, model, samples
from trainer import hparams as hparams_file
from trainer.dataset import DataSource
from trainer.hparams import HParams
from trainer.options import DataOptions, RunOptions, TpuOptions
from trainer.progress import ProgressHook
from trainer.signals import GracefulStop, StopHook

tpu = v1.estimator.tpu

EXPORT_FOLDER = 'saved_model'


def run(hparams: HParams, data: DataOptions, options: RunOptions, machine: TpuOptions) -> int:
    """Trains from the newest checkpoint in model_dir, or from scratch, to `train_steps`.

    Returns:
      The exit code: 0, or 128 + the signal that ended the run early.

    Raises:
      errors.UserError: the data, the flags and model_dir do not fit together, or training diverged.
    """
    checkpoint = checkpoints.recover(options.model_dir)
    start_step = checkpoints.step_of(checkpoint)
    if checkpoint:
        hparams_file.check_change(options.model_dir, hparams)
    if start_step >= hparams.train_steps:
        logging.info('%s is finished at step %d: raise --train_steps to go on', options.model_dir, start_step)
        _finish(hparams, options.model_dir)
        return 0
    source, holdout = _open_data(hparams, data)
    hparams_file.write(options.model_dir, hparams)
    if start_step:
        logging.info('resuming %s at step %d', options.model_dir, start_step)
    count = min(options.sample_count, source.records)
    samples.write_real(options.model_dir, inputs.first_batch(source, hparams, count))
    with GracefulStop() as stop:
        try:
            _train(hparams, data, options, machine, source, holdout, stop)
        except tf.errors.DataLossError as error:
            reason = str(error).splitlines()[0]
            raise errors.DataError(f'a record is damaged ({reason}): find its shard with --verify_data=full') from error
        if stop.signum:
            logging.info('stopped; the same command resumes')
            return stop.exit_code
    _finish(hparams, options.model_dir)
    return 0


def make_estimator(
    hparams: HParams, options: RunOptions, machine: TpuOptions, eval_batch_size: int
) -> v1.estimator.tpu.TPUEstimator:
    """The TPUEstimator of this run, on a TPU or on this machine."""
    session_config = v1.ConfigProto()
    # Grappler's remapper fails on BiasAdd -> LeakyRelu with a gradient, and is worth nothing here.
    session_config.graph_options.rewrite_options.remapping = 2  # OFF
    config = tpu.RunConfig(
        cluster=_cluster(machine),
        model_dir=options.model_dir,
        tf_random_seed=hparams.seed,
        save_checkpoints_steps=options.checkpoint_steps,
        save_summary_steps=options.log_steps,
        keep_checkpoint_max=options.keep_checkpoints,
        log_step_count_steps=None,  # ProgressHook says more.
        session_config=session_config,
        tpu_config=tpu.TPUConfig(
            iterations_per_loop=machine.iterations_per_loop if machine.use_tpu else 1,
            per_host_input_for_training=tpu.InputPipelineConfig.PER_HOST_V2,
        ),
    )
    return tpu.TPUEstimator(
        model.model_fn,
        config=config,
        params={'hparams': hparams},
        use_tpu=machine.use_tpu,
        train_batch_size=hparams.train_batch_size,
        eval_batch_size=eval_batch_size,
        predict_batch_size=hparams.train_batch_size,
        eval_on_tpu=machine.use_tpu,
        export_to_tpu=False,
    )


def _cluster(machine: TpuOptions) -> tf.distribute.cluster_resolver.TPUClusterResolver | None:
    if not machine.use_tpu:
        return None
    return tf.distribute.cluster_resolver.TPUClusterResolver(
        machine.tpu, zone=machine.tpu_zone or None, project=machine.gcp_project or None
    )


def _open_data(hparams: HParams, data: DataOptions) -> tuple[DataSource, DataSource | None]:
    """The verified training set, and the hold-out if there is one."""
    source = _verified(data.train_data, manifest.TRAIN, hparams, data)
    if source is None:
        raise errors.DataError(f'{data.train_data} has no training images: convert them again')
    logging.info('%s training images in %d shards', f'{source.records:,}', len(source.paths))
    if source.records < hparams.train_batch_size:
        raise errors.DataError(
            f'{data.train_data} holds {source.records} training images, fewer than --train_batch_size='
            f'{hparams.train_batch_size}: give a batch of at most {source.records}, or more images'
        )
    named = data.holdout_data or data.train_data
    if not data.holdout_data and not tf.io.gfile.isdir(named):
        return source, None
    return source, _verified(named, manifest.HOLDOUT, hparams, data)


def _verified(name: str, split: str, hparams: HParams, data: DataOptions) -> DataSource | None:
    shards = dataset.find(name, split)
    if not shards:
        return None
    return dataset.verify(shards, hparams.image_size, hparams.channels, data.record_layout, data.verify_data)


def _train(
    hparams: HParams,
    data: DataOptions,
    options: RunOptions,
    machine: TpuOptions,
    source: DataSource,
    holdout: DataSource | None,
    stop: GracefulStop,
) -> None:
    """Trains from one evaluation to the next; in between, checkpoints and sample grids are drawn as they fall due."""
    eval_batch_size = min(hparams.train_batch_size, holdout.records) if holdout else hparams.train_batch_size
    estimator = make_estimator(hparams, options, machine, eval_batch_size)
    buffer = inputs.shuffle_records(source, hparams, data.shuffle_mib)
    listener = samples.SampleListener(hparams, options.model_dir, options.sample_count, options.sample_steps)
    hooks = [ProgressHook(hparams, options.model_dir, source.records, options.log_steps), StopHook(stop)]
    step = checkpoints.step_of(tf.train.latest_checkpoint(options.model_dir) or '')
    while step < hparams.train_steps and not stop.signum:
        target = hparams.train_steps
        if holdout and options.eval_steps:
            target = min(target, (step // options.eval_steps + 1) * options.eval_steps)
        input_fn = inputs.train_input_fn(source, buffer, step, data.cache)
        estimator.train(input_fn, hooks=hooks, max_steps=target, saving_listeners=[listener])
        step = checkpoints.step_of(estimator.latest_checkpoint())
        if holdout and options.eval_steps and not stop.signum:
            _evaluate(estimator, holdout, eval_batch_size, step, stop)


def _evaluate(
    estimator: v1.estimator.tpu.TPUEstimator, holdout: DataSource, batch_size: int, step: int, stop: GracefulStop
) -> None:
    steps = holdout.records // batch_size
    results = estimator.evaluate(inputs.eval_input_fn(holdout), steps=steps, hooks=[StopHook(stop)])
    if stop.signum:  # It ended early: its means are of some batches only.
        return
    logging.info(
        'hold-out at step %d: %d images, D(real) %.2f, D(fake) %.2f, loss %.3f',
        step,
        steps * batch_size,
        results['D(real)'],
        results['D(fake)'],
        results['loss'],
    )


def _finish(hparams: HParams, model_dir: str) -> None:
    """Writes what a finished run leaves behind: the exported generator, and the film of its grids."""
    exported = os.path.join(model_dir, EXPORT_FOLDER)
    checkpoint = tf.train.latest_checkpoint(model_dir)
    export.export(hparams, checkpoint, exported)
    gif = samples.write_gif(model_dir)
    logging.info('pictures: %s, %s', samples.grid_path(model_dir, checkpoints.step_of(checkpoint)), gif)
    logging.info('generator: %s (python -m trainer.generate --model_dir=%s --count=16)', exported, model_dir)
