"""Every extra resolves on each Python, and walks no followed package back by more than a minor version."""

import os
import shutil
import subprocess
import tomllib
from functools import cache

import pytest
from packaging.version import Version
from project_files import ROOT, read_page

pytestmark = pytest.mark.slow
PROJECT = tomllib.loads(read_page("pyproject.toml"))["project"]
PYTHONS = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if " :: Python :: 3." in line]
FOLLOWED = ("torch", "transformers", "sentence-transformers", "qiskit")
UV = os.environ.get("UV", "uv")


@cache
def resolve_versions(python, extra=None):
    """The versions that a fresh installation has, by the index that this machine reaches."""
    if shutil.which(UV) is None:
        pytest.skip("uv is not installed: pip install uv")
    command = [UV, "pip", "compile", "pyproject.toml", "--python-version", python, "--quiet"]
    command += ["--no-header", "--no-annotate", *(["--extra", extra] if extra else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "error sending request" in done.stderr or "dns error" in done.stderr:
        pytest.skip("no package index is reached")
    assert done.returncode == 0, f"{extra} on Python {python}: {done.stderr}"
    pairs = (line.partition(";")[0].strip().partition("==") for line in done.stdout.splitlines())
    return {name: Version(version) for name, _, version in pairs if name in FOLLOWED}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", PROJECT["optional-dependencies"])
def test_an_extra_resolves_with_the_newest_required_packages(python, extra):
    newest = resolve_versions(python)
    versions = resolve_versions(python, extra)
    assert set(versions) == set(FOLLOWED)
    for name, version in versions.items():
        assert version.major == newest[name].major, (name, version, newest[name])
        assert newest[name].minor - version.minor <= 1, (name, version, newest[name])
