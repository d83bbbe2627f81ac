"""The options of the machine that a run trains on."""

from __future__ import annotations

import dataclasses

from trainer.flags.declaration import ANYWHERE, Options, option

AUTO, ESTIMATOR, PJRT = 'auto', 'estimator', 'pjrt'  # Of --runtime.
_WEEK_S = 604_800


@dataclasses.dataclass(frozen=True)
class MachineOptions(Options):
    """The machine."""

    use_tpu: bool = option(False, 'Train on a Cloud TPU; otherwise on this machine.')
    use_gpu: bool = option(False, 'Train on the NVIDIA GPUs of this machine, through PJRT and JAX (docs/tpu.md).')
    runtime: str = option(
        AUTO,
        "How the training step runs: estimator is TPUEstimator's own runtime, for a v2 or v3 TPU and for CPUs; pjrt "
        'compiles it for the devices of JAX, a v4 or newer TPU, NVIDIA GPUs, or CPU devices to try; auto takes what '
        'the machine has.',
        choices=(AUTO, ESTIMATOR, PJRT),
    )
    replicas: int = option(
        0,
        'Devices that share a batch, with --runtime=pjrt; 0 uses all.',
        unit='devices',
        lower=0,
        upper=1024,
        why='no host has more',
    )
    compile_cache_dir: str = option(
        '',
        'Where --runtime=pjrt keeps compiled steps, so that a restart does not compile for minutes; empty keeps none.',
        unit='folder',
        path=ANYWHERE,
    )
    tpu: str = option(
        'local',
        "The TPU's name or grpc:// address; local is the TPU VM this runs on, empty the one in Vertex AI's TPU_CONFIG.",
    )
    tpu_zone: str = option('', 'Zone of a TPU given by name; empty takes it from TPU_CONFIG.')
    gcp_project: str = option('', 'Project of a TPU given by name; empty takes it from TPU_CONFIG.')
    tpu_ready_timeout_s: int = option(
        900,
        'How long to wait for a TPU given by name that is being created or repaired.',
        unit='s',
        lower=0,
        upper=_WEEK_S,
        why='that is a week',
    )
    iterations_per_loop: int = option(
        0,
        'Steps that a TPU or GPU takes before it returns to the host; 0 chooses the largest number with which samples, '
        'checkpoints and evaluations fall on their exact steps (with --runtime=pjrt, at most 50).',
        unit='steps',
        lower=0,
    )
    stall_timeout_s: int = option(
        1200,
        'Ends a run, TPU or not, after this time without progress (three times as long while it compiles), with exit '
        'code 4 and the stacks of all threads; 0 never does.',
        unit='s',
        lower=0,
        upper=_WEEK_S,
        why='that is a week; 0 never ends a run',
    )
