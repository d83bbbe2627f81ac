"""The model: hyper-parameters, networks, losses, the training step, with model_fn and input_fn side by side.

Knows no folder of a run, no Cloud Storage, no Vertex AI and no page. Imports `data` and `flags`.
"""
