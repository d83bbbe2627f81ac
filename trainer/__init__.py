"""Trains a DCGAN on TFRecords of your own images, on Cloud TPU or on a CPU, with one code base."""

import os
import sys
import warnings

from trainer import environment, terminal

terminal.open_streams()
environment.hide_from_tensorflow()
environment.hide_jax_from_tensorflow()
if sys.argv[:1] == ['-m']:  # `python -m trainer.task`, whose modules take seconds to import.
    terminal.interrupt_in_one_line()

# TensorFlow 2.15 reports its missing CUDA libraries as six errors at every start, and a harmless optimiser failure at
# every training run; real errors reach Python as exceptions. TF_CPP_MIN_LOG_LEVEL=0 in the environment shows them all.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

# TensorFlow reads these once, when it is imported; values in the environment win. Its default block of 64 MiB per open
# file costs gigabytes when shards are read in parallel (tests/benchmarks/gcs_read.py). A cached stat makes a folder
# that was just removed look present. Retries end after two to three minutes instead of four, and a stalled transfer is
# retried after 20 s instead of 60.
_GCS_SETTINGS = {
    'GCS_READ_CACHE_BLOCK_SIZE_MB': '8',
    'GCS_STAT_CACHE_MAX_AGE': '0',
    'GCS_RETRY_CONFIG_MAX_RETRIES': '8',
    'GCS_REQUEST_IDLE_TIMEOUT_SECS': '20',
    'GCS_METADATA_REQUEST_TIMEOUT_SECS': '120',
    'GCS_READ_REQUEST_TIMEOUT_SECS': '300',
}
for _name, _value in _GCS_SETTINGS.items():
    os.environ.setdefault(_name, _value)

# Google's libraries announce years ahead which Python they will stop supporting; TensorFlow 2.15 runs on no newer one.
warnings.filterwarnings('ignore', category=FutureWarning, module=r'google\.')
