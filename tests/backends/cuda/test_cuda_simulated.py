"""The GPU's kernels under numba's simulator. It is chosen before numba is imported, so these tests have a process."""

import os
import subprocess
import sys
from pathlib import Path


def test_the_kernels_under_the_simulator():
    folder = Path(__file__).parent / "simulated"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
