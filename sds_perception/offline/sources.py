"""What an input turns out to be: a picture, a folder of them, a video or a ROS 2 bag."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from sds_perception.offline.camera_choice import CameraChoice
from sds_perception.offline.frames import OfflineError, Source
from sds_perception.offline.pictures import open_pictures

BAG_SUFFIXES = ('.mcap', '.db3')


def open_source(
    path: Path, *, camera: str | None = None, topic: str | None = None, lens: str = 'raw'
) -> Source:
    """The frames of `path`.

    Args:
        path: of the input.
        camera: calibration file or degrees, in place of what the input brings.
        topic: of the pictures, for a bag only; may be left out where it has only one.
        lens: 'raw', 'rectify' or 'rectified', as the node has it.

    Raises:
        OfflineError: there is nothing to be seen, or nothing that can read it.
    """
    choice = CameraChoice(camera, lens) if camera else None
    if not path.exists():
        raise OfflineError(f'{path} does not exist')
    refuse_near_bags(path)
    if is_bag(path):
        require_rosbags(path)
        from sds_perception.offline.bag_source import BagSource

        return BagSource(path, topic, choice, lens)
    if topic:
        raise OfflineError(f'--topic is for bags, and {path} is none')
    return open_pictures(path, choice)


def is_bag(path: Path) -> bool:
    """Whether this is a ROS 2 bag: a file with such a suffix, or a folder that describes one."""
    return path.suffix in BAG_SUFFIXES or (path / 'metadata.yaml').exists()


def refuse_near_bags(path: Path) -> None:
    """Refuse what is no bag yet: files that nothing describes (of a killed recorder), ROS 1."""
    lone = [] if is_bag(path) else [each for s in BAG_SUFFIXES for each in path.glob(f'*{s}')]
    if lone:
        raise OfflineError(
            f'{path} has {lone[0].name} and no metadata.yaml: give {lone[0]} itself, or make the '
            'other with `ros2 bag reindex`'
        )
    if path.suffix == '.bag' and path.is_file():
        raise OfflineError(f'{path} is a ROS 1 bag; `rosbags-convert` makes a ROS 2 bag of it')


def require_rosbags(path: Path) -> None:
    """Refuse the bag `path` where nothing can read or write it; pictures need no rosbags."""
    if find_spec('rosbags') is None:
        raise OfflineError(f'{path} is a ROS 2 bag, and the package rosbags is not installed')
