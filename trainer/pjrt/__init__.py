"""The training step as one XLA program on the PJRT devices of JAX: TPUs of today, NVIDIA GPUs, or CPU devices to try.

TPUEstimator stays on the host with everything around a step; only its train_op is replaced.
"""
