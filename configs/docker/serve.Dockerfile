# The server of a trained model, for Vertex AI's endpoints, Cloud Run, or any machine. From the root of the repository:
#   docker build --file=configs/docker/serve.Dockerfile --tag=dcgan-serve .
#   docker run --publish=127.0.0.1:8080:8080 --volume=$PWD/runs:/runs:ro dcgan-serve --model_dir=/runs/photos64
# It listens on the port of AIP_HTTP_PORT (Vertex AI) or PORT (Cloud Run), else on 8080, and SIGTERM ends it after the
# requests in progress. The base is pinned by its digest, the packages by the hashes in cpu.txt and serve.txt.
FROM python:3.11-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84

ENV PYTHONUNBUFFERED=1

# The layer of cpu.Dockerfile, word for word, so that both images share it.
COPY configs/docker/cpu.txt /tmp/
RUN pip install --no-cache-dir --no-build-isolation --require-hashes --requirement /tmp/cpu.txt && pip check

COPY configs/docker/serve.txt /tmp/
RUN pip install --no-cache-dir --no-build-isolation --require-hashes --requirement /tmp/serve.txt && pip check

COPY setup.py /tmp/source/
COPY trainer /tmp/source/trainer
COPY convert /tmp/source/convert
RUN pip install --no-cache-dir --no-deps --no-build-isolation /tmp/source \
    && useradd --create-home --uid=1000 dcgan

WORKDIR /home/dcgan
USER 1000
EXPOSE 8080
# A container's loopback is closed to the machine around it. Later flags win, so --host may be given again.
ENTRYPOINT ["python", "-m", "trainer.serve", "--host=0.0.0.0"]
