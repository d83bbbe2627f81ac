# The trainer on Cloud TPU v2 and v3, on a TPU VM or as a Vertex AI job of one. From the root of the repository:
#   docker build --file=configs/docker/tpu.Dockerfile --tag=dcgan-tpu .
#   docker run --privileged --network=host dcgan-tpu --use_tpu=true --tpu=local --train_data=gs://BUCKET/photos64
# The base is pinned by its digest, the packages by the hashes in tpu.txt. Google publishes no checksum of the two files
# below. The build prints their checksums, and refuses other files if it gets
#   --build-arg=LIBTPU_SHA256=... --build-arg=TENSORFLOW_SHA256=...
FROM python:3.10-slim-bookworm@sha256:9643927a6fc74bd81b0f1bbb5cce3cb4a491f46b4c5dbee770f28e575f180015

# Sets no variable that selects the PJRT runtime (NEXT_PLUGGABLE..., TF_PLUGGABLE...): TPUEstimator needs the other one.
ENV PYTHONUNBUFFERED=1

COPY configs/docker/fetch.py /tmp/
ARG LIBTPU=https://storage.googleapis.com/cloud-tpu-tpuvm-artifacts/libtpu/1.9.0/libtpu.so
ARG LIBTPU_SHA256=
RUN python /tmp/fetch.py "${LIBTPU}" /lib/libtpu.so "${LIBTPU_SHA256}"

# pip check ends the build if the TPU build of TensorFlow needs another version of a package than tpu.txt has.
ARG TENSORFLOW=https://storage.googleapis.com/cloud-tpu-tpuvm-artifacts/tensorflow/tf-2.15.0/tensorflow-2.15.0-cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64.whl
ARG TENSORFLOW_SHA256=
COPY configs/docker/tpu.txt /tmp/
RUN python /tmp/fetch.py "${TENSORFLOW}" /tmp/ "${TENSORFLOW_SHA256}" \
    && pip install --no-cache-dir --no-build-isolation --require-hashes --requirement /tmp/tpu.txt \
    && pip install --no-cache-dir --no-deps /tmp/tensorflow-*.whl && pip check && rm /tmp/tensorflow-*.whl

COPY setup.py /tmp/source/
COPY trainer /tmp/source/trainer
COPY convert /tmp/source/convert
# The check refuses what the trainer would refuse: a missing libtpu, or a TensorFlow without TPU support. Importing a
# TPU build starts the libtpu that it finds. Images are built without a TPU, so TPU_LIBRARY_PATH hides the library.
RUN pip install --no-cache-dir --no-deps --no-build-isolation /tmp/source \
    && TPU_LIBRARY_PATH=/none python -c 'from trainer.machine import tpu_runtime; tpu_runtime.check_runtime({})'

WORKDIR /root
COPY configs/*.cfg configs/

# Runs as root: Google runs containers on TPU VMs privileged (https://cloud.google.com/tpu/docs/run-in-container), and
# documents no other user who may open the TPU's devices there. On Vertex AI, they cannot be passed to another user.
ENTRYPOINT ["python", "-m", "trainer.task"]
