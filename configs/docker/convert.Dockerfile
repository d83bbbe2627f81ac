# The workers of --runner=dataflow (docs/dataflow.md). From the root of the repository:
#   docker build --file=configs/docker/convert.Dockerfile --tag=dcgan-convert .
# Dataflow starts `boot` of Beam's own image, of the same version as apache-beam in convert.txt; everything else is as in
# cpu.Dockerfile, which explains it. Beam's image is named by its tag, not by its digest: nobody here could look it up.
FROM python:3.11-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84

ENV PYTHONUNBUFFERED=1

COPY configs/docker/convert.txt /tmp/
RUN pip install --no-cache-dir --no-build-isolation --require-hashes --requirement /tmp/convert.txt && pip check

COPY --from=apache/beam_python3.11_sdk:2.71.0 /opt/apache/beam /opt/apache/beam
COPY setup.py /tmp/source/
COPY trainer /tmp/source/trainer
COPY convert /tmp/source/convert
RUN pip install --no-cache-dir --no-deps --no-build-isolation /tmp/source

ENTRYPOINT ["/opt/apache/beam/boot"]
