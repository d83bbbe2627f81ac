"""Trains a DCGAN on TFRecords of your own images, on Cloud TPU or on a CPU, with one code base."""

import os
import warnings

# TensorFlow 2.15 reports its missing CUDA libraries as six errors at every start, and a harmless optimiser failure at
# every training run; real errors reach Python as exceptions. TF_CPP_MIN_LOG_LEVEL=0 in the environment shows them all.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

# Google's libraries announce years ahead which Python they will stop supporting; TensorFlow 2.15 has no newer one.
warnings.filterwarnings('ignore', category=FutureWarning, module=r'google\.')
