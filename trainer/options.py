"""Everything a run needs besides its hyper-parameters and its machine: the data and the schedule."""

from __future__ import annotations

import dataclasses
import os

from absl import logging

from trainer import errors
from trainer.features import registry
from trainer.filesystem import paths
from trainer.flags import lists
from trainer.flags.declaration import ANYWHERE, Options, option

EXPORT_FOLDER = 'saved_model'
LAST, BEST = 'last', 'best'
SAVED_MODEL, ONNX, TFLITE = EXPORT_FORMATS = ('savedmodel', 'onnx', 'tflite')
KID = 'kid'
# Metrics that a tuning service may be told, and their names in the results of an evaluation.
HPTUNING_METRICS = {KID: KID, 'holdout_loss': 'loss', 'holdout_d_real': 'D(real)', 'holdout_d_fake': 'D(fake)'}


@dataclasses.dataclass(frozen=True)
class DataOptions(Options):
    """The data."""

    train_data: str = option(
        '',
        'A folder of images, which is converted into data in --model_dir; or a data-set folder, a TFRecord file or a '
        'pattern. Local or gs://; empty trains on the sample images.',
        unit='folder',
        path=ANYWHERE,
    )
    holdout_data: str = option(
        '',
        "Records for evaluation; empty uses the hold-out split of --train_data's folder.",
        unit='folder',
        path=ANYWHERE,
    )
    record_layout: str = option(
        'auto', 'Order of raw pixel bytes in the records; auto detects it.', choices=('auto', 'hwc', 'chw')
    )
    verify_data: str = option(
        'auto',
        'Check before training: full reads every byte, quick reads sizes and some records; auto is full for local '
        'files and quick for gs://; trust is quick and believes the layout that flag or records declare.',
        choices=('auto', 'quick', 'full', 'trust'),
    )
    input: str = option(
        'records',
        'null trains on zeros, to measure the device without an input pipeline; it leaves nothing behind.',
        choices=('records', 'null'),
    )
    cache: bool = option(False, 'Keep all images in memory, regardless of --shuffle_mib.')
    shuffle_mib: int = option(
        2048,
        'Memory for images. A set of up to half of it is read once and kept; a larger one is read again each epoch and '
        'shuffled within a window of a quarter of it.',
        unit='MiB',
        lower=1,
        upper=1 << 24,
        why='no machine has more than 16 TiB',
    )


@dataclasses.dataclass(frozen=True)
class RunOptions(Options):
    """The run."""

    model_dir: str = option(
        '',
        'Folder for checkpoints and samples, local or gs://. By default runs/NAME, with the name of the folder in '
        '--train_data, or runs/demo for the sample images.',
        unit='folder',
        environment='AIP_CHECKPOINT_DIR',
        path=ANYWHERE,
        empty=False,
    )
    tensorboard_dir: str = option(
        '',
        "Where TensorBoard's events go; empty is --model_dir.",
        unit='folder',
        environment='AIP_TENSORBOARD_LOG_DIR',
        path=ANYWHERE,
    )
    export_dir: str = option(
        '',
        'The folder that becomes the SavedModel; empty is saved_model in --model_dir. A folder that holds anything '
        'else is refused.',
        unit='folder',
        environment='AIP_MODEL_DIR',
        path=ANYWHERE,
    )
    sample_steps: int = option(500, 'Steps between two sample grids.', unit='steps', lower=1)
    save_steps: int = option(
        1000, 'Steps between two checkpoints; must divide --sample_steps or be a multiple of it.', unit='steps', lower=1
    )
    eval_steps: int = option(
        3000, 'Steps between two evaluations: KID, copying, D on the hold-out; 0 for none.', unit='steps', lower=0
    )
    eval_samples: int = option(
        1000,
        'Images to generate for an evaluation.',
        unit='images',
        lower=16,
        upper=100_000,
        why='all of them are kept in memory',
    )
    extractor: str = option(
        registry.DEFAULT,
        'Feature extractor of an evaluation (python -m trainer.evaluate --help); empty skips the KID, and with it the '
        'best checkpoint.',
        choices=('', *registry.EXTRACTORS),
    )
    stop_after_evals_without_best: int = option(
        5,
        'Ends training after this many evaluations in a row without a better KID, not counting those before --augment '
        'begins; 0 never does.',
        unit='evaluations',
        lower=0,
    )
    feature_weights: str = option(
        '', 'Weights for vgg16 or inception; empty downloads them.', unit='file', path=ANYWHERE
    )
    log_steps: int = option(200, 'Steps between two log lines and TensorBoard points.', unit='steps', lower=1)
    sample_count: int = option(
        64, 'Images in a sample grid.', unit='images', lower=1, upper=4096, why='they are one picture'
    )
    keep_checkpoints: int = option(3, 'Checkpoints to keep; the oldest are deleted first.', unit='checkpoints', lower=2)
    export_checkpoint: str = option(
        LAST,
        'Which checkpoint becomes the SavedModel at the end: the last, or the best by KID.',
        choices=(LAST, BEST),
    )
    export_format: str = option(
        SAVED_MODEL,
        'Formats of the generator at the end, separated by commas: savedmodel, onnx, tflite. The SavedModel is always '
        'written; the others, and a model card, go to export in --model_dir. onnx needs pip install '
        "'tpu-dcgan[export]'.",
    )
    hptuning_metric: str = option(
        '',
        'Metric to report to a tuning service after each evaluation, under this name; evaluates at least at the end.',
        choices=('', *HPTUNING_METRICS),
    )
    trial_id: str = option(
        '',
        "A tuning trial's number; in folders that trials share, this trial uses a subfolder with its number.",
        environment='CLOUD_ML_TRIAL_ID',
    )
    region: str = option(
        '',
        'Where this runs, such as us-central1. Buckets elsewhere are refused, because they are slow and each read is '
        'billed; empty skips the check.',
        environment='CLOUD_ML_REGION',
    )
    preflight_only: bool = option(
        False, 'Check that the data can be read and the folders written, as every start does, and stop.'
    )
    dry_run: bool = option(False, 'Print the resolved options and stop.')

    def __post_init__(self) -> None:
        """Completes the folders; raises UserError if two options do not fit together."""
        super().__post_init__()
        if self.trial_id and not paths.is_plain_name(self.trial_id):
            raise errors.UserError(
                f'--trial_id={self.trial_id} must be a number or a name: it becomes part of a folder name'
            )
        _ = self.export_formats  # Raises if they cannot be read.
        if self.model_dir:
            self._complete_folders()
        if self.hptuning_metric == KID and not self.extractor:
            raise errors.UserError('--hptuning_metric=kid needs an --extractor: leave it at its default')
        if self.save_steps % self.sample_steps and self.sample_steps % self.save_steps:
            raise errors.UserError(
                f'--sample_steps={self.sample_steps} and --save_steps={self.save_steps}: one must divide the other, '
                'because a grid is drawn from a checkpoint'
            )

    def _complete_folders(self) -> None:
        model_dir = paths.of_trial(self.model_dir, self.trial_id)
        if self.export_dir and paths.same(self.export_dir, self.model_dir):
            logging.info('--export_dir=%s is also --model_dir: the SavedModel goes to its usual place there', model_dir)
            object.__setattr__(self, 'export_dir', '')
        for name, folder in (
            ('model_dir', model_dir),
            ('tensorboard_dir', paths.of_trial(self.tensorboard_dir or model_dir, self.trial_id)),
            ('export_dir', paths.of_trial(self.export_dir or os.path.join(model_dir, EXPORT_FOLDER), self.trial_id)),
        ):
            object.__setattr__(self, name, folder)

    @property
    def export_formats(self) -> tuple[str, ...]:
        """--export_format, each once."""
        return lists.parse('--export_format', self.export_format, EXPORT_FORMATS)

    @property
    def checkpoint_steps(self) -> int:
        """Steps between two checkpoints, those for sample grids included."""
        return min(self.sample_steps, self.save_steps)
