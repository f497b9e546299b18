"""The lifecycle node: camera images in, labels and depth out, stamped as the image that made them.

configure loads the release and warms the engine up; activate subscribes; the rest undoes it.
"""

from __future__ import annotations

import sys
import traceback
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor as NodeExecutor  # why one: see Heartbeat
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Header

from sds_perception.calibration import CalibrationReader
from sds_perception.engines import EngineError
from sds_perception.perceiver import Perceiver
from sds_perception.process_memory import freeze_garbage_collector, keep_large_buffers
from sds_perception.release import Release, ReleaseError, named_release
from sds_perception.ros.building import build_perceiver
from sds_perception.ros.cameras import CameraInput
from sds_perception.ros.diagnostics import Diagnostics, write_report
from sds_perception.ros.finish import Finisher
from sds_perception.ros.health import CameraHealth, Level
from sds_perception.ros.heartbeat import Heartbeat
from sds_perception.ros.node_config import NodeConfig, ParameterError
from sds_perception.ros.outputs import LabelNames, Outputs
from sds_perception.ros.parameters import Parameters
from sds_perception.ros.pipeline import Channel
from sds_perception.ros.process import READY, StopRequest, forward_logs
from sds_perception.ros.session import Session
from sds_perception.ros.tool_node import BadArguments, running_node
from sds_perception.ros.transitions import SpokenNode, spoken

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
TEND_S = 1.0  # a camera that starts after the node is listened to within this
REFUSALS = (ParameterError, ReleaseError, EngineError, OSError)  # the operator's to mend


class PerceptionNode(SpokenNode):
    """Publishes what one release sees in the images of one or several cameras."""

    trouble: tuple[Level, str] | None
    """What keeps the node from looking at its cameras; None while it looks."""

    def __init__(self, **options: Any) -> None:
        super().__init__('sds_perception', **options)
        self._settings = Parameters(self)
        self._diagnostics = Diagnostics(self)
        self._state, self.trouble = 'unconfigured', (Level.WARN, 'unconfigured')
        self._perceiver: Perceiver | None = None
        self._session: Session | None = None  # while active
        self._channels: dict[str, Channel] = {}
        self._label_names: LabelNames | None = None
        # The cameras are tended by the executor, like frames and transitions: none of them sees a
        # subscription vanish. The heart beats beside it, also while an engine is being built.
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # runs without /clock as well
        self._tender = self.create_timer(TEND_S, self._tend, clock=steady)
        self._heart = Heartbeat(self._beat, lambda: self.config.diagnostics_period_s)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the release, build and warm up the engine, offer the topics."""
        try:
            self._build(self._settings.settle())
        except Exception as problem:  # rclpy would swallow it without a word
            if not isinstance(problem, REFUSALS):
                self.get_logger().error(traceback.format_exc())
            self.get_logger().error(f'cannot configure: {problem}')
            self._take_down()
            self._now('unconfigured', (Level.ERROR, f'cannot configure: {problem}'))
            return FAILURE
        self._settings.fixed = True
        self._now('inactive', (Level.OK, 'inactive'))
        return SUCCESS

    @spoken
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start to see."""
        super().on_activate(state)
        self._open()
        self._now('active', None)
        return SUCCESS

    @spoken
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and finish the frame in hand."""
        self._close()
        self._now('inactive', (Level.OK, 'inactive'))
        return super().on_deactivate(state)

    @spoken
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget the release and withdraw the topics."""
        self._take_down()
        self._now('unconfigured', (Level.WARN, 'unconfigured'))
        return SUCCESS

    @spoken
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Do all of the above, from any state."""
        self._take_down()
        self._now('finalized', (Level.STALE, 'finalized'))
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Get back to where the node can be configured again, and say why it must be."""
        done = self.on_cleanup(state)
        if done == SUCCESS:
            self._now('unconfigured', (Level.ERROR, self.failure))
        return done

    def destroy_node(self) -> None:
        """Stop everything first; safe in any state."""
        self._heart.stop()
        self._take_down()
        super().destroy_node()

    @property
    def config(self) -> NodeConfig:
        """The parameters as they are now."""
        return self._settings.config

    def health(self, camera: str = '') -> CameraHealth:
        """Counters and latency of one camera; '' is the only one of a single-camera node."""
        return self.camera(camera).health

    def network_calls(self) -> int:
        """How often the engine ran for frames since the node was activated."""
        return self._session.network_calls if self._session else 0

    def camera(self, name: str = '') -> CameraInput:
        """The input of one camera."""
        return self._channels[name].source

    def _build(self, config: NodeConfig) -> None:
        release = named_release(config.release)
        # Before the engine, which may take minutes: a mask that cannot be read is told at once.
        finishers = {name: Finisher(config, name) for name in config.cameras or ('',)}
        self._now('configuring', (Level.WARN, f'building the {config.engine} engine'))
        self._perceiver = build_perceiver(release, config)
        self._introduce(release, self._perceiver.engine.name)
        self._diagnostics.caution = self._perceiver.refusal
        for name, finish in finishers.items():  # one by one: take_down withdraws what is there
            self._channels[name] = self._channel(name, finish)
        self._label_names = LabelNames(self)
        self._tender.timer_period_ns = int(min(config.diagnostics_period_s, TEND_S) * 1e9)

    def _introduce(self, release: Release, engine: str) -> None:
        """Say what runs here, in diagnostics and in the log."""
        self._diagnostics.about = {
            'release': release.digest,
            'trained': str(release.trained),
            'engine': engine,
            'device': self.config.device,
        }
        height, width = release.input_size
        self.get_logger().info(
            f'release {release.digest[:12]} of {width}x{height}: engine {engine}, device '
            f'{self.config.device}'
        )

    def _channel(self, name: str, finish: Finisher) -> Channel:
        outputs = Outputs(self, f'~/{name}' if name else '~')
        source = CameraInput(self, name, lambda: self.config, wanted=outputs.wanted)
        return Channel(source, CalibrationReader(self.config.lens), finish, outputs)

    def _open(self) -> None:
        self._session = Session(
            self._perceiver, self._channels, lambda: self.config, self.get_clock()
        )
        self._session.open()
        self._label_names.publish(Header(stamp=self.get_clock().now().to_msg()))
        heard, here = ', '.join(self._session.topics), self.get_fully_qualified_name()
        self.get_logger().info(f'listening to {heard}; results are on {here}/...')

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _take_down(self) -> None:
        """Undo configure from whatever point it reached."""
        self._close()
        self._report()
        for channel in self._channels.values():
            channel.outputs.destroy()
        self._channels = {}
        if self._label_names is not None:
            self._label_names.destroy()
            self._label_names = None
        self._perceiver = None
        self._diagnostics.about, self._diagnostics.caution = {}, ''
        self._settings.fixed = False

    def _report(self) -> None:
        healths = [channel.source.health for channel in self._channels.values()]
        path = self.config.report_file
        if not (path and healths):
            return
        try:
            write_report(path, healths, self._diagnostics.about)
        except OSError as problem:
            self.get_logger().error(f'cannot write report_file: {problem}')

    def _now(self, state: str, trouble: tuple[Level, str] | None) -> None:
        self._state, self.trouble = state, trouble
        self._beat()

    def _tend(self) -> None:
        if (session := self._session) is not None:
            session.look_around()

    def _beat(self) -> None:
        healths = [channel.source.health for channel in list(self._channels.values())]
        self._diagnostics.publish(self._state, healths, self.trouble)


def main(args: list[str] | None = None) -> int:
    """Run the node until shut down; a second Ctrl-C changes nothing unless it is stuck.

    Returns:
        2 where there can be no node with these arguments, said in one sentence.
    """
    keep_large_buffers()
    freeze_garbage_collector()
    try:
        with StopRequest() as stop, running_node(PerceptionNode, args) as node:
            _spin(node, stop)
    except BadArguments as problem:
        print(f'perception_node: {problem}', file=sys.stderr)
        return 2
    return 0


def _spin(node: PerceptionNode, stop: StopRequest) -> None:
    executor = NodeExecutor()
    try:
        executor.add_node(node)
        forward_logs(node.get_logger())
        node.get_logger().info(READY)
        stop.spin(executor)
    finally:
        executor.shutdown()


if __name__ == '__main__':
    sys.exit(main())
