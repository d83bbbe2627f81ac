# The trainer and the converter on CPUs. From the root of the repository:
#   docker build --file=configs/docker/cpu.Dockerfile --tag=dcgan-cpu .
#   docker run --user=dcgan dcgan-cpu --use_tpu=false \
#     --train_data=gs://BUCKET/photos64 --model_dir=gs://BUCKET/runs/photos64
#   docker run --user=dcgan --entrypoint=python dcgan-cpu -m convert.images_to_tfrecords \
#     --input_dir=gs://BUCKET/photos --output_dir=gs://BUCKET/photos64 --image_size=64
# One stage is enough: almost all packages are wheels, so a second stage would leave nothing behind, and would keep
# --cache-from from finding their layer. Everything installed is pinned: the base by its digest (the current one:
# docker buildx imagetools inspect python:3.11-slim-bookworm), the packages by the hashes in cpu.txt.
FROM python:3.11-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84

ENV PYTHONUNBUFFERED=1

# tensorflow-cpu does not count as "tensorflow" for setup.py, so --no-deps is needed below; cpu.txt has all the rest.
# With build isolation, pip would fetch build tools for the one sdist without checking their hashes.
COPY configs/docker/cpu.txt /tmp/
RUN pip install --no-cache-dir --no-build-isolation --require-hashes --requirement /tmp/cpu.txt && pip check

COPY setup.py /tmp/source/
COPY trainer /tmp/source/trainer
COPY convert /tmp/source/convert
RUN pip install --no-cache-dir --no-deps --no-build-isolation /tmp/source \
    && useradd --create-home --uid=1000 dcgan

WORKDIR /home/dcgan
COPY configs/*.cfg configs/

# Runs as root because of Vertex AI: only root may write the file there that holds a tuning job's metric
# (https://github.com/GoogleCloudPlatform/cloudml-hypertune/issues/6), and configs/vertex/hptuning.yaml tunes with this
# image. Elsewhere, run it without root by --user=dcgan, or by runAsUser: 1000 in Kubernetes.
ENTRYPOINT ["python", "-m", "trainer.task"]
