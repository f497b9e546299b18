"""What a folder of results says of its frames, also where the disk is full."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sds_perception.metric_scale import ScaleEstimate
from sds_perception.offline.frames import OfflineError
from sds_perception.offline.sinks import FileSink
from sds_perception.scene import Scene


def test_the_list_says_of_each_frame_what_a_bag_and_the_scale_said(frames, tmp_path) -> None:
    flat = np.ones((48, 80), np.float32)
    camera = frames[0].calibration.camera
    scene = Scene(flat.astype(np.uint8), flat, flat.astype(np.uint8), 'metric', camera)
    estimate = ScaleEstimate(2.5, 0.123456, 'camera_height', 'held', age_frames=3)
    with FileSink(tmp_path / 'seen', pictures=False) as sink:
        sink.write(frames[1], scene, estimate)
    line = json.loads((tmp_path / 'seen' / 'frames.jsonl').read_text())
    assert (line['name'], line['stamp_ns']) == (frames[1].name, frames[1].stamp_ns)
    assert (line['frame_id'], line['depth_kind']) == ('front_optical', 'metric')
    assert line['scale'] == {
        'factor': 2.5, 'quality': 0.1235, 'source': 'camera_height', 'status': 'held'
    }  # fmt: skip


def test_a_full_disk_leaves_no_half_of_a_line_in_the_list(
    frames, files_of_at_most, tmp_path
) -> None:
    flat = np.ones((4, 6), np.float32)
    scene = Scene(flat.astype(np.uint8), flat, flat.astype(np.uint8), 'relative')
    with (
        FileSink(tmp_path / 'seen', pictures=False) as sink,
        files_of_at_most(2_500),
        pytest.raises(OfflineError, match='frames.jsonl cannot be written'),
    ):
        for number in range(100):
            sink.write(replace(frames[0], name=str(number)), scene, None)
    listed = (tmp_path / 'seen' / 'frames.jsonl').read_text()
    assert listed.endswith('}\n') and len(list(map(json.loads, listed.splitlines()))) > 5
