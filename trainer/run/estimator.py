"""Configures the TPUEstimator of a run; no other module does."""

from __future__ import annotations

import tensorflow.compat.v1 as v1
from tensorflow.python.training import monitored_session
from tensorflow_estimator.python.estimator.tpu import error_handling

from trainer.dcgan import model_fn
from trainer.dcgan.hparams import HParams
from trainer.filesystem.pattern_free import plain
from trainer.machine import schedule
from trainer.machine.preparation import Machine
from trainer.model_dir import event_log
from trainer.options import RunOptions
from trainer.pjrt import lowering
from trainer.pjrt.device import Device
from trainer.pjrt.estimator import DeviceEstimator

tpu = v1.estimator.tpu

# A storage error that outlasts TensorFlow's own retries becomes an AbortedError. MonitoredSession would restore and
# retry for ever without logging it, and TPUEstimator would drop it and return as if it had trained. With these
# settings the error ends the process, and the next start resumes.
monitored_session._PREEMPTION_ERRORS = ()
error_handling._IGNORED_ERRORS = ()


def make_estimator(
    hparams: HParams, options: RunOptions, machine: Machine, eval_batch_size: int, summary_dir: str = ''
) -> v1.estimator.tpu.TPUEstimator | DeviceEstimator:
    """The Estimator of a run on `machine`; writes the scalars of each step to `summary_dir` or --tensorboard_dir."""
    session_config = v1.ConfigProto()
    # Grappler's remapper fails on BiasAdd -> LeakyRelu with a gradient, and gains nothing here.
    session_config.graph_options.rewrite_options.remapping = 2  # OFF
    config = tpu.RunConfig(
        cluster=machine.cluster,
        model_dir=plain(options.model_dir),
        tf_random_seed=hparams.seed,
        save_checkpoints_steps=options.checkpoint_steps,
        save_summary_steps=options.log_steps,
        keep_checkpoint_max=options.keep_checkpoints,
        checkpoint_save_graph_def=False,  # Nothing reads the .meta file of a checkpoint.
        log_step_count_steps=None,  # ProgressHook logs more.
        session_config=session_config,
        tpu_config=tpu.TPUConfig(
            iterations_per_loop=machine.iterations_per_loop or 1,
            per_host_input_for_training=tpu.InputPipelineConfig.PER_HOST_V2,
        ),
    )
    arguments = {
        'config': config,
        'params': {'hparams': hparams, 'writer': event_log.writer_of_steps(summary_dir or options.tensorboard_dir)},
        'train_batch_size': hparams.train_batch_size,
        'eval_batch_size': eval_batch_size,
        'predict_batch_size': hparams.train_batch_size,
        'export_to_tpu': False,
    }
    if machine.devices:
        step = lowering.lower(hparams, len(machine.devices), machine.for_tpu)
        most = schedule.MOST_ON_A_CPU if machine.trains_in_host_memory else schedule.MOST_STEPS_A_VISIT
        steps = machine.iterations_per_loop or schedule.steps_a_visit(options, step.image_bytes, most)
        return DeviceEstimator(Device(step, machine.devices, steps), **arguments)
    return tpu.TPUEstimator(model_fn.model_fn, use_tpu=machine.use_tpu, eval_on_tpu=machine.use_tpu, **arguments)
