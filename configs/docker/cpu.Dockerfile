# The trainer and the converter on CPUs. From the root of the repository:
#   docker build --file=configs/docker/cpu.Dockerfile --tag=dcgan-cpu .
#   docker run --user=dcgan dcgan-cpu --use_tpu=false \
#     --train_data=gs://BUCKET/photos64 --model_dir=gs://BUCKET/runs/photos64
#   docker run --user=dcgan --entrypoint=python dcgan-cpu -m convert.images_to_tfrecords \
#     --input_dir=gs://BUCKET/photos --output_dir=gs://BUCKET/photos64 --image_size=64
# One stage: next to all packages come as wheels, so nothing is left to leave behind, and a second stage would only keep
# --cache-from from finding their layer. What is installed is fixed: the base by its digest, which docker buildx
# imagetools inspect python:3.11-slim-bookworm tells anew, the packages by the hashes of cpu.txt.
FROM python:3.11-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84

ENV PYTHONUNBUFFERED=1

# tensorflow-cpu does not count as "tensorflow" for setup.py, hence --no-deps below; cpu.txt has all of the rest.
# Without build isolation, as pip would fetch what it builds the one sdist with, and check no hash of that.
COPY configs/docker/cpu.txt /tmp/
RUN pip install --no-cache-dir --no-build-isolation --require-hashes --requirement /tmp/cpu.txt && pip check

COPY setup.py /tmp/source/
COPY trainer /tmp/source/trainer
COPY convert /tmp/source/convert
RUN pip install --no-cache-dir --no-deps --no-build-isolation /tmp/source \
    && useradd --create-home --uid=1000 dcgan

WORKDIR /home/dcgan
COPY configs/*.cfg configs/

# Root, for Vertex AI's sake: only root may write the file there that takes a tuning job's metric
# (https://github.com/GoogleCloudPlatform/cloudml-hypertune/issues/6), and configs/vertex/hptuning.yaml tunes with this
# image. Everywhere else --user=dcgan, or runAsUser: 1000 in Kubernetes, runs it without.
ENTRYPOINT ["python", "-m", "trainer.task"]
