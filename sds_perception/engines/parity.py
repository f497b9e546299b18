"""Does an engine say what the reference says? If not it is refused and the reference runs.

The reference is torch in float32 on the CPU, the plain network without any rewrite.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sds_perception.engines import Engine, EngineError, EngineOutput
from sds_perception.engines.choose import build_engine
from sds_perception.engines.graph import Detail
from sds_perception.engines.quantise import kept_frames
from sds_perception.engines.reference_frames import synthetic_frames
from sds_perception.engines.torch_engine import TorchEngine
from sds_perception.network import depth_from_disparity
from sds_perception.release import Release
from sds_perception.resampling import labels_of

log = logging.getLogger(__name__)

CLOSE_CALL = 0.02  # of the score range: pixels whose two best classes are nearer are a toss-up


@dataclass(frozen=True)
class Limits:
    """What one precision has to reach."""

    labels: float  # least share of equal labels
    depth: float  # greatest relative difference of depth
    depth_percentile: float  # of which percentile of the pixels
    depth_tail: float  # greatest at the 90th: a tenth of a picture may be the way ahead
    confidence: float  # greatest mean difference of the class probability


LIMITS: Mapping[str, Limits] = {
    'fp32': Limits(0.999, 1e-4, 99.9, 1e-4, 0.001),
    'winograd': Limits(0.999, 1e-3, 99.9, 1e-4, 0.001),  # float32, but sums of large tiles round
    'fp16': Limits(0.995, 0.005, 50.0, 0.05, 0.01),
    'bf16': Limits(0.98, 0.02, 50.0, 0.25, 0.03),
    'int8': Limits(0.98, 0.02, 50.0, 0.25, 0.03),
}


@dataclass(frozen=True)
class ParityReport:
    """How far an engine is from the reference on some frames; shares in [0, 1]."""

    engine: str
    precision: str
    frames: int
    labels: float  # share of equal labels: in the small maps or, if less, at the input's size
    clear_labels: float  # the same without close calls
    close_calls: float  # share of pixels whose two best classes nearly tie in the reference
    depth: float  # relative difference of depth at the percentile of `limits`
    depth_median: float
    depth_tail: float  # at the 90th percentile
    depth_maximum: float
    confidence: float  # mean difference of the class probability

    @property
    def limits(self) -> Limits:
        """What this precision has to reach."""
        return LIMITS[self.precision]

    @property
    def passed(self) -> bool:
        """Whether the engine may run."""
        return (
            self.labels >= self.limits.labels
            and self.depth <= self.limits.depth
            and self.depth_tail <= self.limits.depth_tail
            and self.confidence <= self.limits.confidence
        )

    def __str__(self) -> str:
        limits, verdict = self.limits, 'agrees' if self.passed else 'DISAGREES'
        return (
            f'{self.engine} {verdict} with the float32 reference on {self.frames} frames: '
            f'labels {self.labels:.4%} (wanted {limits.labels:.1%}; {self.clear_labels:.4%} '
            f'without the {self.close_calls:.2%} close calls), relative depth '
            f'p{limits.depth_percentile:g} {self.depth:.1e} (wanted {limits.depth:.0e}), '
            f'median {self.depth_median:.1e}, p90 {self.depth_tail:.1e} (wanted '
            f'{limits.depth_tail:.1e}), maximum {self.depth_maximum:.1e}, '
            f'confidence {self.confidence:.1e} (wanted {limits.confidence:.0e})'
        )


def measure_parity(engine: Engine, release: Release, frames: NDArray[np.uint8]) -> ParityReport:
    """Run engine and reference on `frames` (N, H, W, 3) uint8 at the engine's size.

    Raises:
        EngineError: when the engine was built but does not run here.
    """
    reference = TorchEngine(release, input_size=engine.input_size, detail='fine', precision='fp32')
    rows = [
        _differences(
            _answer(engine, frame[None]), reference(frame[None]), release, engine.input_size
        )
        for frame in frames
    ]
    equal, upsampled, close, depth, confidence = (
        np.concatenate(column) for column in zip(*rows, strict=True)
    )
    percentile = LIMITS[engine.precision].depth_percentile
    return ParityReport(
        engine=engine.name,
        precision=engine.precision,
        frames=len(frames),
        labels=float(min(equal.mean(), upsampled.mean())),
        clear_labels=float(equal[~close].mean()) if not close.all() else 1.0,
        close_calls=float(close.mean()),
        depth=float(np.percentile(depth, percentile)),
        depth_median=float(np.median(depth)),
        depth_tail=float(np.percentile(depth, 90, method='higher')),
        depth_maximum=float(depth.max()),
        confidence=float(confidence.mean()),
    )


def _answer(engine: Engine, frames: NDArray[np.uint8]) -> EngineOutput:
    """What it says to its first frames, on which a runtime finds memory or kernels missing."""
    try:
        return engine(frames)
    except EngineError:
        raise
    except Exception as problem:  # each runtime has errors of its own
        raise EngineError(f'{engine.name} was built but does not run here: {problem}') from problem


def frames_for(engine: Engine) -> NDArray[np.uint8]:
    """What to compare `engine` on: what int8 was calibrated on, synthetic streets for the rest."""
    kept = kept_frames(engine.graph_file) if engine.graph_file else None
    return synthetic_frames(engine.input_size) if kept is None else kept


def build_checked_engine(
    release: Release,
    engine: str,
    device: str,
    *,
    input_size: tuple[int, int] | None = None,
    detail: Detail = 'fast',
    **options: Any,
) -> tuple[Engine, ParityReport | None]:
    """Build the engine asked for and let it run only if it agrees with the reference.

    An engine that cannot be had is still an EngineError; one that disagrees is replaced by the
    float32 reference on the same device, with a warning that says by how much.

    Returns:
        The engine to run and the report on the one asked for; None if that is the reference.
    """
    chosen = {'input_size': input_size, 'detail': detail}
    built = build_engine(release, engine, device, **chosen, **options)  # type: ignore[arg-type]
    if isinstance(built, TorchEngine) and built.precision == 'fp32':
        return built, None
    report = measure_parity(built, release, frames_for(built))
    if report.passed:
        log.info('engine: %s', report)
        return built, report
    log.warning('engine: %s; REFUSED, the float32 torch reference runs instead', report)
    threads = options.get('threads')
    reference = TorchEngine(release, device, precision='fp32', threads=threads, **chosen)  # type: ignore[arg-type]
    return reference, report


def _differences(
    found: EngineOutput, wanted: EngineOutput, release: Release, size: tuple[int, int]
) -> tuple[NDArray[Any], ...]:
    """Per pixel: equal labels, those at the input's `size`, close calls of the reference,
    differences of depth (relative) and of the class probability.
    """
    assert wanted.logits is not None
    second, first = np.partition(wanted.logits, -2, axis=1)[:, -2:].swapaxes(0, 1)
    spread = np.ptp(wanted.logits, axis=1)
    near, far = (
        depth_from_disparity(each.disparity, release.network_config.depth_range)
        for each in (wanted, found)
    )
    return (
        (found.labels == wanted.labels).ravel(),
        _equal_at(size, found, wanted).ravel(),
        (first - second < CLOSE_CALL * spread).ravel(),
        (np.abs(far - near) / near).ravel(),
        (np.abs(np.subtract(found.confidence, wanted.confidence, dtype=np.float32)) / 255).ravel(),
    )


def _equal_at(
    size: tuple[int, int], found: EngineOutput, wanted: EngineOutput
) -> NDArray[np.bool_]:
    """(H, W) where both have the same label once upsampled as a Scene's are."""
    by_scores = found.labels_at is not None or found.logits is not None
    alike = wanted if by_scores else wanted._replace(logits=None)
    return labels_of(found, 0, size) == labels_of(alike, 0, size)
