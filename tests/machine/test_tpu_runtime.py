from __future__ import annotations

import pathlib

import pytest
import tensorflow as tf

from trainer import errors
from trainer.machine import tpu_runtime


def refusal(environ: dict[str, str], **seams) -> str:
    with pytest.raises(errors.UserError) as caught:
        tpu_runtime.check_runtime(environ, **seams)
    message = str(caught.value)
    assert '\n' not in message
    assert '--use_tpu=false' in message
    return message


@pytest.fixture
def lib(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with a libtpu.so that nobody may load: it is not a real library."""
    folder = tmp_path / 'lib'
    folder.mkdir()
    (folder / 'libtpu.so').write_bytes(b'not an ELF file')
    return folder


@pytest.fixture
def bare(tmp_path: pathlib.Path) -> dict:
    """The loader's view of a machine that is not a TPU VM."""
    return {'folders': [str(tmp_path / 'usr')], 'loader_cache': str(tmp_path / 'absent')}


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('NEXT_PLUGGABLE_DEVICE_USE_C_API', 'true'),
        ('NEXT_PLUGGABLE_DEVICE_USE_C_API', '1'),
        ('TF_PLUGGABLE_DEVICE_LIBRARY_PATH', '/lib/libtpu.so'),
        ('TF_PLUGGABLE_DEVICE_LIBRARY_PATH', '/lib/a\nb.so'),
    ],
)
def test_the_pjrt_runtime_is_refused_even_where_all_else_is_there(lib, name, value):
    message = refusal({name: value}, folders=[str(lib)], configure_op='MatMul')
    assert f'{name}={value!r}' in message
    for words in ('PJRT', 'v5e, v5p, v6e', '90807', 'v2 or v3', 'v4', 'tpu-vm-tf-2.15.*-se', 'unset it'):
        assert words in message


@pytest.mark.parametrize('environ', [{}, {'NEXT_PLUGGABLE_DEVICE_USE_C_API': 'False'}, {'PJRT_DEVICE': 'TPU'}])
def test_a_tpu_vm_passes_without_its_library_being_loaded(lib, environ):
    tpu_runtime.check_runtime(environ, folders=[str(lib)], configure_op='MatMul')


def test_without_libtpu_it_says_where_it_looked_and_how_to_get_it(bare):
    message = refusal({'LD_LIBRARY_PATH': '/opt/a::/opt/b'}, **bare)
    for words in ("'/opt/a', '/opt/b', " + repr(bare['folders'][0]), bare['loader_cache'], 'pip package'):
        assert words in message
    for words in ('not a TPU VM', 'tpu-vm-tf-2.15.*-se', 'libtpu/1.9.0/libtpu.so -o /lib/libtpu.so'):
        assert words in message


def test_libtpu_is_found_wherever_the_loader_would_find_it(lib, bare, tmp_path, monkeypatch):
    other = tmp_path / 'libtpu' / 'libtpu.so'
    other.parent.mkdir()
    for environ in (
        {'LD_LIBRARY_PATH': f'/opt:{lib}'},
        {'TPU_LIBRARY_PATH': str(lib / 'libtpu.so')},
        {'TPU_LIBRARY_PATH': 'libtpu.so', 'LD_LIBRARY_PATH': str(lib)},
    ):
        tpu_runtime.check_runtime(environ, **bare, configure_op='MatMul')
    cache = tmp_path / 'ld.so.cache'
    cache.write_bytes(b'glibc-ld.so.cache1.1\0libz.so\0/opt/tpu/libtpu.so\0')
    tpu_runtime.check_runtime({}, bare['folders'], str(cache), 'MatMul')
    cache.write_bytes(b'glibc-ld.so.cache1.1\0/opt/tpu/libtpu.so.bak\0')
    refusal({}, folders=bare['folders'], loader_cache=str(cache))
    monkeypatch.syspath_prepend(str(tmp_path))  # The pip package: a folder on Python's path.
    refusal({}, **bare)
    other.write_bytes(b'')
    tpu_runtime.check_runtime({}, **bare, configure_op='MatMul')


def test_tpu_library_path_alone_counts_when_set(lib):
    message = refusal({'TPU_LIBRARY_PATH': '/absent/libtpu.so'}, folders=[str(lib)])
    assert "TPU_LIBRARY_PATH='/absent/libtpu.so' is not a file: unset it" in message


def test_the_ordinary_wheel_is_refused_and_names_the_one_to_take(lib):
    message = refusal({}, folders=[str(lib)])
    assert f'TensorFlow {tf.__version__}' in message
    for words in ('without TPU support', 'Python 3.10', 'pip install https://storage.googleapis.com/', 'cp310'):
        assert words in message
