"""Tests of the fast suite, run as the tries of a row in a process of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from reliability_table import Row

ROOT = Path(__file__).parents[2]


def run_tests(
    row: Row, arguments: list[str], words: tuple[str, str], environment: Mapping[str, str]
) -> None:
    """Run pytest, and make sure that every try survives.

    Args:
        row: gets the numbers of tries and of those that survive.
        arguments: of pytest.
        words: what pytest calls a try that survives and one that does not, behind their number.
        environment: beside that of this process.
    """
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=short"]
    with row.attempt():
        process = subprocess.run(
            [*command, *arguments], env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        survived, lost = (
            sum(map(int, re.findall(rf"(\d+) {word}", process.stdout))) for word in words
        )
        assert process.returncode == 0 or lost, process.stdout + process.stderr
    row.survived = survived
    row.tries = survived + lost
    if process.returncode:
        row.failures.append(process.stdout[-3000:])
    row.assert_survived()
