from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sds_perception.ros.doctor import doctor, node_check
from sds_perception.ros.node_config import NodeConfig
from sds_perception.ros.shipped import PROFILE_VARIABLES, shipped_file

PROFILE = str(shipped_file('config/vehicle/fastdds.xml'))
HEALTHY = dict.fromkeys(PROFILE_VARIABLES, PROFILE)


def faults(findings):
    return [each.sentence for each in findings if each.fault]


def test_the_shipped_profile_under_both_names_has_no_fault():
    assert faults(doctor.check_transport(HEALTHY)) == []


@pytest.mark.parametrize('missing', PROFILE_VARIABLES)
def test_a_profile_the_node_sets_itself_is_no_fault_and_advised_for_the_camera(missing):
    environment = {name: path for name, path in HEALTHY.items() if name != missing}
    found = doctor.check_transport(environment)
    assert faults(found) == []
    assert found[-1].sentence.endswith(f'export {missing}={PROFILE}')
    assert not any('export' in each.sentence for each in doctor.check_transport(HEALTHY))


def test_a_profile_with_a_small_segment_is_a_fault(tmp_path):
    small = tmp_path / 'small.xml'
    small.write_text(Path(PROFILE).read_text().replace('67108864', '524288'))
    (sentence,) = faults(doctor.check_transport({**HEALTHY, PROFILE_VARIABLES[0]: str(small)}))
    assert 'segment is 0.5 MiB' in sentence


@pytest.mark.parametrize('content', [None, '<dds><unclosed></dds>'])
def test_a_profile_that_cannot_be_read_is_a_fault(tmp_path, content):
    broken = tmp_path / 'broken.xml'
    if content is not None:
        broken.write_text(content)
    (sentence,) = faults(doctor.check_transport({**HEALTHY, PROFILE_VARIABLES[1]: str(broken)}))
    assert 'cannot be read as XML' in sentence


def test_another_middleware_does_not_need_the_profile():
    assert faults(doctor.check_transport({'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'})) == []


@pytest.mark.usefixtures('as_a_command')
def test_other_middlewares_are_not_asked_for_shared_memory(monkeypatch):
    monkeypatch.setattr(doctor, 'SHARED_MEMORY_BYTES', 1 << 60)
    wanted = doctor._parse(['--timeout', '0'])
    monkeypatch.setenv('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp')
    assert 'memory' in {each.subject for each in doctor.examine(wanted)}
    monkeypatch.setenv('RMW_IMPLEMENTATION', 'rmw_cyclonedds_cpp')
    monkeypatch.setenv('ROS_DOMAIN_ID', 'none')  # a fault, so that no node is made
    assert 'memory' not in {each.subject for each in doctor.examine(wanted)}


def test_transports_an_operator_named_are_told_and_no_fault():
    found = doctor.check_transport({'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA'})
    assert faults(found) == []
    assert 'FASTDDS_BUILTIN_TRANSPORTS is LARGE_DATA' in found[-1].sentence


UDP = {'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4'}
UDP_ONLY = """<dds><transport_descriptors><transport_descriptor><type>UDPv4</type>
</transport_descriptor></transport_descriptors><useBuiltinTransports>false</useBuiltinTransports>
</dds>"""


def test_where_nothing_is_shared_neither_segment_nor_memory_is_asked_for(tmp_path):
    profile = tmp_path / 'udp.xml'
    profile.write_text(UDP_ONLY)
    named = dict.fromkeys(doctor.PROFILE_VARIABLES, str(profile))
    assert faults(doctor.check_transport(named)) == []
    assert not doctor.shares_memory(named)
    (said,) = doctor.check_transport(UDP)[1:]
    assert said.sentence.endswith('no shared memory, large pictures go over UDP')
    assert not doctor.shares_memory(UDP)
    for other in ('LARGE_DATA', 'udpv4'):  # the second is a name Fast DDS does not know
        assert doctor.shares_memory({'FASTDDS_BUILTIN_TRANSPORTS': other})
    assert doctor.shares_memory({}) and doctor.shares_memory(HEALTHY)


def test_built_in_transports_are_those_the_profile_names_or_else_the_variable(tmp_path):
    profile = tmp_path / 'built_in.xml'
    named = dict.fromkeys(doctor.PROFILE_VARIABLES, str(profile))
    profile.write_text('<dds><participant/></dds>')
    assert doctor.shares_memory(named) and not doctor.shares_memory({**named, **UDP})
    profile.write_text('<dds><builtinTransports>UDPv4</builtinTransports></dds>')
    assert not doctor.shares_memory({**named, 'FASTDDS_BUILTIN_TRANSPORTS': 'SHM'})
    assert faults(doctor.check_transport(named)) == []


@pytest.mark.parametrize('domain', ['300', 'front', '-1'])
def test_a_domain_dds_does_not_have_is_a_fault(domain):
    (sentence,) = faults(doctor.check_transport({**HEALTHY, 'ROS_DOMAIN_ID': domain}))
    assert repr(domain) in sentence


def test_shared_memory_that_is_missing_is_a_fault(tmp_path):
    assert doctor.check_shared_memory(str(tmp_path / 'nowhere')).fault


def test_a_library_that_cannot_be_imported_is_a_fault_and_the_rest_is_examined():
    found = doctor.check_libraries(('no_such_library', 'numpy'))
    assert [each.subject for each in found if each.fault] == ['no_such_library']
    assert found[-1].subject == 'numpy'


def test_a_gpu_that_is_not_there_is_a_fault():
    torch = pytest.importorskip('torch')
    if torch.cuda.is_available():
        pytest.skip('this machine has a GPU')
    assert 'sees no GPU' in node_check.check_device('cuda').sentence
    assert not node_check.check_device('cpu').fault


def test_a_gpu_with_a_number_too_high_is_a_fault_that_names_those_there(monkeypatch):
    torch = pytest.importorskip('torch')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setattr(torch.cuda, '_lazy_init', lambda: None)
    (sentence,) = faults([node_check.check_device('cuda:1')])
    assert sentence == 'cuda:1 is not here: device:= may be cuda:0 or cpu'


def test_whatever_keeps_an_engine_from_running_is_one_fault(tiny_release, monkeypatch):
    monkeypatch.setattr('sds_perception.perceiver.Perceiver.warm_up', lambda *_, **__: 1 / 0)
    config = NodeConfig(release=str(tiny_release), device='cpu')
    assert faults(node_check.check_release(config)) == ['torch: division by zero']


def test_a_damaged_release_is_a_fault(tmp_path):
    damaged = tmp_path / 'damaged.safetensors'
    damaged.write_bytes(b'\x10' + bytes(40))
    (sentence,) = faults(node_check.check_release(NodeConfig(release=str(damaged))))
    assert 'damaged' in sentence


def test_a_good_release_is_run_and_timed(tiny_release):
    config = NodeConfig(release=str(tiny_release), device='cpu')
    release, engine = node_check.check_release(config)
    assert 'UNTRAINED' in release.sentence
    assert 'ms per frame' in engine.sentence and not engine.fault


@pytest.mark.usefixtures('nobody_agrees')
def test_an_engine_that_does_not_run_because_it_disagrees_is_a_fault(tiny_release):
    config = NodeConfig(release=str(tiny_release), device='cpu', engine='onnxruntime')
    _, engine, refused = node_check.check_release(config)
    assert engine.sentence.startswith('torch cpu float32: ')
    assert refused.fault and 'onnxruntime cpu fp32 DISAGREES' in refused.sentence


def told(capsys, *options: str, code: int) -> list[str]:
    """What the command says when it ends with `code`: its faults and its last line."""
    assert doctor.main(options) == code
    lines = capsys.readouterr().out.splitlines()
    return [line for line in lines if line.startswith('FAULT')] + lines[-1:]


LOOK_AWAY = ('--device', 'cpu', '--timeout', '0')


@pytest.mark.usefixtures('as_a_command')
def test_the_command_ends_with_one_and_a_sentence_per_fault(capsys):
    said = told(capsys, *LOOK_AWAY, '--release', '/no/such.safetensors', code=1)
    assert said == [
        'FAULT release     release /no/such.safetensors does not exist or is not a file',
        '1 fault(s)',
    ]


@pytest.mark.usefixtures('as_a_command')
def test_a_fresh_shell_is_ready_to_launch(capsys, monkeypatch, tiny_release):
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    said = told(capsys, *LOOK_AWAY, '--release', str(tiny_release), code=0)
    assert said == ['ready to launch']


@pytest.mark.usefixtures('as_a_command')
@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        ((), "parameters  release is '', wanted a .safetensors file"),
        (('--image-transport', 'theora'), 'parameters  image_transport must be one of raw, comp'),
        (('--ros-args', '-p', 'camera_hight_m:=1.5'), 'did you mean camera_height_m?'),
        (
            ('--params-file', '/no/such.yaml'),
            "arguments   Couldn't parse params file: '--params-file /no/such.yaml'",
        ),
        (
            ('--ros-args', '-p', 'use_sim_time:=1'),
            "arguments   Trying to set parameter 'use_sim_time' to '1' of type 'INTEGER'",
        ),
        (('--image-topic', 'front image'), "'front image' cannot be a topic: topic name must not"),
    ],
)
def test_what_the_node_would_refuse_is_one_fault_of_the_doctor(capsys, options, sentence):
    fault, last = told(capsys, *LOOK_AWAY, *options, code=1)
    assert sentence in fault and last == '1 fault(s)'
    assert ', at /' not in fault


@pytest.mark.usefixtures('as_a_command')
def test_the_parameter_file_of_the_node_is_the_doctors_too(capsys, tmp_path, tiny_release):
    file = tmp_path / 'params.yaml'
    file.write_text(
        f'sds_perception: {{ros__parameters: {{release: {tiny_release}, device: cpu, '
        "cameras: [front, rear], hood_mask: '/no/{camera}.png'}}"
    )
    *found, _ = told(capsys, '--params-file', str(file), '--timeout', '0', code=1)
    assert ['/no/front.png' in found[0], '/no/rear.png' in found[1]] == [True, True]
    options = ('--params-file', str(file), '--image-topic', '/front', '--timeout', '1')
    *_, topics, _ = told(capsys, *options, '--ros-args', '-p', "hood_mask:=''", code=1)
    assert '--image-topic and --camera-info-topic are for one camera' in topics


@pytest.mark.parametrize('seconds', ['-1', 'nan', 'inf', 'long'])
def test_a_time_that_nobody_can_wait_is_refused(seconds, capsys):
    with pytest.raises(SystemExit, match='2'):
        doctor.main([f'--timeout={seconds}'])
    assert f"'{seconds}' is no time to wait, wanted 0 or more" in capsys.readouterr().err


def test_it_examines_a_python_that_has_nothing_and_says_what_is_missing():
    bare = [sys.executable, '-S', '-m', 'sds_perception.ros.doctor.doctor', '--timeout', '0']
    environment = {'PATH': os.environ['PATH'], 'PYTHONPATH': str(Path(__file__).parents[3])}
    done = subprocess.run(bare, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 1 and not done.stderr
    assert 'FAULT rclpy' in done.stdout and 'FAULT torch' in done.stdout
    assert 'ROS_DOMAIN_ID is 0' in done.stdout  # the rest is still examined
