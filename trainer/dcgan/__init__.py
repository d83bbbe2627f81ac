"""The model: hyper-parameters, networks, losses, the training step, model_fn and input_fn.

It does not know run folders, Cloud Storage, Vertex AI or the page. Imports `data` and `flags`.
"""
