"""A wheel of the core and of what it may import trains, predicts and reports without the packages around it."""

import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
import tomli_w
from small_texts import write_reviews

ROOT = Path(__file__).parents[2]
AROUND = ("qllmft_audit", "qllmft_doors", "qllmft_machines", "qllmft_studies")
# without the folders of this installation: Python reads no .pth file
COMMANDS = f"""
import sys
site, libraries, texts, body = sys.argv[1:]
sys.path[:0] = [site, libraries]
from importlib.util import find_spec
from qllmft.cli.main import main

def run(*words):
    try:
        main(words)
    except SystemExit as end:
        assert not end.code, (words, end.code)

run("train", "--data", texts, "--body", body, "--epochs", "2", "--out", "run")
run("predict", "run", "a lovely film")
run("report", "run")
assert not [name for name in {AROUND} if find_spec(name)]
"""


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """The content of a wheel that has the packages of the core alone."""
    folder = tmp_path_factory.mktemp("core")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    packages = wheel["packages"]
    wheel["packages"] = [path for path in packages if Path(path).name not in AROUND]
    assert len(packages) - len(wheel["packages"]) == len(AROUND)
    del project["project"]["entry-points"]  # of the packages around
    source = folder / "source"
    for path in wheel["packages"]:
        shutil.copytree(ROOT / path, source / path, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "LICENSE", "hatch_build.py"):
        shutil.copy(ROOT / name, source)
    (source / "pyproject.toml").write_text(tomli_w.dumps(project), encoding="utf-8")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_core_trains_predicts_and_reports_alone(core, tiny_body, tmp_path):
    texts = write_reviews(tmp_path / "reviews.tsv")
    arguments = [str(core), sysconfig.get_path("purelib"), str(texts), str(tiny_body)]
    process = subprocess.run(
        [sys.executable, "-I", "-S", "-c", COMMANDS, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert (tmp_path / "run" / "report.html").is_file()
