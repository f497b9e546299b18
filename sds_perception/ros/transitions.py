"""Lifecycle transitions that say what failed."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

AnyNode = TypeVar('AnyNode', bound=LifecycleNode)
Transition = Callable[[AnyNode, LifecycleState], TransitionCallbackReturn]


def spoken(transition: Transition[AnyNode]) -> Transition[AnyNode]:
    """Log what went wrong in a transition: rclpy turns any exception into a silent ERROR."""

    @wraps(transition)
    def logged(node: AnyNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception:
            node.get_logger().error(f'{transition.__name__}: {traceback.format_exc()}')
            return TransitionCallbackReturn.ERROR

    return logged
