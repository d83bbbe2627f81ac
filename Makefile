# Two commands do everything on a fresh clone: `make demo` and `make test`. PYTHON=... chooses the interpreter.
.PHONY: venv-pjrt demo test test-beam test-browser lint types check bench bench-tpu vertex-config format clean venv dev

python = .venv/bin/python

demo: venv
	$(python) -m trainer.task --use_tpu=false
	@echo
	@echo "Real images, as the network saw them:   runs/demo/samples/real.png"
	@echo "New ones, from noise:                   $$(ls runs/demo/samples/step_*.png | tail -n 1)"
	@echo "How they came about:                    runs/demo/samples/progress.gif"
	@echo "How the run fared:                      runs/demo/samples/metrics.png"
	@echo "To explore it:                          .venv/bin/python -m trainer.explore --model_dir=runs/demo"

test: dev
	$(python) -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal

# Tests the page of trainer.explore in a headless Chromium, which it installs if there is none.
test-browser: dev
	@.ci/make-venv browser
	CHROMIUM="$$(.ci/make-browser)" $(python) -m pytest tests/browser --override-ini=python_files='check_*.py'

# Tests the conversion on Apache Beam, in an environment of its own: Beam wants an older gRPC. Eight minutes on 2 cores.
test-beam: dev
	@PYTHON='$(PYTHON)' VENV=.venv-beam .ci/make-venv dev,beam
	.venv-beam/bin/python -m pytest tests/convert/distributed

lint: dev
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	.venv/bin/lint-imports --no-cache

types: dev
	$(python) -m mypy

check: lint types test test-browser

# Writes filled and checked job files for `gcloud ai custom-jobs create`:
#   make vertex-config PROJECT=my-project BUCKET=my-bucket REGION=us-central1 IMAGE=REGION-docker.pkg.dev/PROJECT/dcgan/dcgan
vertex-config: venv
	@$(python) -m trainer.vertex_config --project='$(PROJECT)' --bucket='$(BUCKET)' --region='$(REGION)' \
	  --image='$(IMAGE)' --output_dir=jobs

format: dev
	$(python) -m ruff check --fix .
	$(python) -m ruff format .

bench: dev
	$(python) -m pip install --quiet --editable '.[bench,browser,ocr,export]'
	$(python) -m tests.benchmarks.train_step
	$(python) -m tests.benchmarks.convert
	$(python) -m tests.benchmarks.input_pipeline
	$(python) -m tests.benchmarks.layout_check --images=convert/samples/flags
	$(python) -m tests.benchmarks.convert_gcs
	$(python) -m tests.benchmarks.gcs_read
	$(python) -m tests.benchmarks.gcs_stop
	$(python) -m tests.benchmarks.features
	$(python) -m tests.benchmarks.metrics_memory
	$(python) -m tests.benchmarks.page_load
	$(python) -m tests.benchmarks.serve_load
	$(python) -m tests.benchmarks.fuzz
	$(python) -m tests.benchmarks.ocr
	$(python) -m tests.benchmarks.exports

# Gets the TPU compiler's estimates; needs no TPU. For the virtual environment see tests/benchmarks/tpu_compile.txt.
bench-tpu: dev .venv-tpu/bin/python
	$(python) -m tests.benchmarks.tpu_compile --write
	@VENV=.venv-pjrt JAX=tpu .ci/make-venv
	.venv-pjrt/bin/python -m tests.benchmarks.pjrt_compile --write

.venv-tpu/bin/python: tests/benchmarks/tpu_compile.txt
	$(python) -m venv .venv-tpu
	.venv-tpu/bin/python -m pip install --quiet --requirement tests/benchmarks/tpu_compile.txt
	touch $@

clean:
	rm -rf .venv .venv-beam .venv-tpu .venv-pjrt build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache

venv:
	@PYTHON='$(PYTHON)' .ci/make-venv

# An environment for --runtime=pjrt, on a TPU VM with DEVICE=tpu, on a machine with an NVIDIA GPU with DEVICE=gpu.
DEVICE = cpu
venv-pjrt:
	@PYTHON='$(PYTHON)' VENV=.venv-pjrt JAX='$(DEVICE)' .ci/make-venv

dev:
	@PYTHON='$(PYTHON)' .ci/make-venv dev
