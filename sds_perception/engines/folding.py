"""BatchNorms folded into the convolutions before them, in networks with any encoder of timm."""

from __future__ import annotations

import copy

import torch.fx.experimental.optimization as fx_optimization
from timm.layers import BatchNormAct2d, is_notrace_module
from torch import fx, nn


class Tracer(fx.Tracer):
    """Leaves alone what timm says depends on the size: the padding of TensorFlow's encoders."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one step of the graph."""
        return is_notrace_module(type(m)) or super().is_leaf_module(m, module_qualified_name)


def folded(network: nn.Module) -> nn.Module:
    """A copy whose BatchNorms are folded into their convolutions; same outputs in eval mode.

    A convolution that pads by the size of its input (`tf_` encoders, stride 2) keeps its own.
    """
    apart = norms_apart(copy.deepcopy(network).eval())
    return folded_graph(fx.GraphModule(apart, Tracer().trace(apart)))


def folded_graph(traced: fx.GraphModule) -> nn.Module:
    """The same of what was traced already, whose modules change."""
    return fx_optimization.fuse(traced, inplace=True, no_trace=True)


def norms_apart(network: nn.Module) -> nn.Module:
    """The network with timm's joined layers as BatchNorm, then activation: folding knows these."""
    for parent in list(network.modules()):
        for name, joined in list(parent.named_children()):
            if isinstance(joined, BatchNormAct2d):
                norm, known = nn.BatchNorm2d(joined.num_features, joined.eps), joined.state_dict()
                norm.load_state_dict({each: known[each] for each in norm.state_dict()})
                setattr(parent, name, nn.Sequential(norm, joined.act).eval())
    return network
