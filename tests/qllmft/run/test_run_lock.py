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
    make, calls = Path.mkdir, []

    def mkdir(self, *arguments, **options):
        calls.append(self)
        if len(calls) == 1:  # as pathlib does where the folder is there, and gone when it looks
            raise FileExistsError(self)
        make(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with sole_use(tmp_path / "run", None):
        assert (tmp_path / "run" / HOLDER_FILE).exists()


@pytest.mark.parametrize("occupy", [Path.touch, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_folder_in_its_place_is_an_error(occupy, tmp_path):
    occupy(tmp_path / "run")
    with pytest.raises(FileExistsError), sole_use(tmp_path / "run", None):
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
    folder, inside, most, done = tmp_path / "run", [], [], []

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
    thread = threading.Timer(0.3, process.kill)
    thread.start()
    with sole_use(tmp_path / "run", waited.append):
        assert (tmp_path / "run" / HOLDER_FILE).exists()
    process.join()
    assert waited == [f"{waited[0].partition('. ')[0]}. Waiting for it."]
    assert f"process {process.pid} on" in waited[0]


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "zeros"]
)
def test_a_pipe_or_a_device_in_the_place_of_a_lock_is_an_error_at_once(tmp_path, make):
    make(tmp_path / ".lock")
    with (
        pytest.raises(UserError, match=r"is a pipe or a device|is a link"),
        sole_use(tmp_path, None),
    ):
        pass


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
    own, run = tmp_path / "own", tmp_path / "run"
    if content:
        own.write_text(content)
    run.mkdir()
    (run / ".lock").symlink_to(own)
    with pytest.raises(UserError, match=r"\.lock is a link"), sole_use(run, None):
        pass
    assert (own.read_text() if own.exists() else None) == content


def test_a_folder_behind_a_broken_link_is_an_error_and_no_loop(tmp_path):
    (tmp_path / "disk").symlink_to(tmp_path / "nowhere" / "disk")
    match = "cannot be made. Is a link in its path broken"
    with pytest.raises(UserError, match=match), sole_use(tmp_path / "disk" / "run", None):
        pass
