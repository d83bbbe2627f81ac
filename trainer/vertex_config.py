r"""Fills the Vertex AI jobs of configs/vertex with your project's names, and checks jobs that you have edited.

  python -m trainer.vertex_config --project=my-project --bucket=my-bucket --region=us-central1 \
      --image=us-central1-docker.pkg.dev/my-project/dcgan/dcgan --output_dir=jobs
      writes each job into jobs/, ready for the gcloud command in its head.
  python -m trainer.vertex_config --check=jobs/gpu.yaml
      checks one file, several separated by commas, or all files of a folder.

gcloud sends a wrong key, machine or argument unchanged. This command refuses it, with the file, the line and the fix,
and parses the arguments with the trainer's own flags. It contacts no service.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import pathlib
import re
from collections.abc import Sequence

import google_crc32c
from absl import flags, logging

from trainer import cli, errors
from trainer.dcgan import architecture
from trainer.filesystem import outputs, paths
from trainer.filesystem.files import write_bytes
from trainer.flags.declaration import ANYWHERE, LOCAL, Options, option
from trainer.vertex import documents, hardware_rules, rules, schema, task_flags, tuning

_MADE_BY = 'trainer.vertex_config'

_RULES = {
    'project': (r'([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]', 'a project id: 6 to 30 lower-case letters, digits, -'),
    'bucket': (rules.BUCKET.pattern, f'a bucket name without gs://: {rules.BUCKET_RULE}'),
    'region': (r'[a-z]+-[a-z]+\d+', 'a region, such as us-central1; a zone has a letter more'),
    'image': (
        r'[a-z0-9.-]+(:\d+)?/[a-z0-9._/-]+(?<!-cpu)(?<!-gpu)(?<!-tpu)(?<!-pjrt)',
        'an image path without -cpu, -gpu or -tpu (-pjrt) and without tag: '
        'REGION-docker.pkg.dev/PROJECT/REPOSITORY/dcgan',
    ),
    'tag': (r'\w[\w.-]{0,127}', 'an image tag'),
    'name': (r'[a-z0-9][a-z0-9_-]{0,39}', 'a short name: up to 40 lower-case letters, digits, - and _'),
}
NOT_JOBS = ('model.yaml',)  # In configs/vertex: the flags of gcloud ai models upload.
_TENSORBOARD_LINE = re.compile(r'^( *)tensorboard: \$\{TENSORBOARD\}$', re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class ProjectOptions(Options):
    """The values to fill in."""

    project: str = option('', 'The project id.')
    bucket: str = option('', 'The bucket of data and runs, without gs://, in the same region.')
    region: str = option('', 'Where the jobs run, such as us-central1.')
    image: str = option('', "The project's image: its path without target (-cpu, -gpu, -tpu) and without tag.")
    tag: str = option('latest', 'The tag of the image.')
    name: str = option('dcgan', 'The name of the jobs and of their folders in gs://BUCKET/runs.')
    data: str = option('', 'The data set, gs://...; empty is gs://BUCKET/data.', unit='folder', path=ANYWHERE)
    image_size: int = option(64, 'Side of its images.', unit='px', choices=architecture.IMAGE_SIZES)
    service_account: str = option(
        '', 'The service account of the jobs; empty is dcgan-trainer@PROJECT.iam.gserviceaccount.com.'
    )
    tensorboard: str = option('', 'A managed TensorBoard, projects/NUMBER/locations/REGION/tensorboards/ID, if any.')


@dataclasses.dataclass(frozen=True)
class FileOptions(Options):
    """The files."""

    output_dir: str = option('', 'Where the filled jobs go.', unit='folder', path=LOCAL)
    source_dir: str = option('configs/vertex', 'Where the jobs with placeholders are.', unit='folder', path=LOCAL)
    only: str = option('', 'The jobs to fill, such as cpu_smoke,tpu_v3; empty is all of --source_dir.')
    check: str = option('', 'Check these files or folders, separated by commas, and write nothing.')

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.check) == bool(self.output_dir):
            raise errors.UserError(
                'give one of --output_dir=FOLDER (fills the jobs of configs/vertex) and --check=FILE (checks one)'
            )
        if self.output_dir and paths.same(self.output_dir, self.source_dir):
            raise errors.UserError(f'--output_dir={self.output_dir} holds the placeholders: name another folder')


def check_job(source: str, text: str) -> None:
    """Checks the job `text` of the file `source`.

    Raises:
      errors.UserError: the first error, with file, line, rule and fix.
    """
    document = documents.read(source, text)
    rules.check_filled(document)
    is_study = 'studySpec' in document.keys or 'trialJobSpec' in document.keys
    schema.check_shape(document, schema.TUNING_JOB if is_study else schema.JOB)
    rules.check_buckets(document)
    spec = document['trialJobSpec'] if is_study else document
    hardware = rules.check_pool(spec)
    rules.check_spec(spec, hardware)
    task = rules.task_of(spec['workerPoolSpecs'].items[0])
    arguments = task_flags.parse(task)
    hardware_rules.check(arguments, hardware)
    task_flags.check_folders(arguments, spec)
    if is_study:
        tuning.check_study(document['studySpec'], task, arguments, hardware)


def fill(text: str, project: ProjectOptions, target: str) -> str:
    """Fills the placeholders of `text`, a job that will be the file `target`. Each line keeps its number.

    Raises:
      errors.UserError: an option is missing or not valid.
    """
    for name, (pattern, rule) in _RULES.items():
        value = getattr(project, name)
        if not re.fullmatch(pattern, value):
            raise errors.UserError(f'--{name}={value} is not {rule}' if value else f'--{name} is missing: {rule}')
    values = {name.upper(): str(value) for name, value in dataclasses.asdict(project).items()}
    for name, value in values.items():
        if not value.isprintable():  # A line end would add a key to the job.
            raise errors.UserError(f'--{name.lower()}={value} must be one line of printable characters')
    values['DATA'] = project.data or f'gs://{project.bucket}/data'
    if not re.fullmatch(r'gs://[^\s#,]+', values['DATA']):
        raise errors.UserError(f'--data={project.data} must be gs://BUCKET/FOLDER, without blanks')
    account = f'dcgan-trainer@{project.project}.iam.gserviceaccount.com'
    values['SERVICE_ACCOUNT'] = project.service_account or account
    values['CONFIG'] = target
    if not project.tensorboard:
        text = _TENSORBOARD_LINE.sub(r'\1# tensorboard: none; --tensorboard=projects/... names one', text)
    return re.sub(r'\$\{(\w+)\}', lambda match: values.get(match[1], match[0]), text)


def fill_all(project: ProjectOptions, files: FileOptions) -> list[str]:
    """Fills and checks the jobs, then writes them all, or none if one is wrong; returns their paths.

    Raises:
      errors.UserError: an option or a job is wrong.
    """
    sources = _in_folder(files.source_dir)
    if files.only:
        known = {os.path.basename(path)[: -len('.yaml')]: path for path in sources}
        names = [name.strip() for name in files.only.split(',')]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise errors.UserError(f'--only={files.only}: {unknown[0]!r} is not one of {", ".join(known)}')
        sources = [known[name] for name in names]
    filled = {}
    for source in sources:
        target = os.path.join(files.output_dir, os.path.basename(source))
        filled[target] = fill(_read(source), project, target)
        check_job(source, filled[target])
    names = [os.path.basename(target) for target in filled]
    with outputs.claimed('--output_dir', files.output_dir, _MADE_BY, names):
        _check_unedited(files.output_dir, names)
        for target, text in filled.items():
            write_bytes(target, text.encode())
        mark = outputs.read_mark(files.output_dir)
        assert mark  # `claimed` has just written it.
        sums = {os.path.basename(target): _checksum(text.encode()) for target, text in filled.items()}
        outputs.write_mark(files.output_dir, dataclasses.replace(mark, facts={**mark.facts, **sums}))
    return list(filled)


def _check_unedited(folder: str, names: Sequence[str]) -> None:
    """Refuses to fill a job again that somebody has edited since."""
    mark = outputs.read_mark(folder)
    for name in names:
        path = os.path.join(folder, name)
        known = mark.facts.get(name) if mark else None
        if known and os.path.exists(path) and _checksum(pathlib.Path(path).read_bytes()) != known:
            raise errors.UserError(
                f'{path} was edited since it was filled, and would be replaced: give another --output_dir, or remove it'
            )


def _checksum(data: bytes) -> str:
    return f'{google_crc32c.value(data):08x}'


def main() -> None:
    """Fills or checks what the flags name."""
    files = cli.from_flags(FileOptions, flags.FLAGS)
    if files.check:
        for path in (path for part in files.check.split(',') for path in _named(part.strip())):
            check_job(path, _read(path))
            logging.info('%s: nothing wrong', path)
        return
    project = cli.from_flags(ProjectOptions, flags.FLAGS)
    for path in fill_all(project, files):
        logging.info('%s: its head has the command that submits it', path)


def _named(path: str) -> list[str]:
    path = paths.completed('--check', path, local=True)
    return _in_folder(path) if os.path.isdir(path) else [path]


def _in_folder(folder: str) -> list[str]:
    found = sorted(glob.glob(os.path.join(glob.escape(folder), '*.yaml')))
    found = [path for path in found if os.path.basename(path) not in NOT_JOBS]
    if not found:
        raise errors.UserError(f'{folder} holds no *.yaml: name a folder of jobs, such as configs/vertex')
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding='utf-8') as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, 'strerror', None) or 'it is not UTF-8'
        raise errors.UserError(f'{path} cannot be read ({reason}): name a YAML file') from None


if __name__ == '__main__':
    cli.run(main, __doc__, [ProjectOptions, FileOptions])
