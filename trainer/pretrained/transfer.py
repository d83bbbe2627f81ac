"""Starts a run from the networks of another: --init_from.

Both networks and the generator's EMA are taken, with weights scaled down to their initial size (see `rescaling`).
Adam's accumulators and the step of the other run are not taken. The variables go into a checkpoint of step 0, from
which training resumes as from any other, on a CPU and on a TPU alike.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping

import tensorflow as tf
import tensorflow.compat.v1 as v1
from absl import logging

from trainer import errors
from trainer.dcgan import ema, model_fn, networks
from trainer.dcgan.hparams import HParams
from trainer.dcgan.network_options import NetworkOptions
from trainer.filesystem.pattern_free import plain
from trainer.model_dir import checkpoint_check, checkpoints, hparams_file
from trainer.pretrained import packing, rescaling

_BATCH = 4
_SHOWN = 3
_OF_NO_VARIABLE = ('generator_upsampling',)  # Options that change a network, but none of its variables.


@dataclasses.dataclass(frozen=True)
class Source:
    """What a run starts from.

    Attributes:
      name: as given in the flag.
      checkpoint: its prefix.
      hparams: the hyper-parameters of its run.
    """

    name: str
    checkpoint: str
    hparams: HParams


@contextlib.contextmanager
def found(init_from: str) -> Iterator[Source]:
    """Yields the source that --init_from names; its checkpoint may be gone afterwards.

    Raises:
      errors.UserError: there is none, or none of its checkpoints is complete.
    """
    with contextlib.ExitStack() as stack:
        place = init_from
        if init_from in packing.NAMES:
            place = stack.enter_context(packing.unpacked(init_from))
        checkpoint = _checkpoint(place)
        hparams = _hparams(checkpoint) if checkpoint else None
        if not hparams:
            raise errors.UserError(
                f'--init_from={init_from} is not a run with a checkpoint and {hparams_file.FILE_NAME}: give a '
                f'--model_dir of python -m trainer.task, a checkpoint in one, or one of {", ".join(packing.NAMES)}'
            )
        yield Source(init_from, checkpoint, hparams)


def sized(hparams: HParams) -> HParams:
    """Fills in network options that are left open from the run that --init_from names; checks that it exists."""
    if not hparams.init_from:
        return hparams
    with found(hparams.init_from) as source:
        if hparams.init_partial:  # Then the networks are meant to differ.
            return hparams.sized(source.hparams.image_size, source.hparams.channels)
        followed = hparams_file.followed(hparams, source.hparams, source.name)
        return dataclasses.replace(followed, classes=hparams.classes)  # Of the new run's own data.


def begin(hparams: HParams, model_dir: str) -> str:
    """Writes the checkpoint of step 0 into `model_dir` and returns its prefix.

    Raises:
      errors.UserError: the networks differ and --init_partial is off, nothing fits, or a layer to freeze does not fit.
    """
    layers = len(hparams.architecture.filters)
    if hparams.freeze_d_layers > layers:
        raise errors.UserError(
            f'--freeze_d_layers={hparams.freeze_d_layers} is too many: at {hparams.image_size} px the discriminator '
            f'has {layers} layers, so give fewer'
        )
    with found(hparams.init_from) as source:
        values = _taken(source, hparams)
        checkpoint = checkpoints.path(model_dir, 0)
        _write(checkpoint, hparams, values)
        logging.info(
            'starting from %s, step %s: %d variables of both networks%s',
            source.name, f'{checkpoints.step_of(source.checkpoint):,}', len(values),
            f', the first {hparams.freeze_d_layers} layers of D frozen' if hparams.freeze_d_layers else '',
        )  # fmt: skip
    return checkpoint


def _checkpoint(place: str) -> str:
    """The prefix of the checkpoint that a path names, or of the best or last one in a folder; '' if there is none."""
    prefix = place[: -len('.index')] if place.endswith('.index') else place
    if os.path.basename(prefix).startswith('model.ckpt-') and tf.io.gfile.exists(f'{prefix}.index'):
        checkpoints.check_whole(prefix)
        return prefix
    plain(place)
    return checkpoints.best(place) or checkpoints.newest_whole(place)


def _hparams(checkpoint: str) -> HParams | None:
    """The hyper-parameters of a checkpoint's run; a best checkpoint lies one folder below the run's."""
    folder = os.path.dirname(checkpoint)
    return hparams_file.read(folder) or hparams_file.read(os.path.dirname(folder))


def _taken(source: Source, hparams: HParams) -> dict[str, tf.Tensor]:
    """The values to start from, by their names in the new run."""
    reader = checkpoints.load_reader(source.checkpoint)
    shapes = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
    wanted = checkpoint_check.of_networks(hparams)
    from_ = {name: _name_in(shapes, name) for name in wanted}
    fitting = [name for name, shape in wanted.items() if shapes.get(from_[name]) == shape]
    left = sorted(set(wanted) - set(fitting))
    if left and not hparams.init_partial or not fitting:
        raise errors.UserError(
            f'--init_from={source.name} fits {len(fitting)} of {len(wanted)} variables, not {left[0]}: '
            f'{_differences(source.hparams, hparams)}' + (', or --init_partial to take what fits' if fitting else '')
        )
    if not hparams.init_partial and any(getattr(source.hparams, n) != getattr(hparams, n) for n in _OF_NO_VARIABLE):
        raise errors.UserError(
            f'--init_from={source.name} has other networks: {_differences(source.hparams, hparams)}, or --init_partial '
            'to take its variables, which fit'
        )
    frozen = networks.discriminator_scopes(hparams.freeze_d_layers)
    at_random = [name for name in left if name.startswith(frozen)]
    if at_random:
        raise errors.UserError(
            f'--freeze_d_layers={hparams.freeze_d_layers} would freeze {at_random[0]} at random values, because '
            f'{source.name} does not fit it: {_differences(source.hparams, hparams)}, or --freeze_d_layers=0'
        )
    if left:
        more = f' and {len(left) - _SHOWN} more' if len(left) > _SHOWN else ''
        logging.warning('%s does not fit %s%s: they start at random', source.name, ', '.join(left[:_SHOWN]), more)
    return rescaling.rescaled({name: reader.get_tensor(from_[name]) for name in fitting}, hparams.architecture)


def _name_in(shapes: Mapping[str, tuple[int, ...]], name: str) -> str:
    """The name of a variable in the source; an EMA that was never kept starts from the weights themselves."""
    return name if name in shapes or not ema.is_average(name) else ema.name_without(name)


def _differences(theirs: HParams, ours: HParams) -> str:
    """The flags that make the networks alike."""
    names = [field.name for field in dataclasses.fields(NetworkOptions)]
    flags = [f'--{name}={getattr(theirs, name)}' for name in names if getattr(theirs, name) != getattr(ours, name)]
    return f'give {" ".join(flags)}' if flags else 'its networks are of another version: give a run of this version'


def _write(checkpoint: str, hparams: HParams, values: Mapping[str, tf.Tensor]) -> None:
    """Writes all variables of the training step with their initial values, or with those of `values`."""
    size = [_BATCH, hparams.image_size, hparams.image_size, hparams.channels]
    params = {'hparams': hparams, 'use_tpu': False, 'batch_size': _BATCH, 'writer': {'logdir': ''}}
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(hparams.seed)
        v1.train.create_global_step()
        labels = {'labels': tf.zeros(size[:1], tf.int32)} if hparams.classes else {}
        features = {'images': tf.zeros(size, tf.uint8), **labels}
        model_fn.model_fn(features, None, tf.estimator.ModeKeys.TRAIN, params, v1.estimator.tpu.RunConfig())
        session.run(v1.global_variables_initializer())
        chosen = [variable for variable in v1.global_variables() if variable.op.name in values]
        feed = {variable.initializer.inputs[1]: values[variable.op.name] for variable in chosen}
        session.run([variable.initializer for variable in chosen], feed)
        saver = v1.train.Saver(sharded=True, save_relative_paths=True)
        prefix, _, step = plain(checkpoint).rpartition('-')
        saver.save(session, prefix, int(step), write_meta_graph=False, write_state=False)
