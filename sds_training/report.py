"""One self-contained HTML page: the scores, and pictures of where they come from."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_perception.atomic_file import write_atomically
from sds_perception.labels import PALETTE, TRAIN_ID, UNLABELLED
from sds_perception.render import color_depth, color_labels, overlay
from sds_training.metrics import (
    METRICS,
    DepthProtocol,
    ScoredFrame,
    Scores,
    counted_pixels,
    fold_table,
)

RGB = NDArray[np.uint8]
PICTURE_WIDTH_PX = 360
WORST_RELATIVE_ERROR = 0.5  # shown as the brightest colour

_STYLE = """
body { font: 15px/1.45 sans-serif; margin: 2em auto; max-width: 1320px; color: #222; }
table { border-collapse: collapse; margin: 1em 0; }
td, th { padding: 2px 12px; text-align: right; border-bottom: 1px solid #ddd; }
td:first-child, th:first-child { text-align: left; }
figure { display: inline-block; margin: 0 8px 12px 0; vertical-align: top; }
figcaption { color: #666; font-size: 13px; }
.swatch { display: inline-block; width: 12px; height: 12px; margin-right: 8px; }
"""


class PictureRows:
    """Collects the pictures of some frames, evenly spaced over the set, as small PNGs."""

    def __init__(
        self, frames: int, shown: int, fold: Mapping[str, str], protocol: DepthProtocol
    ) -> None:
        count = max(0, min(shown, frames))
        self._places = set(np.linspace(0, frames - 1, count).round().astype(int).tolist())
        self._fold, self._protocol = fold_table(fold), protocol
        self.rows: list[tuple[str, dict[str, RGB]]] = []

    def add(self, place: int, judged: ScoredFrame) -> None:
        """Keep the pictures of this frame if it is one of those to be shown."""
        if place in self._places:
            self.rows.append((judged.frame.name, self._pictures(judged)))

    def _pictures(self, judged: ScoredFrame) -> dict[str, RGB]:
        labels = self._fold[judged.scene.labels]
        pictures = {'input': judged.rgb, 'classes': overlay(judged.rgb, labels)}
        if judged.labels is not None:
            truth = self._fold[judged.labels]
            pictures['true classes'] = color_labels(truth)
            pictures['wrong classes (red)'] = wrong_classes(judged.rgb, labels, truth)
        pictures[f'{judged.scene.depth_kind} depth'] = color_depth(judged.scene.depth)
        if judged.depth_m is not None:
            pictures['true depth'] = color_depth(judged.depth_m, far=self._protocol.far_m)
            pictures['depth error after median scaling, 0 to 50 %'] = depth_error_picture(
                judged.scene.depth, judged.depth_m, self._protocol
            )
        return {caption: _small(picture) for caption, picture in pictures.items()}


def wrong_classes(rgb: RGB, labels: NDArray[np.uint8], truth: NDArray[np.uint8]) -> RGB:
    """The picture in grey, with the pixels whose class is wrong in red."""
    grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    grey[(labels != truth) & (truth != UNLABELLED)] = (230, 40, 40)
    return grey


def depth_error_picture(
    depth: NDArray[np.float32], truth_m: NDArray[np.float32], protocol: DepthProtocol
) -> RGB:
    """|predicted - true| / true after median scaling, dark to bright; black where not counted."""
    counted = counted_pixels(truth_m, protocol) & np.isfinite(depth)
    picture = np.zeros((*depth.shape, 3), np.uint8)
    if not counted.any():
        return picture
    scaled = depth[counted] * (np.median(truth_m[counted]) / np.median(depth[counted]))
    error = np.abs(scaled - truth_m[counted]) / truth_m[counted]
    level = np.clip(error / WORST_RELATIVE_ERROR * 255, 1, 255).astype(np.uint8)
    colors = cv2.applyColorMap(level.reshape(-1, 1), cv2.COLORMAP_VIRIDIS)
    picture[counted] = colors.reshape(-1, 3)[:, ::-1]
    return picture


def write_report(
    path: Path, facts: Mapping[str, object], scores: Scores, pictures: PictureRows
) -> None:
    """Write the page; it needs no other file and no network."""
    body = [
        '<h1>Evaluation</h1>',
        _facts(facts, scores),
        *(f'<p>{escape(gap)}.</p>' for gap in scores.gaps),
        _class_table(scores),
        _depth_table(scores),
        *(_picture_row(name, row) for name, row in pictures.rows),
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>SDS evaluation</title>'
        f'<style>{_STYLE}</style></head><body>{"".join(body)}</body></html>\n'
    )
    write_atomically(path, lambda partial: partial.write_text(page, encoding='utf-8'))


def _facts(facts: Mapping[str, object], scores: Scores) -> str:
    shown = {
        **facts,
        'frames': f'{scores.frames} (names sha256 {scores.frames_sha256[:12]})',
        'time per frame': f'{scores.seconds_per_frame * 1e3:.0f} ms',
    }
    if scores.fold:
        shown['folded classes'] = ', '.join(f'{a} as {b}' for a, b in scores.fold.items())
    rows = (f'<tr><td>{escape(k)}</td><td>{escape(str(v))}</td></tr>' for k, v in shown.items())
    return f'<table>{"".join(rows)}</table>'


def _class_table(scores: Scores) -> str:
    if not scores.labelled_frames:
        return '<p>No labels, so no class scores.</p>'
    if scores.mean_iou is None:
        return ''
    rows = [f'<tr><th>mean IoU</th><th>{_figure(scores.mean_iou)}</th><th></th></tr>']
    for name, iou in scores.iou.items():
        if name in scores.fold:
            continue
        color = 'rgb({},{},{})'.format(*PALETTE[TRAIN_ID[name]])
        swatch = f'<span class="swatch" style="background:{color}"></span>'
        pixels = sum(scores.confusion[TRAIN_ID[name]])
        rows.append(f'<tr><td>{swatch}{name}</td><td>{_figure(iou)}</td><td>{pixels}</td></tr>')
    return (
        f'<h2>Classes</h2><p>Full size, {scores.labelled_frames} frames, counted as '
        f'cityscapesScripts does; pixel accuracy {_figure(scores.accuracy)}.</p><table><tr>'
        f'<th>class</th><th>IoU</th><th>true pixels</th></tr>{"".join(rows)}</table>'
    )


def _depth_table(scores: Scores) -> str:
    if not scores.depth_frames:
        return '' if scores.depths_without_pixels else '<p>No depth truth, so no depth scores.</p>'
    rows = ''.join(
        f'<tr><td>{name}</td><td>{_figure(scores.depth[name])}</td>'
        f'<td>{_figure(scores.depth_median_scaled[name])}</td></tr>'
        for name in METRICS
    )
    return (
        f'<h2>Depth</h2><p>{escape(scores.depth_protocol)}. {scores.depth_frames} frames; the '
        f'scenes hold {escape(scores.depth_kind)} depth for {_figure(scores.depth_coverage)} of '
        'the pixels that count; the others are left out.</p><table><tr><th>error</th>'
        f'<th>as predicted</th><th>median-scaled</th></tr>{rows}</table>'
    )


def _picture_row(name: str, pictures: Mapping[str, RGB]) -> str:
    figures = ''.join(
        f'<figure><img src="data:image/png;base64,{_png(picture)}" alt="{escape(caption)}">'
        f'<figcaption>{escape(caption)}</figcaption></figure>'
        for caption, picture in pictures.items()
    )
    return f'<h3>{escape(name)}</h3>{figures}'


def _small(picture: RGB) -> RGB:
    height, width = picture.shape[:2]
    size = (PICTURE_WIDTH_PX, max(1, round(height * PICTURE_WIDTH_PX / width)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _png(picture: RGB) -> str:
    _, data = cv2.imencode('.png', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return base64.b64encode(data.tobytes()).decode()


def _figure(value: float | None) -> str:
    return '–' if value is None else f'{value:.4f}'
