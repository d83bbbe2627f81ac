"""Two jobs with one model_dir: the second is refused while the first runs, and only then."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.conftest import ROOT
from tests.fakes.cloud.fixtures import LEAVES_CONNECTIONS
from trainer import errors
from trainer.filesystem import lock, remote_lock

pytestmark = LEAVES_CONNECTIONS

BEAT_S = 0.2
HOLDS = """
import time
from trainer.filesystem import lock
with lock.hold({folder!r}, {{}}):
    print('held', flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=['local', 'gs'])
def folder(request, tmp_path) -> str:
    return str(tmp_path) if request.param == 'local' else f'{request.getfixturevalue("gcs").bucket}/run'


def content(gcs) -> dict:
    return json.loads(gcs.server.get(f'{gcs.bucket}/run/lock.json'))


def test_the_second_is_refused_with_the_name_of_the_first(folder):
    in_use = pytest.raises(errors.UserError, match=r'in use by process \d+ on')
    with lock.hold(folder, {}, BEAT_S), in_use as refused, lock.hold(folder, {}, BEAT_S):
        pytest.fail('both hold it')
    assert folder in str(refused.value) and '--model_dir' in str(refused.value)


def test_it_can_be_held_again_after(folder):
    for _ in range(2):
        with lock.hold(folder, {}, BEAT_S) as held:
            assert not held.lost


def test_nothing_is_left_behind_in_a_bucket(gcs):
    with lock.hold(f'{gcs.bucket}/run', {}, BEAT_S):
        assert gcs.server.paths(gcs.bucket + '/') == [f'{gcs.bucket}/run/lock.json']
    assert gcs.server.paths(gcs.bucket + '/') == []


def test_a_killed_process_leaves_a_local_folder_free(tmp_path):
    process = subprocess.Popen(
        [sys.executable, '-c', HOLDS.format(folder=str(tmp_path))], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == 'held\n'
    with pytest.raises(errors.UserError, match=f'process {process.pid} on'), lock.hold(str(tmp_path), {}):
        pytest.fail('both hold it')
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with lock.hold(str(tmp_path), {}):
        pass


def test_a_job_without_a_sign_of_life_loses_it(gcs, caplog):
    gcs.server.put(f'{gcs.bucket}/run/lock.json', json.dumps({'owner': 'job 7', 'heartbeat_s': BEAT_S}).encode())
    began = time.monotonic()
    with lock.hold(f'{gcs.bucket}/run', {}, BEAT_S):
        assert time.monotonic() - began >= 4 * BEAT_S
        assert 'process' in content(gcs)['owner']
    assert 'took over from job 7' in caplog.text


def test_a_restarted_job_is_not_waited_for(gcs):
    gcs.server.put(f'{gcs.bucket}/run/lock.json', json.dumps({'job': '42', 'owner': 'job 42'}).encode())
    began = time.monotonic()
    with lock.hold(f'{gcs.bucket}/run', {'CLOUD_ML_JOB_ID': '42'}, heartbeat_s=30):
        assert content(gcs)['job'] == '42'
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    'left',
    [b'', b'no json', b'[]', b'\xff', b'{"owner": 7}', b'{"heartbeat_s": -1}', b'{"heartbeat_s": NaN}', b'{"a": 1}'],
)
def test_what_is_no_lock_is_not_replaced(left, gcs):
    gcs.server.put(f'{gcs.bucket}/run/lock.json', left)
    refused = pytest.raises(errors.UserError, match='is not a lock of this program .*: remove it')
    with refused, lock.hold(f'{gcs.bucket}/run', {}):
        pytest.fail('it holds it')
    assert gcs.server.get(f'{gcs.bucket}/run/lock.json') == left


def test_no_lock_makes_anybody_wait_for_ever():
    assert remote_lock.Holder(heartbeat_s=1e12).heartbeat_s <= 60


def test_a_link_or_a_pipe_in_its_place_is_refused_and_not_followed(tmp_path):
    (tmp_path / 'thesis').write_text('mine')
    path = tmp_path / lock.LOCAL_NAME
    for make in (lambda: path.symlink_to(tmp_path / 'thesis'), lambda: os.mkfifo(path), path.mkdir):
        make()
        with pytest.raises(errors.UserError, match='not a lock: remove it'), lock.hold(str(tmp_path), {}):
            pytest.fail('it holds it')
        path.rmdir() if path.is_dir() else path.unlink()
    assert (tmp_path / 'thesis').read_text() == 'mine'


def test_nothing_is_left_behind_on_a_disk(tmp_path):
    with lock.hold(str(tmp_path), {}):
        assert [path.name for path in tmp_path.iterdir()] == [lock.LOCAL_NAME]
    assert not list(tmp_path.iterdir())


def test_a_lock_that_its_owner_removes_meanwhile_is_not_held_by_two(tmp_path):
    """Ten at once, repeatedly: the next one must not lock the file that one has just removed."""
    inside, most = [0], [0]
    guard = threading.Lock()

    def compete() -> None:
        for _ in range(100):
            try:
                with lock.hold(str(tmp_path), {}):
                    with guard:
                        inside[0] += 1
                        most[0] = max(most[0], inside[0])
                    with guard:
                        inside[0] -= 1
            except errors.UserError:
                pass

    threads = [threading.Thread(target=compete) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_the_loser_notices(gcs):
    with lock.hold(f'{gcs.bucket}/run', {}, BEAT_S) as held:
        gcs.server.put(f'{gcs.bucket}/run/lock.json', json.dumps({'owner': 'job 8'}).encode())
        deadline = time.monotonic() + 10
        while not held.lost and time.monotonic() < deadline:
            time.sleep(0.05)
        assert held.lost == 'job 8'
        with pytest.raises(errors.UserError, match='taken over by job 8'):
            lock.LockHook(held, 'gs://bucket/run').after_run(None, None)
    assert content(gcs) == {'owner': 'job 8'}  # It is not ours to remove.


@pytest.mark.parametrize('kind', [503, 'reset', 'lost'])
def test_a_fault_does_not_cost_the_lock(kind, gcs):
    """Whether or not the write succeeded: if only the answer was lost, the lock is recognised as ours."""
    creating = gcs.server.fault(kind, method='POST', match='upload')
    with lock.hold(f'{gcs.bucket}/run', {}, BEAT_S) as held:
        renewing = gcs.server.fault(kind, method='POST', match='upload')
        deadline = time.monotonic() + 15
        while not renewing.hits and time.monotonic() < deadline:
            time.sleep(0.05)
        gcs.server.clear_requests()
        while not gcs.server.requests and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (creating.hits, renewing.hits, held.lost) == (1, 1, '')
    assert gcs.server.paths(gcs.bucket + '/') == []


def test_of_many_at_once_one_gets_it(gcs):
    got, refused, free = [], [], threading.Event()

    def compete() -> None:
        try:
            with lock.hold(f'{gcs.bucket}/run', {}, BEAT_S):
                got.append(1)
                free.wait(20)
        except errors.UserError:
            refused.append(1)

    threads = [threading.Thread(target=compete) for _ in range(6)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while len(refused) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    free.set()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 5)


def test_a_folder_that_is_neither_is_not_locked():
    with lock.hold(str(pathlib.Path('nowhere')), {}) as held:
        assert not held.lost
