"""The `gaterank` distribution. Beam workers install it with --setup_file."""

from setuptools import find_packages, setup

FOLDERS = ("transforms", "trainer", "serving", "pipeline", "deployment")

setup(
    name="gaterank",
    version="0.1.0",
    description="Distributed multi-task ranking with DSelect-k experts, as a TFX pipeline",
    license="Apache-2.0",
    python_requires=">=3.11,<3.12",
    packages=find_packages(include=[*FOLDERS, *(f"{folder}.*" for folder in FOLDERS)]),
    package_data={
        "pipeline": ["report/*.html.j2", "report/*.css"],
        "deployment": [
            "airflow/dags/*.py",
            "engines/*.properties",
            "engines/*.xml",
            "engines/*/*.txt",
        ],
    },
    entry_points={"console_scripts": ["gaterank = pipeline.cli.main:main"]},
)
