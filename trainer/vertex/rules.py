"""Rules beyond the schema, so that Vertex AI starts a job and this trainer finishes it."""

from __future__ import annotations

import dataclasses
import re

from trainer.vertex import machines
from trainer.vertex.documents import Node
from trainer.vertex.machines import CPU, GPU, TPU, Hardware

BUCKET = re.compile(r'(?!goog)[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]')
BUCKET_RULE = '3 to 63 lower-case letters, digits, dashes, underscores and dots'
_PLACEHOLDER = re.compile(r'\$\{\w*\}|\$[A-Z]\w*|<[\w -]+>')
_IMAGE = re.compile(r'[a-z0-9.-]+(:\d+)?/[a-z0-9._/-]+(:[\w.-]+|@sha256:[0-9a-f]{64})?')
_PREBUILT = re.compile(
    r'(us|europe|asia)-docker\.pkg\.dev/vertex-ai/training/tf-(cpu|gpu|tpu)\.2-15\.[pc][yp]310:latest'
)
_TARGET = re.compile(r'[-/](?:tf-)?(cpu|gpu|tpu)(-pjrt)?(?=[.:@]|$)')
_ACCOUNT = re.compile(r'[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com')
_TENSORBOARD = re.compile(r'projects/[^/]+/locations/[^/]+/tensorboards/[^/]+')
_SECONDS = re.compile(r'[1-9]\d*s')


def check_filled(document: Node) -> None:
    """Raises UserError if a placeholder is left."""
    for leaf in document.leaves():
        left = _PLACEHOLDER.search(leaf.value)
        if left:
            raise leaf.error(
                f'{left[0]} is a placeholder that nobody filled: python -m trainer.vertex_config --project=... fills '
                'the files of configs/vertex'
            )


def check_buckets(document: Node) -> None:
    """Raises UserError if a gs:// path has an impossible bucket name."""
    for leaf in document.leaves():
        for bucket in re.findall(r'gs://([^/\s,]*)', leaf.value):
            if not BUCKET.fullmatch(bucket):
                raise leaf.error(f'{bucket!r} is not a bucket name: {BUCKET_RULE}')


def task_of(pool: Node) -> Node:
    """Returns the containerSpec or the pythonPackageSpec of a worker pool.

    Raises:
      errors.UserError: it has both or neither.
    """
    container, package = pool.get('containerSpec'), pool.get('pythonPackageSpec')
    if container and package:
        raise package.error(f'containerSpec is given as well, in line {container.line}: keep one of the two')
    task = container or package
    if not task:
        raise pool.error('what to run is missing: give containerSpec (an image) or pythonPackageSpec')
    return task


def check_pool(spec: Node) -> Hardware:
    """Checks the one worker pool of a job, its machine and its image or package; returns the machine.

    Of a GPU, the image says whether it trains through PJRT.

    Raises:
      errors.UserError: Vertex AI would refuse it, or this trainer could not use it.
    """
    pools = spec['workerPoolSpecs'].items
    machine = pools[0].get('machineSpec')
    if not machine:
        raise pools[0].error('machineSpec is missing: it must be given')
    hardware = machines.hardware(machine)
    rule = 'a TPU job has exactly one pool of one replica' if hardware.kind == TPU else 'the trainer uses one machine'
    if len(pools) > 1:
        raise pools[1].error(f'{rule}: remove this pool')
    if pools[0].text('replicaCount') != '1':
        raise (pools[0].get('replicaCount') or pools[0]).error(f'{rule}: write replicaCount: 1')
    task = task_of(pools[0])
    image = task.get('imageUri') or task['executorImageUri']
    _check_package(task)
    if 'imageUri' in task.keys:
        _check_container(task)
    return _with_image(image, hardware)


def check_spec(spec: Node, hardware: Hardware) -> None:
    """Checks the parts of a job besides its worker pool.

    Raises:
      errors.UserError: Vertex AI would refuse it, or would do something else than it says.
    """
    _check_scheduling(spec.get('scheduling'), hardware)
    account, tensorboard = spec.get('serviceAccount'), spec.get('tensorboard')
    if account and not _ACCOUNT.fullmatch(account.value):
        raise account.error(f'{account.value!r} is not a service account: write NAME@PROJECT.iam.gserviceaccount.com')
    if tensorboard and not _TENSORBOARD.fullmatch(tensorboard.value):
        raise tensorboard.error(
            f'{tensorboard.value!r} is not a TensorBoard: write projects/NUMBER/locations/REGION/tensorboards/ID'
        )
    if tensorboard and not account:
        raise tensorboard.error('a TensorBoard needs the serviceAccount that writes to it: add serviceAccount')
    output = spec.get('baseOutputDirectory', 'outputUriPrefix')
    if output and not output.value.startswith('gs://'):
        raise output.error(f'{output.value!r} is not in Cloud Storage: write gs://BUCKET/FOLDER')


def _check_container(task: Node) -> None:
    image, command = task['imageUri'], task.get('command')
    if not _IMAGE.fullmatch(image.value):
        raise image.error(f'{image.value!r} is not an image: write REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE:TAG')
    if command and not ' '.join(item.value for item in command.items).endswith('-m trainer.task'):
        raise command.error('only jobs that run python -m trainer.task are supported: delete it, the image does so')


def _check_package(task: Node) -> None:
    if 'executorImageUri' not in task.keys:
        return
    image, module = task['executorImageUri'], task['pythonModule']
    if not _PREBUILT.fullmatch(image.value):
        raise image.error(
            f"{image.value!r} is not one of Vertex AI's images of TensorFlow 2.15, the last with Estimator: write "
            'us-docker.pkg.dev/vertex-ai/training/tf-cpu.2-15.py310:latest (tf-gpu.2-15.py310, tf-tpu.2-15.cp310)'
        )
    if module.value != 'trainer.task':
        raise module.error(f'{module.value!r} does not train: write pythonModule: trainer.task')
    for uri in task['packageUris'].items:
        if not re.fullmatch(r'gs://.+(\.tar\.gz|\.whl)', uri.value):
            raise uri.error(f'{uri.value!r} is not a package in Cloud Storage: write gs://BUCKET/packages/NAME.tar.gz')


def _with_image(image: Node, hardware: Hardware) -> Hardware:
    """Refuses an image for other hardware: after the queue it would find no TPU, or leave the GPU idle."""
    found = _TARGET.search(image.value)
    if not found:  # An image of another name says nothing about itself.
        return hardware
    target, pjrt = found[1], bool(found[2])
    if target != hardware.kind and (TPU in (target, hardware.kind) or target == CPU or pjrt):
        raise image.error(f'this is the image for a {target.upper()}, and the machine is a {hardware.kind.upper()}')
    if hardware.kind == GPU:
        return dataclasses.replace(hardware, pjrt=pjrt)
    if hardware.kind == TPU and pjrt != hardware.pjrt:
        other = 'v5e or v6e TPU, which needs JAX: write an imageUri that ends with -tpu-pjrt and its tag'
        if not hardware.pjrt:
            other = 'v2 or v3 TPU, which JAX does not know: write an imageUri that ends with -tpu and its tag'
        raise image.error(f'this is the image for {"newer" if pjrt else "older"} TPUs, and the machine is a {other}')
    return hardware


def _check_scheduling(scheduling: Node | None, hardware: Hardware) -> None:
    if not scheduling:
        return
    for key in ('timeout', 'maxWaitDuration'):
        duration = scheduling.get(key)
        if duration and not _SECONDS.fullmatch(duration.value):
            raise duration.error(f'{duration.value!r} is not a duration: write seconds with an s, such as 86400s')
    strategy, restart = scheduling.get('strategy'), scheduling.get('restartJobOnWorkerRestart')
    if strategy and strategy.value == 'SPOT' and hardware.kind == TPU and hardware.cores > machines.HOST_CORES:
        raise strategy.error(f'a TPU Pod cannot be SPOT: write STANDARD, or acceleratorCount: {machines.HOST_CORES}')
    if restart and restart.value.lower() == scheduling.text('disableRetries').lower() == 'true':
        raise restart.error('disableRetries switches it off: keep one of the two')
