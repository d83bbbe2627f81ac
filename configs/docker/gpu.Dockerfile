# The trainer on an NVIDIA GPU. From the root of the repository:
#   docker build --file=configs/docker/gpu.Dockerfile --tag=dcgan-gpu .
#   docker run --gpus=all dcgan-gpu --use_tpu=false \
#     --train_data=gs://BUCKET/photos64 --model_dir=gs://BUCKET/runs/photos64
# The CUDA libraries are packages of the same versions that TensorFlow was built with (its extra and-cuda). An
# nvidia/cuda base would bring other versions, and another Python. Only the driver comes from the machine. The base is
# pinned by its digest, the packages by the hashes in gpu.txt.
FROM python:3.11-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84

# The variables that nvidia/cuda images set: with them the container runtime mounts the driver, and Google's machines
# mount it in /usr/local/nvidia.
ENV PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    LD_LIBRARY_PATH=/usr/local/nvidia/lib:/usr/local/nvidia/lib64 \
    PATH=/usr/local/nvidia/bin:${PATH}

COPY configs/docker/gpu.txt /tmp/
RUN pip install --no-cache-dir --no-build-isolation --require-hashes --requirement /tmp/gpu.txt && pip check

COPY setup.py /tmp/source/
COPY trainer /tmp/source/trainer
COPY convert /tmp/source/convert
RUN pip install --no-cache-dir --no-deps --no-build-isolation /tmp/source \
    && useradd --create-home --uid=1000 dcgan

WORKDIR /home/dcgan
COPY configs/*.cfg configs/

# A tuning job on Vertex AI cannot use this image: only root may write the file there that holds its metric
# (https://github.com/GoogleCloudPlatform/cloudml-hypertune/issues/6). For a tuning job, build it without the next line.
USER 1000
ENTRYPOINT ["python", "-m", "trainer.task"]
