"""Whose CameraInfo belongs to the pictures of a bag."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sds_perception.offline.bag_source import INFO, info_topic


@pytest.mark.parametrize(
    ('messages_beside', 'chosen'), [(3, '/left/camera_info'), (0, '/right/info')]
)
def test_a_camera_info_topic_without_a_message_is_as_good_as_none(messages_beside, chosen) -> None:
    infos = [
        SimpleNamespace(topic='/left/camera_info', msgtype=INFO, msgcount=messages_beside),
        SimpleNamespace(topic='/right/info', msgtype=INFO, msgcount=3),
    ]
    assert info_topic(infos, '/left/image/compressed').topic == chosen


def test_of_several_that_are_not_its_own_none_is_taken() -> None:
    infos = [SimpleNamespace(topic=f'/{n}/camera_info', msgtype=INFO, msgcount=3) for n in 'ab']
    assert info_topic(infos, '/left/image') is None
