"""One process at a time works on a run; others wait, or are told who has it."""

import errno
import multiprocessing
import os
import threading
import time
from pathlib import Path

import pytest

from qllmft.run.lock import HOLDER_FILE, RunBusyError, sole_use
from qllmft_base.errors import UserError


def test_a_second_one_is_told_who_has_the_run(tmp_path):
    folder = tmp_path / "run"
    busy = pytest.raises(
        RunBusyError, match=rf"run is worked on by process {os.getpid()} on .* since 20"
    )
    with sole_use(folder, None), busy, sole_use(folder, None):
        pytest.fail("both have the run")
    with sole_use(folder, None):
        pass


def test_a_folder_in_which_nothing_was_begun_is_taken_away(tmp_path):
    folder = tmp_path / "a" / "run"
    with pytest.raises(KeyError), sole_use(folder, None):
        raise KeyError
    assert not list(tmp_path.iterdir()), "nor the folders above it that were made for it"
    with sole_use(folder, None):
        (folder / "config.toml").write_text("seed = 1")
    assert [file.name for file in folder.iterdir()] == ["config.toml"]


def test_a_folder_that_is_taken_away_while_it_is_made_is_made_again(tmp_path, monkeypatch):
    make = Path.mkdir
    calls = []

    def mkdir(self, *arguments, **options):
        calls.append(self)
        if len(calls) == 1:  # as pathlib does where the folder is there, and gone when it looks
            raise FileExistsError(self)
        make(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with sole_use(tmp_path / "run", None):
        assert (tmp_path / "run" / HOLDER_FILE).exists()


def put_lock(make):
    """Return a function that makes the file of the lock in the folder of a run."""

    def occupy(run):
        run.mkdir(parents=True)
        make(run / ".lock")

    return occupy


@pytest.mark.parametrize(
    ("occupy", "error", "message"),
    [
        (lambda run: run.parent.mkdir() or run.touch(), FileExistsError, "File exists"),
        (
            lambda run: run.parent.mkdir() or run.symlink_to("nowhere"),
            FileExistsError,
            "File exists",
        ),
        (
            lambda run: run.parent.symlink_to("nowhere/disk"),
            UserError,
            "cannot be made. Is a link in its path broken",
        ),
        (put_lock(os.mkfifo), UserError, "is a pipe or a device"),
        (put_lock(lambda lock: lock.symlink_to("/dev/zero")), UserError, "is a link"),
    ],
    ids=["file", "link", "path through a link", "pipe", "zeros"],
)
def test_what_no_lock_can_be_made_in_is_an_error_at_once(tmp_path, occupy, error, message):
    run = tmp_path / "disk" / "run"
    occupy(run)
    with pytest.raises(error, match=message), sole_use(run, None):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_an_error_with_the_remedy(number, tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    message = f"{tmp_path}/run cannot be locked.* Choose a folder on another file system, or mount this one with flock"
    with pytest.raises(UserError, match=message), sole_use(tmp_path / "run", None):
        pass
    assert not list(tmp_path.iterdir())


def test_those_who_wait_take_turns(tmp_path):
    """Many at once: never two inside, and everybody gets in, though each holder takes the lock's file away."""
    folder = tmp_path / "run"
    inside = []
    most = []
    done = []

    def work(name):
        with sole_use(folder, lambda _: None):
            inside.append(name)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(name)
        done.append(name)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (max(most), sorted(done)) == (1, list(range(12)))
    assert not folder.exists()


def hold(folder, ready):
    with sole_use(folder, None):
        ready.set()
        time.sleep(60)


def test_the_system_takes_the_lock_back_from_the_dead(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(tmp_path / "run", ready))
    process.start()
    assert ready.wait(30)
    waited = []
    threading.Timer(0.3, process.kill).start()
    with sole_use(tmp_path / "run", waited.append):
        assert (tmp_path / "run" / HOLDER_FILE).exists()
    process.join()
    assert waited == [f"{waited[0].partition('. ')[0]}. Waiting for it."]
    assert f"process {process.pid} on" in waited[0]


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "zeros"]
)
def test_the_holder_of_a_lock_is_not_read_from_a_pipe_or_a_device(tmp_path, make):
    with sole_use(tmp_path, None):
        (tmp_path / HOLDER_FILE).unlink()
        make(tmp_path / HOLDER_FILE)
        with (
            pytest.raises(RunBusyError, match="worked on by another process"),
            sole_use(tmp_path, None),
        ):
            pass


@pytest.mark.parametrize("content", ["precious", None])
def test_a_lock_that_is_a_link_leaves_its_target_alone(tmp_path, content):
    target = tmp_path / "own"
    run = tmp_path / "run"
    if content:
        target.write_text(content)
    run.mkdir()
    (run / ".lock").symlink_to(target)
    with pytest.raises(UserError, match=r"\.lock is a link"), sole_use(run, None):
        pass
    assert (target.read_text() if target.exists() else None) == content
