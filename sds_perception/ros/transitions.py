"""Lifecycle transitions that say what failed."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from lifecycle_msgs.srv import ChangeState
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

ChangeOfState = Callable[[ChangeState.Request, ChangeState.Response], Any]


class SpokenNode(LifecycleNode):
    """Knows why a transition failed, and outlives one that is not possible."""

    failure = ''
    """One sentence on the last that did."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        service = self._service_change_state
        service.callback = answered(service.callback, self.get_logger())


def answered(change_state: ChangeOfState, logger: Any) -> ChangeOfState:
    """The service, answering where rclpy 7 (Jazzy) lets what rcl refuses end the process.

    A lifecycle manager asks for what is not possible now and then: to configure a node that has
    configured itself.
    """

    def answer(request: ChangeState.Request, response: ChangeState.Response) -> Any:
        try:
            return change_state(request, response)
        except rclpy_implementation.RCLError as problem:
            logger.error(f'transition {request.transition.id} is not possible: {problem}')
            response.success = False
            return response

    return answer


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
