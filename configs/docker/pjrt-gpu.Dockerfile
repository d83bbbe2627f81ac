# The trainer on NVIDIA GPUs through PJRT. From the root of the repository:
#   docker build --file=configs/docker/pjrt-gpu.Dockerfile --tag=dcgan-gpu-pjrt .
#   docker run --gpus=all dcgan-gpu-pjrt --use_gpu=true \
#     --train_data=gs://BUCKET/photos64 --model_dir=gs://BUCKET/runs/photos64
# JAX compiles the step and brings CUDA libraries of its own, as packages. TensorFlow stays on the CPU and is that of
# cpu.Dockerfile: its GPU build needs older CUDA libraries, and both would take the GPU's memory. Only the driver comes
# from the machine. The base is pinned by its digest, the packages by the hashes in cpu.txt and pjrt-gpu.txt.
FROM python:3.11-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84

# The variables that nvidia/cuda images set: with them the container runtime mounts the driver, and Google's machines
# mount it in /usr/local/nvidia.
ENV PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    LD_LIBRARY_PATH=/usr/local/nvidia/lib:/usr/local/nvidia/lib64 \
    PATH=/usr/local/nvidia/bin:${PATH}

COPY configs/docker/cpu.txt /tmp/
RUN pip install --no-cache-dir --no-build-isolation --require-hashes --requirement /tmp/cpu.txt && pip check

# A second command, because no resolver finds one answer for both: TensorFlow asks for an older ml_dtypes than JAX does,
# and works with the newer one. pip reports this conflict and goes on.
COPY configs/docker/pjrt-gpu.txt /tmp/
RUN pip install --no-cache-dir --no-build-isolation --require-hashes --requirement /tmp/pjrt-gpu.txt

COPY setup.py /tmp/source/
COPY trainer /tmp/source/trainer
COPY convert /tmp/source/convert
# The check refuses what the trainer would refuse: a JAX that is missing, does not fit, or has no plugin for GPUs.
RUN pip install --no-cache-dir --no-deps --no-build-isolation /tmp/source \
    && python -c 'from trainer.pjrt import installation; installation.check("gpu")' \
    && useradd --create-home --uid=1000 dcgan

WORKDIR /home/dcgan
COPY configs/*.cfg configs/

# A tuning job on Vertex AI cannot use this image: only root may write the file there that holds its metric
# (https://github.com/GoogleCloudPlatform/cloudml-hypertune/issues/6). For a tuning job, build it without the next line.
USER 1000
ENTRYPOINT ["python", "-m", "trainer.task"]
