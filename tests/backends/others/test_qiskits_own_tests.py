"""Qiskit's own tests of its primitives, and those of qiskit-algorithms, on the backends.

Their sources are not part of this repository; docs/qiskit-interfaces.md has the command that gets them.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
RECORD = ROOT / "docs" / "records" / "qiskit-interfaces.json"
ARCHIVES = ROOT / "build" / "others"
ROWS = json.loads(RECORD.read_text("utf-8"))["rows"]
# file of the tests -> its package, the folder in it, and the class that the backend replaces
FILES = {
    "test_statevector_estimator": ("qiskit", "test/python/primitives", "StatevectorEstimator"),
    "test_backend_estimator_v2": ("qiskit", "test/python/primitives", "BackendEstimatorV2"),
    "test_statevector_sampler": ("qiskit", "test/python/primitives", "StatevectorSampler"),
    "test_backend_sampler_v2": ("qiskit", "test/python/primitives", "BackendSamplerV2"),
    "test_vqe": ("qiskit-algorithms", "test/minimum_eigensolvers", "StatevectorEstimator"),
    "test_estimator_gradient": ("qiskit-algorithms", "test/gradients", "StatevectorEstimator"),
}


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """The folder of each unpacked package."""
    if importlib.util.find_spec("ddt") is None:
        pytest.skip("ddt is not installed: pip install ddt")
    folders = {}
    for package in ("qiskit", "qiskit-algorithms"):
        installed_archive = f"qiskit-{version('qiskit')}.tar.gz"
        pattern = installed_archive if package == "qiskit" else "qiskit_algorithms-*.tar.gz"
        archive = next(iter(sorted(ARCHIVES.glob(pattern))), None)
        if archive is None:
            pytest.skip(
                f"no {pattern} in {ARCHIVES}: docs/qiskit-interfaces.md has the command that gets it"
            )
        folder = tmp_path_factory.mktemp(package)
        with tarfile.open(archive) as archive_file:
            # of qiskit the tests only: its package lacks the compiled part
            members = [
                m for m in archive_file if package != "qiskit" or m.name.split("/")[1:2] == ["test"]
            ]
            archive_file.extractall(folder, members, filter="data")
        folders[package] = next(folder.iterdir())
    return folders


def run(sources, report, row):
    """Run the tests of a row; return the names of all that ran and of those that failed."""
    package, place, replaced = FILES[row["tests"]]
    root = sources[package]
    folder = Path(__file__).parent
    paths = [str(root), str(folder), *(str(ROOT / part) for part in ("", "circuits", "backends"))]
    process = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q"),
            *("-p", "backend_in_qiskit", "-p", "no:cacheprovider"),
            *("-W", "ignore", "-c", os.devnull, "--rootdir", str(root), f"--junitxml={report}"),
            f"{place}/{row['tests']}.py",
        ],
        cwd=root,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "REPLACED": replaced,
            "BACKEND": row["backend"],
            "BACKEND_OPTIONS": json.dumps(row["options"]),
            "OMP_NUM_THREADS": "1",
            "QISKIT_PARALLEL": "FALSE",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode in (0, 1), process.stdout[-2000:] + process.stderr[-2000:]
    ran = set()
    failed = set()
    for case in ET.parse(report).iter("testcase"):
        if case.find("skipped") is None:
            ran.add(case.get("name"))
        if case.find("failure") is not None or case.find("error") is not None:
            failed.add(case.get("name"))
    return ran, failed


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['backend']}-{row['tests']}" for row in ROWS])
def test_only_the_recorded_tests_fail(sources, tmp_path, row, pytestconfig):
    ran, failed = run(sources, tmp_path / "report.xml", row)
    if pytestconfig.getoption("--record", default=False):
        record = json.loads(RECORD.read_text("utf-8"))
        names = ("tests", "backend", "options")
        [recorded_row] = [
            recorded for recorded in record["rows"] if all(recorded[k] == row[k] for k in names)
        ]
        recorded_row |= {"tried": len(ran), "failed": sorted(failed)}
        record["versions"] = {name: version(name) for name in ("qiskit", "qiskit-aer")} | {
            "qiskit-algorithms": sources["qiskit-algorithms"].name.rpartition("-")[2]
        }
        RECORD.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
        return
    assert failed <= set(row["failed"])
    assert len(ran) == row["tried"]
