"""Estimator's side: TPUEstimator on the host, whose train_op is a visit to the devices."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, Callable

import tensorflow as tf
import tensorflow.compat.v1 as v1
from absl import logging

from trainer import errors
from trainer.dcgan import model_fn, scalars
from trainer.dcgan.input_fn import InputFn
from trainer.pjrt import private
from trainer.pjrt.device import Device

tpu = v1.estimator.tpu


class DeviceEstimator:
    """A TPUEstimator that trains on PJRT devices and does all else, evaluation included, on the host.

    It has one because an Estimator does not let a subclass change `train`.
    """

    def __init__(self, device: Device, **arguments: Any):
        """Takes the devices and the arguments of a TPUEstimator."""
        self._estimator = tpu.TPUEstimator(model_fn_on(device), use_tpu=False, eval_on_tpu=False, **arguments)
        self._device = device
        self.evaluate = self._estimator.evaluate

    def train(
        self,
        input_fn: InputFn,
        hooks: Sequence[v1.train.SessionRunHook] = (),
        *,
        max_steps: int,
        saving_listeners: Sequence[v1.train.CheckpointSaverListener] = (),
    ) -> None:
        """Trains to step `max_steps`; see TPUEstimator.

        Raises:
          errors.UserError: the devices lack the memory for the step.
          errors.Transient: they have failed.
        """
        device, config = self._device, self._estimator.config
        device.begin(max_steps)
        saver = private.saver_of_visits(config.model_dir, config.save_checkpoints_steps, device.steps)
        own = [_StateHook(device), _LastStepHook(max_steps), saver]
        with _explained(device):
            self._estimator.train(
                lambda params: _on_their_way(input_fn(params), device),
                hooks=[*hooks, *own],
                max_steps=max_steps,
                saving_listeners=[_StateListener(device), *saving_listeners],  # The others look at what it brings.
            )


def _on_their_way(batches: tf.data.Dataset, device: Device) -> tf.data.Dataset:
    """Turns batches into visits, int64 [steps] numbers of batches sent to the devices ahead of their use."""

    def put(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        number = tf.numpy_function(device.put, [features[value.name] for value in device.program.inputs], tf.int64)
        return {'visit': tf.ensure_shape(number, [])}

    return batches.map(put).batch(device.steps, drop_remainder=True).prefetch(1)


def model_fn_on(device: Device) -> Callable:
    """The model_fn of `trainer.dcgan`, with a train_op that visits `device`."""

    def visiting_model_fn(
        features: dict[str, tf.Tensor], labels: None, mode: str, params: dict[str, Any], config: Any
    ) -> v1.estimator.tpu.TPUEstimatorSpec:
        if mode != tf.estimator.ModeKeys.TRAIN:
            return model_fn.model_fn(features, labels, mode, params, config)
        # Makes the variables, with the initial values that they have on a CPU. This step itself is never run.
        inputs = {value.name: tf.zeros(value.shape, value.dtype) for value in device.program.inputs}
        model_fn.training_step(inputs, params)
        return _visiting_spec(features['visit'], device, params, config)

    return visiting_model_fn


def _visiting_spec(
    visit: tf.Tensor, device: Device, params: dict[str, Any], config: v1.estimator.tpu.RunConfig
) -> v1.estimator.tpu.TPUEstimatorSpec:
    global_step = v1.train.get_global_step()
    names = device.program.scalars
    taken, *values = tf.numpy_function(
        device.visit, [visit, global_step.read_value()], [tf.int64, *[tf.float32] * len(names)]
    )
    found = {name: tf.ensure_shape(value, []) for name, value in zip(names, values)}
    scalars.collect(found)
    after = tf.identity(global_step.assign_add(tf.ensure_shape(taken, [])))
    loss = found['discriminator_loss'] + found['generator_loss']
    return model_fn.train_spec(model_fn.TrainingStep(loss, after, found), params, config)


class _StateHook(v1.train.SessionRunHook):
    """Sends the variables to the devices once a session has initialised or restored them."""

    def __init__(self, device: Device):
        self._device = device

    def begin(self) -> None:
        """See the base class."""
        self._variables = _variables_of(self._device)

    def after_create_session(self, session: v1.Session, coord: tf.train.Coordinator) -> None:
        """See the base class."""
        self._device.load(session.run(self._variables))

    def before_run(self, _: v1.train.SessionRunContext) -> None:
        """See the base class. Compiles here because the watchdog waits longer for a session's first call."""
        self._device.compile()


class _StateListener(v1.train.CheckpointSaverListener):
    """Brings the variables back before they are saved."""

    def __init__(self, device: Device):
        self._device = device

    def begin(self) -> None:
        """See the base class."""
        self._variables = _variables_of(self._device)

    def before_save(self, session: v1.Session, global_step_value: int) -> None:
        """See the base class."""
        if not self._device.moved:
            return
        began = time.monotonic()
        values = self._device.values()
        initializers = {name: variable.initializer for name, variable in self._variables.items()}
        # All in one call: the second input of an initializer is the value that it assigns.
        session.run(list(initializers.values()), {op.inputs[1]: values[name] for name, op in initializers.items()})
        logging.debug('variables brought back in %.2f s', time.monotonic() - began)


class _LastStepHook(v1.train.SessionRunHook):
    """Ends the session at the last step. Estimator's own hook takes each call for one step, and ends a visit late."""

    def __init__(self, last_step: int):
        self._last_step = last_step

    def begin(self) -> None:
        """See the base class."""
        self._global_step = v1.train.get_global_step()

    def after_run(self, run_context: v1.train.SessionRunContext, _: v1.train.SessionRunValues) -> None:
        """See the base class."""
        if run_context.session.run(self._global_step) >= self._last_step:
            run_context.request_stop()


def _variables_of(device: Device) -> dict[str, tf.Variable]:
    named = {variable.op.name: variable for variable in v1.global_variables()}
    return {variable.name: named[variable.name] for variable in device.program.variables}


@contextlib.contextmanager
def _explained(device: Device) -> Iterator[None]:
    """Turns a failure of the devices into an error of one line."""
    try:
        yield
    except Exception as error:
        failure = device.failure or error
        if type(failure).__name__ not in ('XlaRuntimeError', 'JaxRuntimeError'):
            raise
        reason = errors.one_line(str(failure))[:300]
        if 'RESOURCE_EXHAUSTED' in reason:
            raise errors.UserError(
                f'the step does not fit into the memory of a device ({reason}): lower --train_batch_size or '
                '--base_filters, or take more devices'
            ) from error
        raise errors.Transient(f'the devices have failed ({reason}): run the same command again') from error
