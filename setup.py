"""One ament_python package; the two Python packages in it and what each needs."""

from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

NAME = 'sds_perception'


def pinned(name: str) -> list[str]:
    """Requirement lines of one file under requirements/, without comments."""
    # Beside this file, not where it is run: colcon links it into its build folder.
    file = Path(__file__).resolve().parent / 'requirements' / f'{name}.txt'
    lines = file.read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


setup(
    name=NAME,
    version='0.1.0',
    description='Semantics and depth from one camera image, on ROS 2, and the training of it',
    license='Apache-2.0',
    maintainer='SDS developers',
    maintainer_email='sds@example.org',
    python_requires='>=3.11',
    packages=find_packages(include=['sds_perception*', 'sds_training*']),
    package_data={NAME: ['releases/*.safetensors']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        (f'share/{NAME}/launch', glob('launch/*.launch.py')),
        (f'share/{NAME}/config/vehicle', glob('config/vehicle/*')),
    ],
    # numpy, OpenCV and torch are what the vehicle already has; see requirements/ for pins.
    install_requires=['setuptools', 'numpy', 'timm', 'safetensors'],
    extras_require={
        'onnx': ['onnx', 'onnxscript', 'onnxruntime'],
        'openvino': ['openvino', 'onnx', 'onnxscript', 'onnxruntime'],  # calibrates int8
        'mnn': ['MNN', 'onnx', 'onnxscript'],
        'offline': ['rosbags', 'tqdm'],
        'ros': pinned('ros'),
        'training': pinned('training'),
        'test': pinned('test'),
    },
    zip_safe=False,  # files are read beside the modules
    entry_points={
        'console_scripts': [
            'perception_node = sds_perception.ros.commands:perception_node',
            'doctor = sds_perception.ros.commands:doctor',
            'replay = sds_perception.ros.commands:replay',
            'record = sds_perception.ros.commands:record',
            'sds-perceive = sds_perception.commands:perceive',
            'sds-engine = sds_perception.commands:engine',
            'sds-adapt = sds_perception.commands:adapt',
            'sds-bench = sds_perception.commands:bench',
            'sds-streets = sds_training.commands:streets',
            'sds-prepare = sds_training.commands:prepare',
            'sds-train = sds_training.commands:train',
            'sds-evaluate = sds_training.commands:evaluate',
            'sds-export = sds_training.commands:export',
            'sds-average = sds_training.commands:average',
        ],
    },
)
