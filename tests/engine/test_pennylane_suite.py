"""PennyLane's own tests of devices, `pl-device-test`, on the device of the engine."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("options", "least"), [([], 384), (["--shots", "20000"], 369)])
def test_pennylanes_tests_of_devices_pass(options, least, tmp_path):
    for package in ("pennylane", "flaky", "pytest_mock", "pytest_benchmark"):
        pytest.importorskip(
            package, reason=f"{package} is not installed: pip install pennylane flaky pytest-mock"
        )
    # the entry point, also if the installed package is an older one
    metadata = tmp_path / "device-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: device\nVersion: 1\n")
    point = "qllmft.adjoint = qllmft_engine.pennylane_device:AdjointDevice"
    (metadata / "entry_points.txt").write_text(f"[pennylane.plugins]\n{point}\n")
    tests = Path(importlib.util.find_spec("pennylane").origin).parent / "devices" / "tests"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)]
    process = subprocess.run(
        [*command, "--device", "qllmft.adjoint", "--skip-ops", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    counts = {
        kind: int(number)
        for number, kind in re.findall(r"(\d+) (passed|failed|error)", process.stdout)
    }
    assert process.returncode == 0, process.stdout[-2000:]
    assert counts["passed"] >= least, counts
