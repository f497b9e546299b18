"""What the node says at a terminal; /rosout gets the same lines."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from node_graph import Graph, image, until

Heard = Callable[[str], list[str]]


@pytest.fixture
def heard(capfd: pytest.CaptureFixture[str]) -> Heard:
    """The lines with these words that stood on the terminal so far."""
    screen = ''

    def lines(words: str) -> list[str]:
        nonlocal screen
        screen += capfd.readouterr().err  # may end in the middle of a line
        return [line for line in screen.splitlines() if words in line]

    return lines


def test_a_fault_of_a_camera_is_logged_once_when_it_comes_and_once_when_it_goes(
    graph: Graph, heard: Heard
) -> None:
    graph.active()
    statuses = graph.statuses()
    until(lambda: len(statuses) > 5, 'the heart beat on')
    (fault,) = heard('camera: no publisher on /image')
    assert '[ERROR]' in fault
    publisher = graph.publisher()

    def levels() -> list[str]:
        publisher.publish(image())
        return [line.split()[0] for line in heard('camera: ')]

    until(lambda: len(levels()) > 1, 'it was told that the fault is gone')
    assert levels()[:2] == ['[ERROR]', '[INFO]']


def test_what_runs_and_where_it_listens_is_logged(graph: Graph, heard: Heard) -> None:
    node = graph.node(cameras=['left', 'right'])
    node.trigger_configure()
    assert len(heard(' of 128x64: engine torch cpu float32, device cpu')) == 1
    node.trigger_activate()
    listening = 'listening to /left/image, /left/camera_info, /right/image, /right/camera_info;'
    assert len(heard(listening)) == 1


def test_a_node_that_is_activated_again_tells_again_of_what_is_wrong(
    graph: Graph, heard: Heard
) -> None:
    node = graph.active()
    node.trigger_deactivate()
    node.trigger_activate()
    until(lambda: len(heard('no publisher on /image')) == 2, 'it was told again')
