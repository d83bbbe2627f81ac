"""The command, as people start it."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest

from tests.chatting.test_answer import chatting_run
from tests.conftest import open_image, tiny_hparams, write_run
from tests.fakes.wechat import FakeIlink, message
from tests.processes import start_module
from trainer import chat, errors
from trainer.chat import ChatOptions
from trainer.chatting import terminal_chat
from trainer.data import image_set, images


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({}, 'give one of --model_dir=FOLDER'),
        ({'model_dir': 'a', 'saved_model': 'b'}, 'give one of --model_dir=FOLDER'),
        ({'saved_model': 'b', 'checkpoint': 'last'}, '--checkpoint=last chooses from a --model_dir'),
        ({'model_dir': 'a', 'credentials': 'c'}, '--credentials=c is for --platform=weixin'),
        (
            {'model_dir': 'a', 'platform': 'weixin', 'credentials': 'gs://b/c'},
            '=gs://b/c: paths are local',
        ),
        ({'model_dir': 'a', 'platform': 'telegram'}, 'choose one of terminal, weixin'),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(errors.UserError, match=message):
        ChatOptions(**changes)


def test_lines_of_a_terminal_are_answered(tmp_path_factory, tmp_path):
    folder = chatting_run(tmp_path_factory)
    pixels = image_set.open_split(f'{folder}/data').pixels()[5]
    (tmp_path / 'mine.png').write_bytes(images.encode_png(pixels))
    (tmp_path / 'text').write_text('3')
    lines = ['plate 17\n', 'hello\n', f'{tmp_path}/mine.png\n', f'{tmp_path}/text\n', f'{tmp_path}\n', '\0\n', '']
    said: list[str] = []
    out = str(tmp_path / 'out')
    with terminal_chat.claimed(out):
        terminal_chat.run(lines, chat._answering(ChatOptions(model_dir=folder)), said.append, out)
    assert said[:2] == ['plate, seed 17', f'{out}/answer_000001.png'] and said[2].startswith('Send a number')
    assert 'yours is likely a copy of it' in said[3] and said[4] == f'{out}/answer_000003.png'
    assert said[5].startswith('1 bytes are not a picture')
    assert all(line.startswith('Send a number') for line in said[6:]) and len(said) == 9
    assert np.array_equal(np.asarray(open_image(said[4]))[:256:8, :256:8], pixels)
    (tmp_path / 'out' / 'mine').touch()
    with (
        pytest.raises(errors.UserError, match='which python -m trainer.chat has not made'),
        terminal_chat.claimed(str(tmp_path)),
    ):
        pass


def test_a_run_without_data_only_makes_pictures(tmp_path):
    write_run(tmp_path, 1, tiny_hparams())
    assert chat.load(ChatOptions(model_dir=str(tmp_path)))[1] is None


def test_a_chat_in_wechat_until_a_signal(tmp_path, monkeypatch):
    """A first start logs in and answers; a second one goes on with what the first has kept."""
    write_run(tmp_path, 1, tiny_hparams())
    flags = ('--platform=weixin', '--model_dir=.', '--credentials=kept.json')
    with FakeIlink() as server:
        monkeypatch.setenv('WEIXIN_API_URL', server.url)
        for number, (code, last) in {signal.SIGTERM: (143, 'terminated'), signal.SIGINT: (130, 'interrupted')}.items():
            server.batches.append([message(number)])
            wanted = len(server.sent) + 2
            with start_module('trainer.chat', *flags, cwd=tmp_path) as process:
                end = time.monotonic() + 60
                while len(server.sent) < wanted and process.poll() is None and time.monotonic() < end:
                    time.sleep(0.02)
                process.send_signal(number)
                log = process.stderr.read()
                assert process.wait(60) == code, log
            assert log.splitlines()[-1] == f'error: {last}' and 'Traceback' not in log and 'botToken' not in log
            assert len(server.sent) == wanted and server.asked[-1] == '/ilink/bot/msg/notifystop'
        assert server.codes == 1 and server.count('/ilink/bot/msg/notifystart') == 2
        (caption, picture) = (sent['item_list'][0] for sent in server.sent[2:])
        assert caption['text_item']['text'] == 'seed 3'
        (tmp_path / 'seen.png').write_bytes(server.seen(picture))
        assert np.asarray(open_image(tmp_path / 'seen.png')).shape == (278, 256, 3)
    assert (tmp_path / 'kept.json').stat().st_mode & 0o777 == 0o600
