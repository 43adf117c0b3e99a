"""A plug-in of pytest: embeddings and initial weights differ by 1e-7, as on another processor.

`make test-processors` loads it by ``-p perturbed`` and gives a seed by ``--perturb``. The processes that tests start
have the same noise.
"""

import os
from pathlib import Path
from typing import Any

import pytest
from last_bits import VARIABLE, perturb_imports

FOLDER = Path(__file__).parent  # sitecustomize.py is here, too


def pytest_addoption(parser: Any) -> None:
    parser.addoption(
        "--perturb",
        type=int,
        metavar="SEED",
        help="add relative and absolute noise of 1e-7 to all embeddings and initial weights",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: Any) -> None:
    """Act before a conftest.py imports the package."""
    seed = early_config.known_args_namespace.perturb
    if seed is None:
        return
    perturb_imports(seed)
    os.environ[VARIABLE] = str(seed)
    folders = (str(FOLDER), os.environ.get("PYTHONPATH", ""))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
