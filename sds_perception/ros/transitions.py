"""Lifecycle transitions that say what failed."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn


class SpokenNode(LifecycleNode):
    """Knows why a transition failed."""

    failure = ''
    """One sentence on the last that did."""


AnyNode = TypeVar('AnyNode', bound=SpokenNode)
Transition = Callable[[AnyNode, LifecycleState], TransitionCallbackReturn]


def spoken(transition: Transition[AnyNode]) -> Transition[AnyNode]:
    """Log and keep what went wrong in a transition: rclpy turns it into a silent ERROR."""

    @wraps(transition)
    def logged(node: AnyNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception as problem:
            node.get_logger().error(f'{transition.__name__}: {traceback.format_exc()}')
            node.failure = f'cannot {transition.__name__.removeprefix("on_")}: {problem}'
            return TransitionCallbackReturn.ERROR

    return logged
