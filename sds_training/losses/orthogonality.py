"""Keep the rows of weight matrices apart (method.md 2.3, soft form; an option, off by default).

Source of the motive: orthogonality regularisation, arXiv 1810.09102.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def soft_orthogonality(weights: Iterable[Tensor]) -> Tensor:
    """Sum over weights of || G - I ||^2 (Frobenius), G being the smaller Gram matrix.

    Args:
        weights: tensors (C_out, ...); those with fewer than two dimensions, biases, are left out.

    Returns:
        Scalar, zero if and only if all rows, or all columns where they are fewer, are orthonormal.
    """
    matrices = [weight.flatten(1) for weight in weights if weight.dim() >= 2]
    if not matrices:
        raise ValueError('soft_orthogonality needs at least one weight with two dimensions')
    return torch.stack([_distance_from_orthonormal(matrix) for matrix in matrices]).sum()


def _distance_from_orthonormal(matrix: Tensor) -> Tensor:
    rows = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    identity = torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
    return (rows @ rows.T - identity).square().sum()
