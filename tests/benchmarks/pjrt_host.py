"""What --runtime=pjrt costs the host: by itself, for the images, and for the variables of a checkpoint.

  python -m tests.benchmarks.pjrt_host        after make dev, with Python 3.10 or 3.11

The devices take steps that do nothing here, so all time is the host's. First with 8 images a step, for what a call from
TensorFlow and the hooks of a run cost; it is the devices that wait for that. Then with 1,024 images, for what the
pipeline can put on a device: that runs beside the steps, and matters where it is slower than they are. Last, how long
the variables take on their way back, which happens at each checkpoint.
"""

from __future__ import annotations

import os
import pathlib
import statistics
import tempfile
import time
from unittest import mock

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer import quiet
from trainer.dcgan.hparams import HParams
from trainer.machine import schedule
from trainer.machine.options import MachineOptions
from trainer.options import RunOptions
from trainer.pjrt import estimator as pjrt_estimator
from trainer.pjrt import lowering
from trainer.pjrt.device import Device, arguments
from trainer.run import device_timing, estimator, progress

CALLS, REPEATS = 60, 3
# The compiler's estimate of a v5e's step at 64 px is in docs/tpu.md.


class IdleDevice(Device):
    """Gets the arguments of a step and gives its results, and computes nothing."""

    def compile(self) -> None:
        if self._visit is None:

            def nothing(variables, count, batches):
                sums = self._jax.numpy.zeros([self.program.replicas, len(self.program.scalars)], np.float32)
                return variables, sums + count

            lowered = self._jax.jit(nothing, donate_argnums=0).lower(
                *arguments(self.program, self._sharding, self.steps)
            )
            self._visit = lowered.compile()


def host_ms(size: int, batch: int, steps: int, replicas: int = 1) -> float:
    """Milliseconds a step of a run whose devices do nothing, with so many steps in a visit."""
    hparams = HParams(image_size=size, channels=3, train_batch_size=batch, train_steps=CALLS * steps, augment='none')
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(estimator, 'Device', IdleDevice):
        kept: list[progress.ProgressHook] = []
        make = device_timing.ProgressHook

        def noting(*arguments):
            kept.append(make(*arguments))
            return kept[-1]

        with mock.patch.object(device_timing, 'ProgressHook', noting):
            options = RunOptions(os.path.join(folder, 'run'), log_steps=200 * steps)
            device_timing.time_device(
                hparams, options, MachineOptions(runtime='pjrt', replicas=replicas, iterations_per_loop=steps)
            )
    return 1e3 * batch / kept[0].images_per_s


def seconds_back(size: int) -> tuple[float, float]:
    """Megabytes of all variables, and the median of the seconds that they take into TensorFlow's."""
    import jax

    hparams = HParams(image_size=size, channels=3, base_filters=64, train_batch_size=16, augment='none')
    step = lowering.lower(hparams, 1)
    device = Device(step, jax.devices()[:1])
    device.load({variable.name: np.zeros(variable.shape, variable.dtype) for variable in step.variables})
    listener, taken = pjrt_estimator._StateListener(device), []
    with tf.Graph().as_default(), v1.Session() as session:
        for variable in step.variables:
            v1.get_variable(variable.name, variable.shape, variable.dtype, v1.zeros_initializer(), use_resource=True)
        session.run(v1.global_variables_initializer())
        listener.begin()
        for _ in range(REPEATS):
            device.moved, began = True, time.perf_counter()
            listener.before_save(session, 0)
            taken.append(time.perf_counter() - began)
    return sum(np.prod(v.shape) * np.dtype(v.dtype).itemsize for v in step.variables) / 1e6, statistics.median(taken)


def main() -> None:
    import jax

    jax.config.update('jax_num_cpu_devices', 4)
    quiet.quieten_tensorflow()
    cpu = next(line for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines() if 'model name' in line)
    print(f'{os.cpu_count()} cores of {cpu.split(":")[1].strip()}')
    for size in (32, 64, 128):
        automatic = schedule.steps_a_visit(RunOptions('run'), 1024 * size * size * 3)
        alone, many, images = host_ms(size, 8, 1), host_ms(size, 8, automatic), host_ms(size, 1024, automatic)
        four = host_ms(size, 8, automatic, replicas=4)
        print(
            f'{size} px: {alone:.2f} ms a step with 1 step a visit, {many:.2f} with {automatic}, {four:.2f} '
            'for 4 devices; '
            f'1,024 images on their way to the device in {images:.2f} ms ({1024 / images * 1e3:,.0f} images/s)',
            flush=True,
        )
    for size in (64, 128):
        megabytes, seconds = seconds_back(size)
        print(f'{size} px, base 64: {megabytes:.0f} MB of variables back in {seconds:.2f} s', flush=True)


if __name__ == '__main__':
    main()
