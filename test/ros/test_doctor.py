from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from sds_perception.ros import doctor
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
    assert 'sees no GPU' in doctor.check_device('cuda').sentence
    assert not doctor.check_device('cpu').fault


def test_a_gpu_with_a_number_too_high_is_a_fault_that_names_those_there(monkeypatch):
    torch = pytest.importorskip('torch')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setattr(torch.cuda, '_lazy_init', lambda: None)
    (sentence,) = faults([doctor.check_device('cuda:1')])
    assert sentence == 'cuda:1 is not here: device:= may be cuda:0 or cpu'


def test_whatever_keeps_an_engine_from_running_is_one_fault(tmp_path, monkeypatch):
    monkeypatch.setattr('sds_perception.release.read_release', lambda path: untrained())
    monkeypatch.setattr('sds_perception.perceiver.Perceiver.warm_up', lambda *_: 1 / 0)
    wanted = Namespace(release='r', device='cpu', engine='torch', precision=None)
    assert faults(doctor.check_release(wanted)) == ['torch: division by zero']


def test_a_damaged_release_is_a_fault(tmp_path):
    damaged = tmp_path / 'damaged.safetensors'
    damaged.write_bytes(b'\x10' + bytes(40))
    wanted = Namespace(release=str(damaged), device='cpu', engine='torch', precision=None)
    (sentence,) = faults(doctor.check_release(wanted))
    assert 'damaged' in sentence


def untrained():
    from sds_perception.network import NETWORKS
    from sds_perception.release import untrained_release

    return untrained_release(NETWORKS['tiny'], (64, 128))


def test_a_good_release_is_run_and_timed(tiny_release):
    wanted = Namespace(release=str(tiny_release), device='cpu', engine='torch', precision=None)
    release, engine = doctor.check_release(wanted)
    assert 'UNTRAINED' in release.sentence
    assert 'ms per frame' in engine.sentence and not engine.fault


def test_the_command_ends_with_one_and_a_sentence_per_fault(capsys, monkeypatch):
    for name in PROFILE_VARIABLES:
        monkeypatch.setenv(name, PROFILE)
    told = ['--device', 'cpu', '--release', '/no/such.safetensors', '--timeout', '0']
    assert doctor.main(told) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith('FAULT')] == [
        'FAULT release     release /no/such.safetensors does not exist or is not a file'
    ]
    assert lines[-1] == '1 fault(s)'


def test_a_fresh_shell_is_ready_to_launch(capsys, monkeypatch, tiny_release):
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    told = ['--device', 'cpu', '--release', str(tiny_release), '--timeout', '0']
    assert doctor.main(told) == 0
    assert capsys.readouterr().out.splitlines()[-1] == 'ready to launch'


@pytest.mark.parametrize(
    ('environment', 'topic', 'sentence'),
    [
        ({'ROS_DOMAIN_ID': 'front'}, '/image', "ROS_DOMAIN_ID is 'front', wanted 0 to 232"),
        ({}, 'front image', "'front image' cannot be a topic: topic name must not contain"),
    ],
)
def test_what_keeps_the_topics_from_being_looked_at_is_one_fault(
    tiny_release, environment, topic, sentence
):
    command = [sys.executable, '-m', 'sds_perception.ros.doctor', '--image-topic', topic]
    command += ['--release', str(tiny_release), '--device', 'cpu', '--timeout', '1']
    told = os.environ | environment
    done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=180)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    (fault,) = [line for line in done.stdout.splitlines() if line.startswith('FAULT')]
    assert sentence in fault


def test_it_examines_a_python_that_has_nothing_and_says_what_is_missing():
    bare = [sys.executable, '-S', '-m', 'sds_perception.ros.doctor', '--timeout', '0']
    environment = {'PATH': os.environ['PATH'], 'PYTHONPATH': str(Path(__file__).parents[2])}
    done = subprocess.run(bare, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 1 and not done.stderr
    assert 'FAULT rclpy' in done.stdout and 'FAULT torch' in done.stdout
    assert 'ROS_DOMAIN_ID is 0' in done.stdout  # the rest is still examined
