from __future__ import annotations

import dataclasses
import logging

from trainer.monitoring.history import History, Point


def filled(folder) -> History:
    history = History(str(folder))
    history.add(0, twins=1.0, twins_real=0.0, verdict='healthy')
    history.add(20, d_real=0.5, twins=0.25)
    history.add(20, kid=0.125, verdict='D overfits')
    history.add(40, kid=-0.001)
    history.write()
    return history


def test_values_of_one_step_come_together_in_one_row(tmp_path):
    history = filled(tmp_path)
    assert history.points[1] == Point(20, d_real=0.5, twins=0.25, kid=0.125, verdict='D overfits')
    lines = (tmp_path / 'metrics.csv').read_text().splitlines()
    assert lines[0].split(',') == [field.name for field in dataclasses.fields(Point)]
    assert len(lines) == 4
    assert lines[2].split(',')[0] == '20'


def test_a_resumed_run_goes_on_where_it_starts(tmp_path):
    written = filled(tmp_path)
    assert History(str(tmp_path), 40).points == written.points
    resumed = History(str(tmp_path), 20)
    assert [point.step for point in resumed.points] == [0, 20]
    assert History(str(tmp_path), 0).points == written.points[:1]


def test_a_file_that_somebody_has_edited_costs_no_run(tmp_path, caplog):
    filled(tmp_path)
    (tmp_path / 'metrics.csv').write_text('step,kid\n20,low\n')
    caplog.set_level(logging.WARNING, 'absl')
    assert History(str(tmp_path), 40).points == []
    assert 'metrics.csv cannot be read' in caplog.text
    assert (tmp_path / 'metrics.csv.old').read_text() == 'step,kid\n20,low\n'


def test_a_file_of_another_version_is_read_as_far_as_it_goes(tmp_path):
    (tmp_path / 'metrics.csv').write_text('step,kid,unknown\n20,0.5,3\n')
    assert History(str(tmp_path), 40).points == [Point(20, kid=0.5)]


def test_it_lives_in_a_bucket_too(gcs):
    history = History(f'{gcs.bucket}/run')
    history.add(0, twins=0.5)
    history.write()
    assert History(f'{gcs.bucket}/run').points == [Point(0, twins=0.5)]
