# The trainer on Cloud TPU v5e and v6e through PJRT, on a TPU VM or as a Vertex AI job. From the root of the repository:
#   docker build --file=configs/docker/pjrt-tpu.Dockerfile --tag=dcgan-tpu-pjrt .
#   docker run --privileged --network=host dcgan-tpu-pjrt --use_tpu=true --train_data=gs://BUCKET/photos64
# JAX compiles the step and brings the TPU's library, libtpu; TensorFlow stays on the CPU, as in cpu.Dockerfile.
# The base is pinned by its digest, the packages by the hashes in cpu.txt and pjrt-tpu.txt.
FROM python:3.11-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84

# Sets no variable that selects TensorFlow's own PJRT plugin (NEXT_PLUGGABLE..., TF_PLUGGABLE...): libtpu is JAX's.
ENV PYTHONUNBUFFERED=1

# The layer of cpu.Dockerfile, word for word, so that both images share it.
COPY configs/docker/cpu.txt /tmp/
RUN pip install --no-cache-dir --no-build-isolation --require-hashes --requirement /tmp/cpu.txt && pip check

# A second command, because no resolver finds one answer for both: TensorFlow asks for an older ml_dtypes than JAX does,
# and works with the newer one. pip reports this conflict and goes on.
COPY configs/docker/pjrt-tpu.txt /tmp/
RUN pip install --no-cache-dir --no-build-isolation --require-hashes --requirement /tmp/pjrt-tpu.txt

COPY setup.py /tmp/source/
COPY trainer /tmp/source/trainer
COPY convert /tmp/source/convert
# The check refuses what the trainer would refuse: a JAX that is missing, does not fit, or has no libtpu. It imports
# neither, as images are built without a TPU.
RUN pip install --no-cache-dir --no-deps --no-build-isolation /tmp/source \
    && python -c 'from trainer.pjrt import installation; installation.check("tpu")'

WORKDIR /root
COPY configs/*.cfg configs/

# Runs as root: Google runs containers on TPU VMs privileged (https://cloud.google.com/tpu/docs/run-in-container), and
# documents no other user who may open the TPU's devices there. On Vertex AI, they cannot be passed to another user.
ENTRYPOINT ["python", "-m", "trainer.task"]
