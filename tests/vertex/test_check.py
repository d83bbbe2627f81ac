"""Mistakes in a job for Vertex AI: each is refused, and the error names its line."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT
from tests.vertex.test_config import filled
from trainer import errors, vertex_config

# One mistake each: the job, the text to replace, its replacement, a text in the line that the error must name ('' means
# the first line of the replacement), and words of the error.
SHAPE = [
    ('gpu', 'replicaCount: 1', 'replicas: 1', '', 'did you mean replicaCount?'),
    ('gpu', 'scheduling:', 'schedulin:', '', 'did you mean scheduling?'),
    ('gpu', 'scheduling:', '<<: {}\nscheduling:', '', 'no such key'),
    ('gpu', 'enableWebAccess: true', 'labels: {a: b}', '', '--labels=KEY=VALUE'),
    ('gpu', 'enableWebAccess: true', 'displayName: x', '', '--display-name=NAME'),
    ('gpu', 'replicaCount: 1', 'replica_count: 1', '', 'gcloud would post this one unread: write replicaCount'),
    ('tpu_v3', 'acceleratorCount: 8', 'accelerator_count: 8', '', 'write acceleratorCount'),
    ('gpu', 'replicaCount: 1', 'replicaCount: 1\n  replicaCount: 2', 'replicaCount: 2', 'given twice'),
    ('gpu', '  timeout: 86400s', '\ttimeout: 86400s', '', 'this is not YAML'),
    ('gpu', 'timeout: 86400s', 'timeout: 86400', '', 'put it into quotes'),
    ('gpu', 'timeout: 86400s', 'timeout: 1e5', '', 'put it into quotes'),
    ('gpu', 'timeout: 86400s', 'timeout:', '', 'it has no value'),
    ('tpu_v3', '- --train_kimg=15360', '- 15000', '', 'put it into quotes'),
    ('tpu_v3', 'acceleratorCount: 8', 'acceleratorCount: eight', '', "'eight' is not a whole number"),
    ('tpu_v3', 'acceleratorCount: 8', 'acceleratorCount: 8.0', '', "'8.0' is not a whole number"),
    ('gpu', 'enableWebAccess: true', 'enableWebAccess: "true"', '', 'neither true nor false'),
    ('gpu', 'enableWebAccess: true', 'enableWebAccess: on', '', 'neither true nor false'),
    ('gpu', '    args:', '    command: python\n    args:', '', 'expected a list'),
    ('gpu', 'scheduling:\n  timeout: 86400s', 'scheduling: 86400s', '', 'expected keys below it'),
    ('gpu', '  outputUriPrefix:', '  # outputUriPrefix:', 'baseOutputDirectory:', 'it has no value'),
    ('tpu_v3', 'TPU_V3', 'TPU_V33', 'TPU_V33', "'TPU_V33' is not known: did you mean TPU_V3?"),
    ('tpu_v3_spot', 'strategy: SPOT', 'strategy: PREEMPTIBLE', '', 'choose one of STRATEGY_UNSPECIFIED'),
    ('hptuning', 'goal: MINIMIZE', 'goal: MINIMISE', '', 'did you mean MINIMIZE?'),
    ('hptuning', 'scaleType: UNIT_LOG_SCALE', 'scaleType: LOG', '', "'LOG' is not known"),
    ('hptuning', 'trialJobSpec:', 'jobSpec:', '', 'write what it holds at the top level'),
]
SIZE = 'standard-8t  # 1 or 4 chips instead: -1t and 1x1, or -4t and 2x2. More are several hosts.\n    tpuTopology: 2x4'
MACHINE = [
    ('cpu_smoke', 'e2-standard-4', 'e3-standard-4', 'e3-', 'is not a machine type for training'),
    ('cpu_smoke', 'machineType: e2-standard-4', 'machineType: e2-standard', '', 'is not a machine type for training'),
    ('cpu_smoke', 'machineType: e2-standard-4', 'machineType: a2-highgpu-1g', '', 'NVIDIA_TESLA_A100'),
    ('gpu', '    acceleratorCount: 1\n', '', 'acceleratorType:', 'go together'),
    ('gpu', '    acceleratorType: NVIDIA_TESLA_T4\n', '', 'acceleratorCount:', 'go together'),
    ('gpu', 'acceleratorCount: 1', 'acceleratorCount: 0', '', 'at least 1'),
    ('gpu', 'n1-standard-8', 'g2-standard-8', 'NVIDIA_TESLA_T4', 'g2-standard-8 has NVIDIA_L4'),
    ('gpu', 'n1-standard-8', 'e2-standard-8', 'e2-standard-8', 'n1 machines only'),
    ('gpu', 'NVIDIA_TESLA_T4', 'NVIDIA_L4', 'n1-standard-8 ', 'machines of g2-standard only'),
    ('tpu_v3', '\n    acceleratorType: TPU_V3\n    acceleratorCount: 8', '', 'cloud-tpu', 'TPU_V2 or TPU_V3'),
    ('tpu_v3', 'cloud-tpu', 'n1-standard-8', 'n1-standard-8', 'write machineType: cloud-tpu'),
    ('tpu_v3', 'TPU_V3\n', 'NVIDIA_TESLA_T4\n', 'NVIDIA_TESLA_T4', 'write TPU_V2 or TPU_V3'),
    ('tpu_v3', 'TPU_V3\n', 'TPU_V4_POD\n', 'TPU_V4_POD', 'write TPU_V2 or TPU_V3'),
    ('tpu_v3', 'acceleratorCount: 8', 'acceleratorCount: 4', '', '8, or a multiple of 32'),
    ('tpu_v3', 'acceleratorCount: 8', 'acceleratorCount: 16', '', '8, or a multiple of 32'),
    ('tpu_v3', '  replicaCount: 1', '    tpuTopology: 2x2\n  replicaCount: 1', '', 'delete the key'),
    ('cpu_smoke', '  replicaCount: 1', '    tpuTopology: 1x1\n  replicaCount: 1', '', 'e2-standard-4: delete the key'),
    ('tpu_v3', 'cloud-tpu', 'ct6e-standard-4t', 'acceleratorType', 'ct6e-standard-4t takes no acceleratorType: delete'),
    ('tpu_v3', 'TPU_V3\n', 'TPU_V5_LITEPOD\n', 'TPU_V5', 'write machineType: ct5lp-hightpu-8t and tpuTopology: 2x4'),
    ('tpu_v5e', '    tpuTopology: 2x4\n', '', 'ct5lp', 'ct5lp-hightpu-8t needs a topology: add tpuTopology: 2x4'),
    ('tpu_v5e', '2x4', '2x2', 'Topology', "'2x2' is not a topology of ct5lp-hightpu-8t: write tpuTopology: 2x4"),
    ('tpu_v5e', 'Topology: 2x4', 'Topology: 4x4', '', "'4x4' is not a topology of ct5lp-hightpu-8t: write"),
    ('tpu_v5e', 'Topology: 2x4', 'Topology: eight', '', "'eight' is not a topology"),
    ('tpu_v5e', 'tpu-8t', 'tpu-4t', 'Topology', '2x4 of ct5lp-hightpu-4t is 2 hosts'),
    ('tpu_v5e', 'tpu-8t', 'tpu-4t', 'Topology', 'write 2x2, or machineType: ct5lp-hightpu-8t with tpuTopology: 2x4'),
    ('tpu_v6e', SIZE, 'standard-4t\n    tpuTopology: 16x16', 'Topology', '16x16 of ct6e-standard-4t is 64 hosts'),
    ('tpu_v6e', 'ard-8t', 'ard-2t', 'ard-2t', 'is not a TPU machine for training: write ct5lp-hightpu-1t, -4t or -8t'),
    ('tpu_v6e', 'ct6e-standard-8t', 'ct5p-hightpu-4t', 'ct5p', "'ct5p-hightpu-4t' is not a TPU machine for training"),
    ('tpu_v6e', 'ct6e-standard-8t', 'tpu7x-standard-4t', 'tpu7x', 'a TPU7x needs a newer JAX than fits beside Tensor'),
    ('tpu_v6e', '  replicaCount', '    acceleratorCount: 8\n  replicaCount', '', 'no acceleratorCount: delete it'),
    ('tpu_v6e', 'replicaCount: 1', 'replicaCount: 2', '', 'exactly one pool of one replica'),
    ('tpu_v3', 'replicaCount: 1', 'replicaCount: 2', '', 'exactly one pool of one replica'),
    ('gpu', 'replicaCount: 1', 'replicaCount: 2', '', 'the trainer uses one machine'),
    ('tpu_v3', '\nscheduling:', '- replicaCount: 1\n\nscheduling:', '- replicaCount', 'exactly one pool'),
    ('tpu_v3_spot', 'restartJobOnWorkerRestart', 'disableRetries: true\n  restartJobOnWorkerRestart',
     'restartJobOnWorkerRestart', 'switches it off'),
    ('gpu', 'timeout: 86400s', 'timeout: 24h', '', 'such as 86400s'),
    ('gpu', 'timeout: 86400s', 'timeout: "86400"', '', 'such as 86400s'),
]  # fmt: skip
PACKAGE = '  pythonPackageSpec: {executorImageUri: a, packageUris: [a], pythonModule: a}\n'
TASK = [
    ('python_package', '    pythonModule: trainer.task\n', '', 'pythonPackageSpec:', 'pythonModule is missing'),
    ('python_package', 'trainer.task\n', 'trainer.tsk\n', 'trainer.tsk', 'write pythonModule: trainer.task'),
    ('python_package', '    - gs://my-bucket/packages', '#', 'packageUris:', 'expected a list'),
    ('python_package', 'packageUris:\n', 'packageUris: []\n#', 'pythonPackageSpec:', 'packageUris is missing or empty'),
    ('python_package', '- gs://my-bucket/packages/', '- dist/', '- dist', 'is not a package in Cloud Storage'),
    ('python_package', 'tf-cpu.2-15', 'tf-cpu.2-17', '2-17', "not one of Vertex AI's images of TensorFlow 2.15"),
    ('gpu', 'imageUri: ', 'command: [x]  # ', 'containerSpec:', 'imageUri is missing'),
    ('gpu', 'imageUri: us-central1-docker.pkg.dev/my', 'imageUri: us-central1-docker.pkg.dev/MY', '', 'not an image'),
    ('gpu', '\nscheduling:', f'{PACKAGE}\nscheduling:', 'pythonPackageSpec', 'keep one of the two'),
    ('gpu', '  containerSpec:', '  diskSpec:', 'imageUri', 'there is no such key here'),
    ('tpu_v3', 'dcgan-tpu:', 'dcgan-cpu:', 'dcgan-cpu:', 'this is the image for a CPU, and the machine is a TPU'),
    ('gpu', 'dcgan-gpu:', 'dcgan-cpu:', 'dcgan-cpu:', 'this is the image for a CPU, and the machine is a GPU'),
    ('gpu', 'dcgan-gpu:', 'dcgan-tpu-pjrt:', 'dcgan-tpu', 'this is the image for a TPU, and the machine is a GPU'),
    ('cpu_smoke', 'dcgan-cpu:', 'dcgan-gpu-pjrt:', 'dcgan-gpu', 'is the image for a GPU, and the machine is a CPU'),
    ('tpu_v5e', 'dcgan-tpu-pjrt:', 'dcgan-tpu:', 'dcgan-tpu', 'needs JAX: write an imageUri that ends with -tpu-pjrt'),
    ('tpu_v3', 'dcgan-tpu:', 'dcgan-tpu-pjrt:', 'dcgan-tpu', 'JAX does not know: write an imageUri that ends'),
    ('gpu', '    args:', '    command: [bash]\n    args:', '', 'delete it, the image does so'),
    ('gpu', 'my-bucket/runs', '${BUCKET}/runs', '${BUCKET}', 'a placeholder that nobody filled'),
    ('gpu', 'my-bucket/runs', '$BUCKET/runs', '$BUCKET', 'a placeholder that nobody filled'),
    ('gpu', 'my-bucket/runs', '<bucket>/runs', '<bucket>', 'a placeholder that nobody filled'),
    ('gpu', 'my-bucket/runs', 'My_Bucket/runs', 'My_Bucket', "'My_Bucket' is not a bucket name"),
    ('gpu', 'gs://my-bucket/data', 'gs://BUCKET/data', 'BUCKET', "'BUCKET' is not a bucket name"),
    ('gpu', 'gs://my-bucket/runs', 'runs', 'outputUriPrefix', 'is not in Cloud Storage'),
    ('gpu', 'baseOutputDirectory:\n  outputUriPrefix', '#\n#', 'workerPoolSpecs:', 'would be lost with its machine'),
    ('gpu', 'dcgan-trainer@my-project.iam.gserviceaccount.com', 'me@gmail.com', 'me@gmail', 'is not a service account'),
    ('gpu', '/tensorboards/789', '', 'projects/123456', 'is not a TensorBoard'),
    ('gpu', 'serviceAccount:', '#', 'tensorboard:', 'needs the serviceAccount'),
]  # fmt: skip
ARGS = [
    ('tpu_v3', '--train_kimg=15360', '--train_stepz=15000', 'stepz', "Unknown command line flag 'train_stepz'"),
    ('tpu_v3', '--train_kimg=15360', '--train_steps=15k', '15k', 'expected a whole number'),
    ('tpu_v3', '--image_size=64', '--image_size=96', '96', 'choose one of 32, 64, 128'),
    ('tpu_v3', '- --beta1=0.5', '- --loss=wasserstein', '', 'add --gradient_penalty=10'),
    ('tpu_v3', '--sample_steps=500', '--sample_steps=300', '300', 'one must divide the other'),
    ('tpu_v3', '- --train_kimg=15360', '- train_steps=15000', '', 'write --name=value'),
    ('tpu_v3', '- --eval_steps=1000', '- --eval_steps', '', 'Missing value'),
    ('tpu_v3', '- --train_kimg=15360', '- --train_steps\n    - "15k"', '', 'expected a whole number'),
    ('tpu_v3', '--train_kimg=15360', '--train_steps=15000,--seed=1', '15000,', "a comma, where gcloud's --args"),
    ('tpu_v3', '--train_kimg=15360', '--train_steps=15000 --seed=1', '15000 ', 'several flags in one'),
    ('tpu_v3', 'gs://my-bucket/data', 'gs://my-bucket/data,--seed=1', 'data,', "a comma, where gcloud's --args"),
    ('tpu_v3', 'gs://my-bucket/data', 'gs://my-bucket/data,', 'data,', "a comma, where gcloud's --args"),
    ('gpu', '- --train_kimg=1280', '- --flagfile=my.cfg', '', 'the images hold the files configs/*.cfg'),
    ('python_package', '- --train_kimg=1024', '- --flagfile=configs/demo.cfg', '', 'a package contains no recipes'),
    ('tpu_v3', '--use_tpu=true', '--use_tpu=false', '--use_tpu', 'pays for a TPU and does not use it'),
    ('tpu_v3', '- --use_tpu=true', '- --nouse_tpu', '', 'pays for a TPU and does not use it'),
    ('tpu_v3', '- --use_tpu=true', '- --beta1=0.5', 'args:', 'pays for a TPU and does not use it'),
    ('gpu', '--use_tpu=false', '--use_tpu=true', '--use_tpu', 'write --use_tpu=false'),
    ('tpu_v3', '- --beta1=0.5', '- --use_gpu', '', '--use_gpu=true on a TPU: write --use_gpu=false'),
    ('cpu_smoke', '- --use_tpu=false', '- --use_gpu=true', '', '--use_gpu=true on a CPU: write --use_gpu=false'),
    ('gpu', '- --use_tpu=false', '- --use_gpu=true', '', '--use_gpu=true needs JAX, which this image does not have'),
    ('gpu', '- --use_tpu=false', '- --runtime=pjrt', '', '--runtime=pjrt needs JAX, which this image does not have'),
    ('gpu_pjrt', '--use_gpu=true', '--use_gpu=false', '--use_gpu', 'through JAX only: write --use_gpu=true'),
    ('gpu_pjrt', '- --use_gpu=true', '- --use_gpu\n    - --runtime=estimator', '- --use_gpu', 'leave out --runtime'),
    ('gpu_pjrt', 'torCount: 1', 'torCount: 3', '--train_batch_size', '=64 cannot be shared by 3 devices'),
    ('gpu_pjrt', 'gs://my-bucket/compile_cache', '/tmp/cache', '/tmp/cache', 'a folder of your machine'),
    ('tpu_v3', '- --beta1=0.5', '- --runtime=pjrt', '', 'JAX does not support a v2 or v3: write --runtime=estimator'),
    ('tpu_v3', '- --train_batch_size=1024', '- --train_batch_size=9\n    - --replicas=1', '', 'by 8 TPU cores'),
    ('tpu_v3', '- --beta1=0.5', '- --replicas=4', '', '--replicas=4 is for --runtime=pjrt'),
    ('tpu_v5e', '--use_tpu=true', '--use_tpu=false', '--use_tpu', 'pays for a TPU and does not use it'),
    ('tpu_v5e', '--runtime=pjrt', '--runtime=estimator', '--runtime', 'has PJRT only: write --runtime=pjrt'),
    ('tpu_v5e', '- --beta1=0.5', '- --tpu=my-tpu', '', 'write --tpu=local'),
    ('tpu_v5e', '- --beta1=0.5', '- --replicas=16', '', '--replicas=16: the machine has 8 devices'),
    ('tpu_v5e', '- --beta1=0.5', '- --replicas=3', '--train_batch_size', '=1024 cannot be shared by 3 devices'),
    ('tpu_v6e', '_size=1024', '_size=100', '_size=100', '=100 cannot be shared by 8 devices'),
    ('tpu_v6e', '- --beta1=0.5', '- --iterations_per_loop=300', '', '--iterations_per_loop=300'),
    ('tpu_v3', '--tpu=local', '--tpu=my-tpu', 'my-tpu', 'write --tpu=local'),
    ('tpu_v3', '--train_batch_size=1024', '--train_batch_size=100', 'size=100', 'cannot be shared by 8 TPU cores'),
    ('tpu_v3', '- --beta1=0.5', '- --iterations_per_loop=300', '', '--iterations_per_loop=300'),
    ('gpu', 'gs://my-bucket/data', 'data/photos64', 'photos64', 'a folder of your machine'),
    ('tpu_v3', '- --train_data=gs://my-bucket/data', '- --seed=1', 'args:', 'needs --train_data=gs://BUCKET'),
]  # fmt: skip
LEARNING_RATE = """learning_rate
    scaleType: UNIT_LOG_SCALE
    doubleValueSpec:
      minValue: 0.00005
      maxValue: 0.001"""
BATCH_SIZE = """train_batch_size
    scaleType: UNIT_LINEAR_SCALE
    discreteValueSpec:
      values: [32, 64, 128]"""
STUDY = [
    ('hptuning', 'parameterId: learning_rate', 'parameterId: learning-rate', 'learning-rate', 'has no flag'),
    ('hptuning', 'metricId: kid', 'metricId: loss', 'metricId', 'equal to --hptuning_metric=kid'),
    ('hptuning', '- --hptuning_metric=kid', '- --seed=1', 'args:', 'no trial would report its metric'),
    ('hptuning', '--hptuning_metric=kid', '--hptuning_metric=fid', 'fid', 'holdout_d_real'),
    ('hptuning', '[32, 64, 128]', '[1, 64, 128]', '[1,', 'it must be at least 2'),
    ('hptuning', '[32, 64, 128]', '[32, 64.5, 128]', '[32,', 'expected a whole number'),
    ('hptuning', '[32, 64, 128]', '[64, 32]', '[64,', 'must rise'),
    ('hptuning', '[32, 64, 128]', '[]', 'discreteValueSpec', 'values is missing or empty'),
    ('hptuning', 'minValue: 0.00005', 'minValue: 0.5', '', 'is above maxValue'),
    ('hptuning', 'minValue: 0.00005', 'minValue: 0', 'UNIT_LOG_SCALE', 'begin above 0'),
    ('hptuning', 'UNIT_LOG_SCALE\n    doubleValueSpec:\n      minValue: 0.00005',
     'UNIT_LINEAR_SCALE\n    doubleValueSpec:\n      minValue: -1', 'minValue: -1', 'it must be at least 0'),
    ('hptuning', 'parameterId: learning_rate', 'parameterId: train_steps', 'doubleValueSpec', 'takes no fractions'),
    ('hptuning', 'learning_rate\n', 'beta1\n  - parameterId: seed\n', '- parameterId: beta1', 'give exactly one of'),
    ('hptuning', LEARNING_RATE, 'beta1\n    doubleValueSpec: {minValue: 0.1, maxValue: 1}', 'double', 'below 1'),
    ('hptuning', BATCH_SIZE, 'image_size\n    integerValueSpec: {minValue: 32, maxValue: 128}', 'integer', 'lists'),
    ('hptuning', 'studySpec:', 'studySpec:\n  algorithm: GRID_SEARCH', 'doubleValueSpec', 'takes no real numbers'),
    ('hptuning', '    discreteValueSpec:', '    integerValueSpec: {minValue: 2, maxValue: 4}\n    discreteValueSpec:',
     '- parameterId: train_batch_size', 'give exactly one of'),
]  # fmt: skip


@pytest.mark.parametrize(
    'mistake', [*SHAPE, *MACHINE, *TASK, *ARGS, *STUDY], ids=lambda mistake: f'{mistake[0]}: {mistake[4]}'
)
def test_one_mistake_is_refused_with_its_line(mistake):
    job, old, new, named, words = mistake
    head, body = filled(job).split('\n\n', 1)
    assert old in body
    wrong = body.replace(old, new, 1)
    line = next(number for number, line in enumerate(wrong.splitlines(), 1) if (named or new.splitlines()[0]) in line)
    line += head.count('\n') + 2
    with pytest.raises(errors.UserError) as refused:
        vertex_config.check_job('jobs/wrong.yaml', f'{head}\n\n{wrong}')
    message = str(refused.value)
    assert message.startswith(f'jobs/wrong.yaml:{line}: '), message
    assert words in message
    assert '\n' not in message


# Unusual but correct: each must pass.
VARIANTS = [
    ('gpu', 'replicaCount: 1', 'replicaCount: "1"'),  # As shown by gcloud ai custom-jobs describe.
    ('gpu', 'acceleratorType: NVIDIA_TESLA_T4', 'acceleratorType: NVIDIA_TESLA_P100'),
    ('gpu', '    args:', '    command: [python3, -m, trainer.task]\n    args:'),
    ('gpu', 'enableWebAccess: true', 'enableDashboardAccess: true'),
    ('gpu', 'gs://my-bucket/data', '/gcs/my-bucket/my data'),
    ('gpu', '- --train_kimg=1280', '- --flagfile=configs/dcgan64.cfg'),
    ('gpu', '- --train_kimg=1280', '- --preflight_only'),
    ('tpu_v3', 'acceleratorCount: 8', 'acceleratorCount: 32'),
    ('tpu_v3', '- --train_kimg=15360', '- --train_steps\n    - "15000"'),
    ('tpu_v3', '- --beta1=0.5', '- --verbosity=1'),
    ('tpu_v5e', '- --runtime=pjrt', '- --replicas=4'),  # --runtime=auto finds PJRT there.
    ('tpu_v5e', '- --runtime=pjrt', '- --tpu='),
    ('tpu_v5e', SIZE.replace('standard', 'hightpu'), 'hightpu-4t\n    tpuTopology: 2x2'),
    ('tpu_v6e', SIZE, 'standard-1t\n    tpuTopology: 1x1'),
    ('tpu_v6e', 'dcgan-tpu-pjrt:', 'my_trainer:'),
    ('gpu_pjrt', '- --use_gpu=true', '- --use_gpu=true\n    - --runtime=pjrt'),
    ('gpu_pjrt', 'torCount: 1', 'torCount: 4'),
    ('python_package', 'tf-cpu.2-15.py310', 'tf-gpu.2-15.py310'),
    ('hptuning', 'minValue: 0.00005', 'minValue: 5e-5'),
    ('hptuning', '[32, 64, 128]', '[32.0, 64.0]'),
    ('hptuning', 'discreteValueSpec:\n      values: [32, 64, 128]', 'integerValueSpec: {minValue: 32, maxValue: 64}'),
    ('hptuning', 'studySpec:', 'maxTrialCount: 4\nmaxFailedTrialCount: 2\nstudySpec:\n  algorithm: RANDOM_SEARCH'),
]


@pytest.mark.parametrize(('job', 'old', 'new'), VARIANTS)
def test_what_is_right_in_another_way_passes(job, old, new, monkeypatch):
    monkeypatch.chdir(ROOT)
    head, body = filled(job).split('\n\n', 1)
    assert old in body
    vertex_config.check_job('jobs/right.yaml', f'{head}\n\n{body.replace(old, new, 1)}')


def test_a_tensorboard_that_would_stay_empty_is_refused(monkeypatch):
    monkeypatch.chdir(ROOT)
    text = filled('gpu').replace('- --use_tpu=false', '- --use_tpu=false\n    - --model_dir=gs://my-bucket/runs/a')
    text = re.sub(r'baseOutputDirectory:\n.*\n', '', text)
    with pytest.raises(errors.UserError, match=r'tensorboard: .*would stay empty'):
        vertex_config.check_job('job.yaml', text)
    vertex_config.check_job('job.yaml', text.replace('runs/a', 'runs/a\n    - --tensorboard_dir=gs://my-bucket/logs'))


@pytest.mark.parametrize('text', ['', '- a', 'a: &a [*a]\nworkerPoolSpecs: *a', 'a: \x00', 'a: 1\n---\nb: 2'])
def test_what_is_no_job_at_all_is_one_line_too(text):
    with pytest.raises(errors.UserError, match=r'^job\.yaml:\d+: [^\n]+$'):
        vertex_config.check_job('job.yaml', text)
