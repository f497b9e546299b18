"""What the node says at a terminal; /rosout gets the same lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from node_graph import Graph, image, until

Heard = Callable[[str], list[str]]


@contextmanager
def terminal(folder: Path) -> Iterator[Heard]:
    """Tells the lines with these words that stood on the terminal since it was entered.

    Not `capfd`: it reads its file and then empties it, and a line that comes between is lost. Nor
    a fixture: pytest takes the terminal anew before the test itself.
    """
    screen, before = folder / 'screen', os.dup(2)
    with screen.open('wb') as file:
        os.dup2(file.fileno(), 2)
    try:
        yield lambda words: [each for each in screen.read_text().splitlines() if words in each]
    finally:
        os.dup2(before, 2)
        os.close(before)


def test_a_fault_of_a_camera_is_logged_once_when_it_comes_and_once_when_it_goes(
    graph: Graph, tmp_path: Path
) -> None:
    with terminal(tmp_path) as heard:
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


def test_what_runs_and_where_it_listens_is_logged(graph: Graph, tmp_path: Path) -> None:
    with terminal(tmp_path) as heard:
        node = graph.node(cameras=['left', 'right'])
        node.trigger_configure()
        assert len(heard(' of 128x64: engine torch cpu float32, device cpu')) == 1
        node.trigger_activate()
        listening = (
            'listening to /left/image, /left/camera_info, /right/image, /right/camera_info;'
        )
        assert len(heard(listening)) == 1


def test_a_node_that_is_activated_again_tells_again_of_what_is_wrong(
    graph: Graph, tmp_path: Path
) -> None:
    with terminal(tmp_path) as heard:
        node = graph.active()
        node.trigger_deactivate()
        node.trigger_activate()
        until(lambda: len(heard('no publisher on /image')) == 2, 'it was told again')
