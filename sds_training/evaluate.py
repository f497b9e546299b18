"""sds-evaluate: scores a release through the vehicle's own Perceiver, at the frames' full size."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from time import perf_counter

import yaml
from tqdm import tqdm

from sds_perception.argument_types import count
from sds_perception.atomic_file import write_atomically
from sds_perception.engines import EngineError
from sds_perception.engines.options import add_engine_options, engine_asked_for, option_in_vain
from sds_perception.perceiver import Perceiver
from sds_perception.release import ReleaseError
from sds_training.data.cityscapes import DataError
from sds_training.data.config import DataConfig
from sds_training.data.validation import ValidationFrame, validation_frames
from sds_training.exit_codes import REFUSED, STOPPED
from sds_training.metrics import FOLDS, PROTOCOLS, DepthProtocol, ScoredFrame, Scores, Tally
from sds_training.report import PictureRows, write_report


def evaluate(
    perceiver: Perceiver,
    frames: Iterable[ValidationFrame],
    *,
    fold: Mapping[str, str] | None = None,
    protocol: DepthProtocol = PROTOCOLS['cityscapes'],
    on_frame: Callable[[int, ScoredFrame], None] = lambda place, judged: None,
) -> Scores:
    """Score `perceiver` on `frames`; `on_frame` sees each one with its place, for pictures."""
    tally = Tally(fold, protocol)
    for place, frame in enumerate(frames):
        rgb = frame.rgb()
        height, width = size = rgb.shape[:2]
        camera = frame.camera_at(width, height)
        began = perf_counter()
        scene = perceiver(rgb, camera)
        seconds = perf_counter() - began
        judged = ScoredFrame(frame, rgb, scene, frame.labels(size), frame.depth_m(size))
        tally.add(judged, seconds)
        on_frame(place, judged)
    return tally.scores()


def read_fold(source: str) -> dict[str, str]:
    """A built-in fold by name ('none', 'camvid'), or a YAML file mapping class to class."""
    if source in FOLDS:
        return FOLDS[source]
    path = Path(source)
    if not path.is_file():
        raise DataError(f'fold {source!r} is neither a file nor one of {", ".join(FOLDS)}')
    try:
        fold = yaml.safe_load(path.read_text())
    except UnicodeDecodeError as problem:
        raise DataError(f'fold {path} is no text: {problem}') from problem
    except yaml.YAMLError as problem:
        where = ' '.join(str(problem).split())
        raise DataError(f'fold {path} is no YAML: {where}') from problem
    if not isinstance(fold, dict) or not all(isinstance(v, str) for v in fold.values()):
        raise DataError(f'{path} must map class names to class names, like "wall: fence"')
    return fold


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 2 with a sentence if release, engine or data cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        _evaluate_and_write(options)
    except (DataError, ReleaseError, EngineError, ValueError, OSError) as problem:
        print(f'sds-evaluate: {problem}', file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print('sds-evaluate: stopped; nothing was written', file=sys.stderr)
        return STOPPED
    return 0


def _evaluate_and_write(options: argparse.Namespace) -> None:
    if in_vain := option_in_vain(options):
        raise EngineError(in_vain)
    if options.output.is_file():
        raise NotADirectoryError(f'--output {options.output} is a file, wanted a folder to write')
    fold, protocol = read_fold(options.fold), PROTOCOLS[options.depth_protocol]
    frames = validation_frames(DataConfig(root=str(options.root)), options.split)
    perceiver = Perceiver.from_release(
        options.release, device=options.device, **engine_asked_for(options)
    )
    options.output.mkdir(parents=True, exist_ok=True)  # told now, not after all frames
    rows = PictureRows(len(frames), options.pictures, fold, protocol)
    with tqdm(total=len(frames), disable=not sys.stderr.isatty(), unit='frame') as bar:

        def show(place: int, judged: ScoredFrame) -> None:
            rows.add(place, judged)
            bar.update()

        scores = evaluate(perceiver, frames, fold=fold, protocol=protocol, on_frame=show)
    _write(options, perceiver, scores, rows)
    print(_summary(scores))
    print(f'{options.output / "scores.json"} and {options.output / "report.html"} written')


def _write(
    options: argparse.Namespace, perceiver: Perceiver, scores: Scores, rows: PictureRows
) -> None:
    facts = {
        'release': str(options.release),
        'release_sha256': perceiver.release.digest,
        'trained': perceiver.release.trained,
        'split': options.split,
        'engine': perceiver.engine.name,
        'detail': options.detail,
    }
    document = {**facts, **scores.as_dict(), 'provenance': perceiver.release.provenance}
    text = json.dumps(document, indent=1) + '\n'
    write_atomically(options.output / 'scores.json', lambda partial: partial.write_text(text))
    write_report(options.output / 'report.html', facts, scores, rows)


def _summary(scores: Scores) -> str:
    lines = [f'{scores.frames} frames, {scores.seconds_per_frame * 1e3:.0f} ms each']
    if scores.mean_iou is not None:
        lines.append(
            f'mean IoU {scores.mean_iou:.4f} over {scores.labelled_frames} labelled frames'
        )
    if scores.depth_frames:
        lines.append(
            f'depth over {scores.depth_frames} frames ({scores.depth_kind}): abs_rel '
            f'{scores.depth["abs_rel"]:.4f}, '
            f'median-scaled {scores.depth_median_scaled["abs_rel"]:.4f}'
        )
    return '\n'.join([*lines, *scores.gaps])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='sds-evaluate', description=__doc__)
    parser.add_argument('release', type=Path, help="file, or 'demo' for the one that ships")
    parser.add_argument('root', type=Path, help='the Cityscapes-shaped folder')
    parser.add_argument('--split', default='val', help='(default: val)')
    parser.add_argument(
        '--output',
        type=Path,
        default=Path('evaluation'),
        help='folder to write (default: evaluation)',
    )
    add = parser.add_argument
    add_engine_options(parser)
    add(
        '--depth-protocol',
        choices=tuple(PROTOCOLS),
        default='cityscapes',
        help='pixels whose depth counts, docs/data.md (default: cityscapes)',
    )
    add('--fold', default='none', help='none, camvid, or a YAML file of classes (default: none)')
    shown = count('pictures')
    add('--pictures', type=shown, default=8, help='frames shown in the report (default: 8)')
    return parser


if __name__ == '__main__':
    sys.exit(main())
