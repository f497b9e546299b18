"""A GPU where none is: tensors that compute on the CPU and behave as if they lay elsewhere.

They refuse to meet tensors that do not (as CUDA's do), and count what would make the host wait for
the device: copies from one to the other and sizes that only the values tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

GPU = torch.device('meta')  # a kind of device that every torch knows and nothing here lies on
CROSSES = {'_to_copy', 'copy_', 'index', 'index_put_'}
JOINS = {'cat', 'stack'}  # where even a single number of the CPU is refused
WAITS = {'_local_scalar_dense', 'nonzero', 'masked_select', 'bincount', '_unique2'}
waits: Counter[str] = Counter()


class OnGpu(Tensor):
    """A tensor of the pretended GPU; `inner` holds its values."""

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor) -> OnGpu:
        made = Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), dtype=inner.dtype, device=GPU
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})


class _Factories(TorchDispatchMode):
    """Also sees calls that make a tensor from none."""

    def __torch_dispatch__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})


def on_gpu(value: Any) -> Any:
    """The same with every tensor in it on the pretended GPU."""
    return tree_map(lambda x: OnGpu(x.detach()) if isinstance(x, Tensor) else x, value)


def on_cpu(value: Any) -> Any:
    """The same with the values of the pretended GPU's tensors."""
    return tree_map(lambda x: x.inner if isinstance(x, OnGpu) else x, value)


@contextmanager
def pretended_gpu(monkeypatch: Any) -> Iterator[Counter[str]]:
    """Inside, the GPU is there; yields how often the host waited for it, and for what."""
    waits.clear()
    real = torch.tensor

    def tensor(data: Any, *, device: Any = None, **options: Any) -> Tensor:
        waits['torch.tensor'] += device is not None and torch.device(device) == GPU
        made = real(data, **options)
        return OnGpu(made) if device is not None and torch.device(device) == GPU else made

    def tolist(self: Tensor) -> Any:
        waits['tolist'] += isinstance(self, OnGpu)
        return _TOLIST(on_cpu(self))

    monkeypatch.setattr(torch, 'tensor', tensor)
    monkeypatch.setattr(Tensor, 'tolist', tolist)
    with _Factories():
        yield waits


_TOLIST: Callable[[Tensor], Any] = Tensor.tolist


def _run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = function._schema.name.split('::')[1]
    tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    there = [each for each in tensors if isinstance(each, OnGpu)]
    here = [x for x in tensors if not isinstance(x, OnGpu) and (x.dim() or name in JOINS)]
    if there and here and name not in CROSSES:
        raise RuntimeError(f'{function} on tensors of the CPU and of the GPU')
    wanted = kwargs.get('device')
    goes = bool(there) if wanted is None else torch.device(wanted) == GPU
    crosses = name == '_to_copy' and goes != bool(there)
    if crosses and not (goes and kwargs.get('non_blocking')):
        waits[f'copy to the {"GPU" if goes else "CPU"}'] += 1
    waits[name] += bool(there) and (name in WAITS or (name in CROSSES and bool(here)))
    if name.startswith('index'):
        indices = tree_leaves(args[1])
        waits['mask as index'] += any(
            isinstance(i, OnGpu) and i.dtype == torch.bool for i in indices
        )
    if wanted is not None:
        kwargs = {**kwargs, 'device': torch.device('cpu')}
    result = function(*on_cpu(args), **on_cpu(kwargs))
    if name.endswith('_') and not name.endswith('__'):
        return args[0]
    stays = name == '_local_scalar_dense' or not goes
    return (
        result if stays else tree_map(lambda x: OnGpu(x) if isinstance(x, Tensor) else x, result)
    )
