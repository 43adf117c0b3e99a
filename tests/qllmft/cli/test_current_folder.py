"""Nothing in the folder where a command is started is opened or run unless the command line names it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from trap_folder import (
    SETTINGS_FILES,
    imported_names,
    make_hostile_repository,
    make_trap_folder,
    names_before_a_package,
)

from qllmft.cli.main import build_command
from qllmft_base import current_folder
from qllmft_base.errors import UserError
from qllmft_studies import repository

SCRIPT = Path(sys.executable).with_name("qllmft")
COMMANDS = sorted(build_command().commands)
# of each command; RUN is a finished run, OUT a folder outside of the traps
ARGUMENTS = {
    "analyse": ["RUN", "--no-twin"],
    "backends": [],
    "dequantise": ["RUN", "--out", "OUT/surrogate"],
    "doctor": [],
    "energy": ["--figure", "OUT/energy.svg"],
    "evaluate": ["RUN"],
    "explain": ["RUN", "a good film"],
    "export": ["RUN", "--format", "svg", "--out", "OUT/head.svg"],
    "info": ["RUN"],
    "init": ["OUT/config.toml"],
    "ionq-sandbox": ["--port", "0"],
    "jobs": ["RUN", "--offline"],
    "predict": ["RUN", "a good film", "--backend", "pennylane"],
    "price": ["RUN"],
    "push": ["RUN", "me/reviews", "--dry-run"],
    "report": ["RUN"],
    "runs": ["OUT"],
    "serve": ["RUN", "--port", "0"],
    "study": ["STUDY", "--data", "TEXTS", "--body", "BODY", "--out", "OUT/study", "--jobs", "2"],
    "suspects": ["RUN"],
    "sweep": ["table-11", "--data", "TEXTS", "--body", "BODY", "--out", "OUT/sweep", "--sampler", "qmc",
              "--trials", "2", "--epochs", "1", "--jobs", "2"],
    "train": ["--data", "TEXTS", "--body", "BODY", "--epochs", "1", "--out", "OUT/run", "--track",
              "tensorboard,wandb"],
    "verify": ["RUN"],
}  # fmt: skip
SERVERS = {"serve", "ionq-sandbox"}  # they end when they are told to
STUDY = """
title = "Table 0: a study of seconds"
subject = "quantum head"
baseline = "classical head"
seeds = 2
epochs = 1
published = false
rows = [
  { label = "Single", preset = "single-10q", side = "subject" },
  { label = "SVC", preset = "nn-head-0", side = "baseline", classical = "svc" },
]
"""
# what starts children and imports the libraries that read settings, in a second
SHORT_SCRIPT = """
from qllmft_base.current_folder import ignore_current_folder
ignore_current_folder()
from qllmft_base.workers import Processes
if __name__ == "__main__":
    with Processes(1, 1) as pool:
        assert pool.submit(len, "abc").result() == 3
    import matplotlib
    from qllmft_engine.compiled import ahead
    assert matplotlib.rcParams["savefig.dpi"] != 30
    ahead.os.cpu_count = lambda: 2
    ahead._PROGRAM = "import qllmft_engine, numpy"
    ahead.compile_ahead(("float32",))
    process = ahead._processes[ahead.REAL_GATES, "float32"]
    ahead.wait_for_compilation("float32")
    assert process.returncode == 0
    from qllmft_circuits.files.reading import read_qasm2
    read_qasm2("OPENQASM 2.0; qreg q[1]; U(0,0,0) q[0];")
"""


def git(folder, *words):
    author = ("-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", folder, *author, *words], check=True, capture_output=True)


def test_children_and_libraries_read_nothing_of_the_current_folder(tmp_path):
    """A worker, the process that compiles, the one that reads circuits, numba's settings and matplotlib's."""
    folder = make_trap_folder(tmp_path)
    script = tmp_path / "script" / "short.py"
    script.parent.mkdir()
    script.write_text(SHORT_SCRIPT)
    process = folder.run(sys.executable, str(script), NUMBA_CACHE_DIR=str(tmp_path / "empty"))
    assert process.returncode == 0, process.stderr
    folder.assert_untouched(n_processes=5)  # with multiprocessing's own


def test_a_command_and_the_module_read_nothing_of_the_current_folder(tmp_path):
    folder = make_trap_folder(
        tmp_path, without={"qllmft", *names_before_a_package(tmp_path / "module")}
    )
    for command in ([str(SCRIPT)], [sys.executable, "-m", "qllmft"]):
        process = folder.run(*command, "runs", str(folder.hooks))
        assert process.returncode in (0, 2), process.stderr
    folder.assert_untouched(n_processes=2)


def test_relative_entries_of_the_path_of_modules_are_removed(tmp_path, monkeypatch):
    """Python takes an empty one for the current folder, and makes relative ones absolute."""
    kept_folder = str(tmp_path / "kept")
    current = tmp_path / "here"
    current.mkdir()
    monkeypatch.chdir(current)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(
        sys, "path", [str(current), str(current / "src"), "", kept_folder, *sys.path]
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "src", kept_folder]))
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    current_folder.ignore_current_folder()
    assert sys.path[0] == kept_folder
    assert os.environ["PYTHONPATH"] == kept_folder
    assert os.environ["PYTHONSAFEPATH"] == "1"
    monkeypatch.setenv("PYTHONPATH", "src")
    current_folder.ignore_current_folder()
    assert "PYTHONPATH" not in os.environ


def test_git_runs_no_command_of_a_repository(tmp_path):
    folder = make_trap_folder(tmp_path)
    git(folder.path, "init", "-q")
    plan = folder.path / "records" / "study.json"
    plan.parent.mkdir()
    plan.write_text("{}\n")
    git(folder.path, "add", "records")
    git(folder.path, "commit", "-q", "-m", "plan")
    make_hostile_repository(folder)
    new_file = plan.with_name("new.json")
    new_file.touch()
    assert repository.repository_root(plan).samefile(folder.path)
    assert repository.file_state(plan) == "committed"
    assert repository.file_state(new_file) == "not committed"
    assert repository.path_in_repository(plan) == "records/study.json"
    assert len(repository.commits_of_file(plan)) == 1
    assert repository.list_tracked_files(folder.path, "study.json") == ["records/study.json"]
    plan.write_bytes(b"{}\r\n")
    assert repository.file_state(plan) == "committed", "the ends of lines of Windows"
    plan.write_text("[]\n")
    assert repository.file_state(plan) == "changed since its commit"
    assert not folder.marker.exists()
    subprocess.run(["git", "-C", folder.path, "status"], capture_output=True)
    assert folder.marker.exists(), "the commands of the repository are none"


def test_a_repository_that_lacks_an_object_fetches_nothing(tmp_path):
    folder = make_trap_folder(tmp_path)
    git(folder.path, "init", "-q")
    plan = folder.path / "plan.json"
    plan.write_text("{}")
    git(folder.path, "add", "plan.json")
    git(folder.path, "commit", "-q", "-m", "plan")
    make_hostile_repository(folder)
    git(folder.path, "config", "extensions.partialClone", "origin")
    git(folder.path, "config", "core.repositoryFormatVersion", "1")
    shutil.rmtree(folder.path / ".git" / "objects")
    (folder.path / ".git" / "objects").mkdir()
    folder.marker.unlink(missing_ok=True)
    with pytest.raises(UserError, match="git says"):
        repository.file_state(plan)
    assert not folder.marker.exists()


@pytest.mark.parametrize(
    ("module", "settings_file"), current_folder.SETTINGS_FILES.items(), ids=lambda value: str(value)
)
def test_a_library_that_reads_its_settings_in_another_way_is_refused(
    module, settings_file, tmp_path, monkeypatch
):
    path = tmp_path / "library.py"
    path.write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    loader = current_folder._Loader(module, str(path))
    assert loader.get_code(module) is not None
    (tmp_path / settings_file.name).touch()
    with pytest.raises(UserError, match=r"would read .* Start the command in another folder"):
        loader.get_code(module)
    path.write_text(f"def f():\n    {settings_file.source}\n")
    code = loader.get_code(module)
    assert settings_file.name not in repr([constant.co_consts for constant in code.co_consts[:1]])


def test_weights_and_biases_is_refused_in_a_folder_with_its_settings(tmp_path, monkeypatch):
    services = pytest.importorskip("qllmft_doors.trackers")
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "settings").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(services, "ignores_current_folder", lambda: True)
    with pytest.raises(UserError, match=r"^wandb would read .*settings"):
        services.WeightsAndBiases()


def test_traps_have_the_names_that_are_imported():
    assert {"numba", "numpy", "torch", "wandb", "socket", "qllmft_backends"} <= imported_names()
    assert set(ARGUMENTS) == set(COMMANDS), "a new command needs arguments here"
    names = {settings_file.name for settings_file in current_folder.SETTINGS_FILES.values()}
    assert names <= set(SETTINGS_FILES)


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory, trained_run):
    folder = tmp_path_factory.mktemp("finished") / "run"
    shutil.copytree(trained_run, folder)
    return folder


def fill_in(words, **values):
    """Return words with names replaced."""
    filled_words = []
    for word in words:
        name, slash, path = word.partition("/")
        filled_words.append(f"{values.get(name, name)}{slash}{path}")
    return filled_words


@pytest.mark.slow
@pytest.mark.parametrize("as_module", [False, True], ids=["script", "module"])
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_reads_anything_of_the_current_folder(
    name, as_module, tmp_path, finished_run, tiny_body
):
    from small_texts import write_reviews

    without = {"qllmft", *names_before_a_package(tmp_path / "module")} if as_module else ()
    folder = make_trap_folder(tmp_path, without=without)
    git(folder.path, "init", "-q")
    make_hostile_repository(folder)
    out = tmp_path / "out"
    out.mkdir()
    study = tmp_path / "study.toml"
    study.write_text(STUDY)
    texts = write_reviews(tmp_path / "reviews.tsv")
    values = {"RUN": finished_run, "OUT": out, "STUDY": study, "TEXTS": texts, "BODY": tiny_body}
    program = [sys.executable, "-m", "qllmft"] if as_module else [str(SCRIPT)]
    command = [*program, name, *fill_in(ARGUMENTS[name], **values)]
    if name in SERVERS:
        command = ["timeout", "--signal=INT", "30", *command]
    process = folder.run(*command)
    assert process.returncode in (0, 1, 2, 124, 130), process.stderr
    assert "Traceback" not in process.stderr
    folder.assert_untouched()


@pytest.mark.slow
def test_a_run_in_a_folder_of_traps_is_used_with_an_empty_cache(tmp_path, finished_run):
    """As `cd downloaded-run; qllmft predict . "text"`: the process that compiles and workers are there, too."""
    folder = make_trap_folder(tmp_path)
    run_files = {path for path in finished_run.rglob("*") if path.is_file()}
    for path in run_files:
        target = folder.path / path.relative_to(finished_run)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    cache = str(tmp_path / "empty")
    command = [str(SCRIPT), "predict", ".", "a good film", "a bad film", "--jobs", "2"]
    process = folder.run(*command, NUMBA_CACHE_DIR=cache)
    assert process.returncode == 0, process.stderr
    named_files = {str(folder.path / path.relative_to(finished_run)) for path in run_files}
    opened_files = {path for _, _, path in folder.reports("open", "import", "exec")}
    assert opened_files <= named_files
    assert not folder.marker.exists()
