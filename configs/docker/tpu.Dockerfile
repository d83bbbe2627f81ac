# The trainer on Cloud TPU v2 and v3, on a TPU VM or as a Vertex AI job of one. From the root of the repository:
#   docker build --file=configs/docker/tpu.Dockerfile --tag=dcgan-tpu .
#   docker run --privileged --network=host dcgan-tpu --use_tpu=true --tpu=local --train_data=gs://BUCKET/photos64
FROM python:3.10-slim-bookworm

# No variable selects the PJRT runtime here (NEXT_PLUGGABLE..., TF_PLUGGABLE...): TPUEstimator needs the other one.
ENV PYTHONUNBUFFERED=1

# The base image has no curl, and needs none for one file.
ARG LIBTPU=https://storage.googleapis.com/cloud-tpu-tpuvm-artifacts/libtpu/1.9.0/libtpu.so
RUN python -c 'import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])' "${LIBTPU}" /lib/libtpu.so

# One resolution of both: a requirement that would replace the TPU build of TensorFlow ends the build.
ARG TENSORFLOW=https://storage.googleapis.com/cloud-tpu-tpuvm-artifacts/tensorflow/tf-2.15.0/tensorflow-2.15.0-cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64.whl
COPY configs/docker/requirements.txt /tmp/
RUN pip install --no-cache-dir --requirement /tmp/requirements.txt "${TENSORFLOW}" && pip check

COPY setup.py /tmp/source/
COPY trainer /tmp/source/trainer
COPY convert /tmp/source/convert
# The check refuses what the trainer would refuse: no libtpu, or a TensorFlow without TPU support. Importing a TPU build
# starts the library that it finds, and there is no TPU where images are built: TPU_LIBRARY_PATH hides the library.
RUN pip install --no-cache-dir --no-deps --no-build-isolation /tmp/source \
    && TPU_LIBRARY_PATH=/none python -c 'from trainer import tpu_runtime; tpu_runtime.check_runtime({})'

WORKDIR /root
COPY configs/*.cfg configs/

# Root: Google runs containers on TPU VMs privileged (https://cloud.google.com/tpu/docs/run-in-container), and documents
# no other user who may open the TPU's devices there or on Vertex AI, where nobody can hand them over.
ENTRYPOINT ["python", "-m", "trainer.task"]
