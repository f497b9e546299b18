"""What others would install for the same job, where it is installed: one network per task."""

from __future__ import annotations

from importlib.util import find_spec

import torch

from sds_perception.bench.figures import Budget, Figure, timed_rounds, times
from sds_perception.bench.networks import BENCHED, benched_release
from sds_perception.engines.onnx_engine import OnnxEngine

PACKAGE = 'segmentation_models_pytorch'


def peer_figures(
    name: str, size: tuple[int, int], cache: object, budget: Budget
) -> list[Figure] | None:
    """DeepLabV3+ for semantics plus a U-Net for depth, same encoder.

    None if the package is not installed, or where the encoder is our own variant of timm's.
    """
    if find_spec(PACKAGE) is None or BENCHED[name].encoder_options:
        return None
    import segmentation_models_pytorch as smp

    encoder = BENCHED[name].encoder
    options = {'encoder_name': f'tu-{encoder}', 'encoder_weights': None}  # timm's, as ours
    semantic = smp.DeepLabV3Plus(classes=19, **options).eval()
    depth = smp.Unet(classes=1, **options).eval()
    image = torch.zeros(1, 3, *size)
    ours_eager = benched_release(name, size).network()
    ours = OnnxEngine(benched_release(name, size), cache=str(cache))
    frames = torch.zeros(1, *size, 3, dtype=torch.uint8).numpy()
    with torch.inference_mode():
        timings = timed_rounds(
            {
                'DeepLabV3+ and U-Net, eager': lambda: (semantic(image), depth(image)),
                'DeepLabV3+ alone, eager': lambda: semantic(image),
                'ours, eager': lambda: ours_eager(image),
                'ours, onnxruntime': lambda: ours(frames),
            },
            budget,
        )
    return times(f'{name} {size[1]}x{size[0]} peers', timings, f'encoder {encoder}')
