"""The tests; `make test` runs them all, tests/benchmarks is run by hand."""

import trainer  # noqa: F401  It sets TensorFlow's log level, which must happen before TensorFlow is imported.
