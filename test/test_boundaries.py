"""Who may know whom, read from the sources.

1. sds_perception never imports sds_training.
2. Only sds_perception/ros imports rclpy and message packages, and nothing outside imports ros/.
3. network/ reads nothing but its NetworkConfig: of this package only itself and the class table.
4. losses/ and geometry/ know tensors only: of this project only each other, the constants that a
   device keeps, the class table, and what sigmoid disparity means in depth, a pure function.

5. Evaluation scores a Perceiver built from a release, never a network of its own.

Beyond the project 3 and 4 know torch, and the network timm: no files, no arrays, no pictures.
6. What only training needs never reaches the vehicle.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((*ROOT.glob('sds_perception/**/*.py'), *ROOT.glob('sds_training/**/*.py')))
TESTS = sorted(ROOT.glob('test/**/*.py'))
TENSORS_ONLY = ('sds_training.losses', 'sds_training.geometry', 'sds_training.constants')
PURE = ('__future__', 'collections', 'dataclasses', 'functools', 'math', 'torch', 'typing')
LONGEST = 300  # lines of a module; 250 is what we aim at

ROS = re.compile(
    r'(rclpy|rcl_interfaces|builtin_interfaces|rosgraph_msgs|std_srvs|cv_bridge|sensor_msgs_py'
    r'|launch|launch_ros|ament_index_python|rosbag2_py|message_filters|tf2_\w+|rosidl_\w+'
    r'|ros2\w+|\w+_msgs)(\.|$)'
)
OFFLINE_ONLY = re.compile(
    r'(lightning|lightning_fabric|kornia|jsonargparse|tensorboard|torch\.utils\.tensorboard'
    r'|cityscapesscripts|torchmetrics|torchvision|embreex|trimesh)(\.|$)'
)
# All of these run what they read.
UNPICKLING = re.compile(
    r'(_?pickle|cloudpickle|dill|joblib|marshal|shelve)(\.|$)|(torch|numpy)\.load$'
)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def imports(path: Path) -> set[str]:
    """Every module a file imports anywhere in it, function bodies included, by full name."""
    package = path.relative_to(ROOT).parent.parts
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            origin = '.'.join((*base, *filter(None, (node.module,))))
            found |= {origin} | {f'{origin}.{alias.name}' for alias in node.names}
    return found


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f'{package}.') for package in packages)


IMPORTS = {path: imports(path) for path in SOURCES}


def offences(inside: str, forbidden) -> list[str]:
    """'file imports name' for every forbidden import below the package `inside`."""
    return [
        f'{path.relative_to(ROOT)} imports {name}'
        for path, names in IMPORTS.items()
        if within(module_name(path), inside)
        for name in sorted(names)
        if forbidden(path, name)
    ]


def ours(name: str) -> bool:
    return within(name, 'sds_perception', 'sds_training')


def test_the_sources_are_found_and_their_imports_read():
    """Guards the other tests: an empty list of sources would keep every rule."""
    names = {module_name(path): found for path, found in IMPORTS.items()}
    assert 'sds_perception.release.named_release' in names['sds_perception.perceiver']
    assert 'rclpy' in {name.split('.')[0] for name in names['sds_perception.ros.node']}
    lazily = names['sds_perception.engines.choose']
    assert 'sds_perception.engines.onnx_engine.OnnxEngine' in lazily


def test_1_what_runs_on_the_vehicle_never_imports_training():
    assert not offences('sds_perception', lambda path, name: within(name, 'sds_training'))


def test_2_only_the_ros_shell_knows_ros():
    def forbidden(path: Path, name: str) -> bool:
        return not within(module_name(path), 'sds_perception.ros') and bool(ROS.match(name))

    assert not offences('sds_perception', forbidden)
    assert not offences('sds_training', forbidden)


def test_2_nothing_outside_the_ros_shell_imports_it():
    def forbidden(path: Path, name: str) -> bool:
        inside = within(module_name(path), 'sds_perception.ros')
        return not inside and within(name, 'sds_perception.ros')

    assert not offences('sds_perception', forbidden)
    assert not offences('sds_training', forbidden)


def test_3_the_network_reads_nothing_but_its_config():
    allowed = ('sds_perception.network', 'sds_perception.labels')
    assert not offences(
        'sds_perception.network', lambda path, name: ours(name) and not within(name, *allowed)
    )


@pytest.mark.parametrize('package', TENSORS_ONLY)
def test_4_losses_and_geometry_know_tensors_only(package):
    allowed = (*TENSORS_ONLY, 'sds_perception.labels', 'sds_perception.network.disparity')
    assert any(within(module_name(path), package) for path in SOURCES)
    assert not offences(package, lambda path, name: ours(name) and not within(name, *allowed))


@pytest.mark.parametrize('package', ['sds_perception.network', *TENSORS_ONLY])
def test_3_and_4_nothing_beyond_torch_is_read(package):
    known = (*PURE, 'timm') if package == 'sds_perception.network' else PURE
    assert not offences(package, lambda path, name: not ours(name) and not within(name, *known))


def test_5_evaluation_scores_a_perceiver_and_knows_no_network():
    scored = [ROOT / f'sds_training/{name}.py' for name in ('evaluate', 'scoring', 'report')]
    for path in (*scored, *ROOT.glob('sds_training/metrics/*.py')):
        network = [
            each for each in imports(path) if re.search(r'\.(network|networks)(\.|$)', each)
        ]
        assert not network, f'{path} imports {network}'


def test_6_what_only_training_needs_never_reaches_the_vehicle():
    assert not offences('sds_perception', lambda path, name: bool(OFFLINE_ONLY.match(name)))


def test_6_only_the_benchmark_draws_and_loads_what_it_draws_with_when_it_draws():
    assert not offences(
        'sds_perception',
        lambda path, name: (
            within(name, 'matplotlib') and not within(module_name(path), 'sds_perception.bench')
        ),
    )
    for path in SOURCES:
        if within(module_name(path), 'sds_perception.bench'):
            at_the_top = ast.parse(path.read_text()).body
            names = [
                ast.unparse(n) for n in at_the_top if isinstance(n, ast.Import | ast.ImportFrom)
            ]
            assert not any('matplotlib' in name for name in names), path


def test_a_module_can_be_read_in_one_sitting():
    lines = {module_name(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert not {name: long for name, long in lines.items() if long > LONGEST}  # 80 to 250 is it


def unpickles(path: Path, call: ast.Call) -> bool:
    """Whether a call may run what it reads: only run states are read by torch, weights only."""
    options = {each.arg: ast.unparse(each.value) for each in call.keywords}
    if options.get('allow_pickle', 'False') != 'False':
        return True
    safe = within(module_name(path), 'sds_training') and options.get('weights_only') == 'True'
    return ast.unparse(call.func) == 'torch.load' and not safe


def test_no_weights_are_ever_unpickled():
    for package in ('sds_perception', 'sds_training'):
        assert not offences(package, lambda path, name: bool(UNPICKLING.match(name)))
    assert not [
        f'{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)}'
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and unpickles(path, node)
    ]


@pytest.mark.parametrize(
    ('line', 'unsafe'),
    [
        ('torch.load(file)', True),
        ('torch.load(file, weights_only=True)', False),
        ('np.load(file, allow_pickle=True)', True),
        ('np.load(file)', False),
    ],
)
def test_what_unpickles_is_known_by_its_options(line, unsafe):
    call = ast.parse(line).body[0].value
    assert unpickles(ROOT / 'sds_training' / 'any.py', call) is unsafe


def test_6_every_module_of_the_vehicle_is_imported_where_nothing_of_training_is():
    absent = 'sds_training lightning lightning_fabric kornia jsonargparse tensorboard torchmetrics'
    code = f"""
import sys
sys.modules.update(dict.fromkeys({absent.split()} + ['cityscapesscripts', 'matplotlib']))
from importlib import import_module, util
from pkgutil import walk_packages
import sds_perception
for each in walk_packages(sds_perception.__path__, 'sds_perception.'):
    if util.find_spec('rclpy') or '.ros.' not in each.name:
        import_module(each.name)
"""
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize('path', SOURCES, ids=module_name)
def test_weights_are_never_loaded_in_part(path):
    """strict=False takes what fits and says nothing of the rest."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith('load_state_dict'):
            strict = [each.value for each in node.keywords if each.arg == 'strict'] + node.args[1:]
            assert all(ast.unparse(each) == 'True' for each in strict), ast.unparse(node)


def test_no_file_names_a_folder_of_the_machine_it_was_written_on():
    personal = re.compile(r'(?<![\w.$}])/(?:home|root|Users|work|mnt|workspace)/\w')
    kinds = ('*.py', '*.md', '*.yaml', '*.xml', '*.txt', '*.toml', '*.cfg')
    folders = (
        'sds_perception',
        'sds_training',
        'launch',
        'config',
        'docs',
        'test',
        'requirements',
    )
    files = [path for kind in kinds for folder in folders for path in (ROOT / folder).rglob(kind)]
    files += [path for kind in kinds for path in ROOT.glob(kind)] + [ROOT / 'Makefile']
    assert len(files) > 50
    found = [
        f'{path.relative_to(ROOT)}:{number} {line.strip()}'
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if personal.search(line) and path != Path(__file__)
    ]
    assert not found


def test_no_link_is_part_of_the_project():
    """Where it points is a matter of one machine: a run folder that was a link broke clones."""
    if not (ROOT / '.git').exists():
        pytest.skip('not a git checkout')
    told = subprocess.run(
        ['git', 'ls-files', '-s'], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not [line for line in told.stdout.splitlines() if line.startswith('120000')]
