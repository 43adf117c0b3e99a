"""Every write, sync, rename, removal and POST of a command fails once, or the machine stops before it."""

import errno
import json
import os
import shutil
import sqlite3
from pathlib import Path

import crash_states
import numpy as np
import pytest
import small_commands
from crash_states import Disk
from each_command import EPOCHS, make_commands
from each_operation import bench, numbers
from forked_scripts import CONTEXT
from safetensors.numpy import save_file
from watched_files import DIES, library, read_journal, watch

COMMANDS = (
    "train", "train, body tuned", "train, LoRA", "study", "sweep", "predict, paid", "predict --file", "dequantise",
    "analyse", "push",
)  # fmt: skip


@pytest.fixture(scope="module")
def commands(reviews, tiny_body, tmp_path_factory):
    """The commands, by name."""
    from small_bodies import bert

    folder = tmp_path_factory.mktemp("commands")
    run = small_commands.train(reviews, tiny_body, folder / "trained", EPOCHS).run
    return make_commands(reviews, tiny_body, bert(folder / "bert"), run)


def some(things, share):
    """Evenly spaced ones of all."""
    return things[:: max(1, round(1 / share))]


def assert_fails_once(row, test_bench, share):
    for number, operation in some(list(enumerate(test_bench.operations, start=1)), share):
        with row.attempt():
            try:
                row.met[f"exit code {test_bench.fail(number).code}"] += 1
            except AssertionError as error:
                where = f"operation {number} ({operation.kind} {operation.path})"
                raise AssertionError(f"{where}: {error}") from error


def assert_repeated_after_death(row, test_bench, share):
    problems = {}
    for death in some(list(test_bench.deaths()), share):
        with row.attempt():
            if death.identity not in problems:
                problems[death.identity] = problem_after(test_bench, death)
            problem = problems[death.identity]
            assert not problem, f"before operation {death.number}, lost: {death.loss}: {problem}"
    row.met["different states"] = len(problems)


def problem_after(test_bench, death):
    try:
        test_bench.repeat_after(death)
    except AssertionError as error:
        return str(error) or "an assertion fails"
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_each_operation_of_a_command(table, commands, name):
    command = commands[name]
    with bench(command) as test_bench:
        count = f"{len(test_bench.operations):,} operations ({numbers(test_bench.operations)})"
        fails = table.begin(
            f"each operation: {name}, fails", f"`{command.shown}`, each of its {count} fails once"
        )
        assert_fails_once(fails, test_bench, table.share)
        dies = table.begin(
            f"each operation: {name}, the machine stops",
            f"`{command.shown}`, the machine stops before each of its {len(test_bench.operations):,} operations "
            "and after the last, in six ways",
        )
        assert_repeated_after_death(dies, test_bench, table.share)
    fails.assert_survived()
    dies.assert_survived()


@pytest.mark.parametrize(("name", "tries"), [("train", 3), ("predict, paid", 5), ("dequantise", 2)])
def test_some_operations_of_a_command(table, commands, name, tries):
    with bench(commands[name]) as test_bench:
        row = table.begin("", "")
        assert_fails_once(row, test_bench, tries / len(test_bench.operations))
        assert_repeated_after_death(row, test_bench, tries / len(test_bench.operations) / 6)
    row.assert_survived()


# --- what the record of a process is worth


def change_files(library, folder, journal, nth, fault):
    """All kinds of changes, by Python, numpy, SQLite and Rust; the exit code is the error's number."""
    watch(library, folder, journal, nth, fault)
    try:
        change_all(folder)
    except OSError as error:
        os._exit(error.errno)


def change_all(folder):
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "text").write_text("hello")
    shutil.copyfile(folder / "text", folder / "a" / "copy")
    (folder / "text").replace(folder / "renamed")
    np.zeros(3).tofile(folder / "raw")
    np.save(folder / "array.npy", np.ones(3))
    save_file({"x": np.ones(3)}, folder / "x.safetensors")
    with sqlite3.connect(folder / "db.sqlite") as database:
        database.execute("CREATE TABLE t (x)")
        database.execute("INSERT INTO t VALUES (1)")
    with (folder / "renamed").open("r+b") as file:
        file.truncate(2)
        file.seek(1)
        file.write(b"xyz")
    (folder / "a" / "link").hardlink_to(folder / "raw")
    shutil.rmtree(folder / "a" / "b")


def run_changes(tmp_path, nth=0, fault=0):
    """What a process did in a folder, which holds a file before: the disk before it, the journal, the exit code."""
    folder = tmp_path / "folder"
    journal = tmp_path / "journal"
    for path in (folder, journal):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    folder.mkdir()
    (folder / "raw").write_bytes(b"before")
    disk = Disk(folder)
    process = CONTEXT.Process(target=change_files, args=(library(), folder, journal, nth, fault))
    process.start()
    process.join()
    return disk, read_journal(journal), process.exitcode


def test_every_change_of_a_folder_is_seen(tmp_path):
    disk, operations, code = run_changes(tmp_path)
    assert code == 0
    assert {change.kind for change in operations} >= {
        "create", "write", "truncate", "sync", "sync folder", "rename", "unlink", "mkdir", "rmdir", "link",
    }  # fmt: skip
    for operation in operations:
        disk.apply(operation)
    assert disk.states()["nothing"] == crash_states.read_tree(tmp_path / "folder")


@pytest.mark.parametrize("nth", [1, 7, 20])
def test_a_process_dies_before_any_operation(tmp_path, nth):
    _, operations, _ = run_changes(tmp_path)
    disk, last_operations, code = run_changes(tmp_path, nth, DIES)
    assert code == -9
    assert [change.kind for change in last_operations] == [
        change.kind for change in operations[: nth - 1]
    ]
    for operation in last_operations:
        disk.apply(operation)
    assert disk.states()["nothing"] == crash_states.read_tree(tmp_path / "folder")


def test_one_operation_fails_once(tmp_path):
    _, operations, _ = run_changes(tmp_path)
    nth = next(i for i, operation in enumerate(operations, 1) if operation.kind == "rename")
    _, last_operations, code = run_changes(tmp_path, nth, errno.ENOSPC)
    assert code == errno.ENOSPC
    assert len(last_operations) == nth - 1


class DiskByHand:
    """Operations on a disk, by hand."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.disk = Disk(folder)

    def __call__(self, kind, path="", inode=0, offset=0, data=b""):
        from watched_files import Operation

        path = str(self.folder / path) if path else ""
        self.disk.apply(Operation(kind, inode, offset, path, data))

    def states(self):
        """What may be left, by loss."""
        return self.disk.states()


def test_what_is_lost_by_a_power_cut(tmp_path):
    (tmp_path / "old").write_bytes(b"old")
    do = DiskByHand(tmp_path.resolve())
    do("create", "new", 7)
    do("write", inode=7, data=b"abcd")
    assert do.states()["nothing"] == {"old": b"old", "new": b"abcd"}
    assert do.states()["contents"] == {"old": b"old", "new": b""}
    assert do.states()["half of the contents"] == {"old": b"old", "new": b"ab"}
    assert do.states()["names, contents"] == {"old": b"old"}
    do("sync", inode=7)
    assert do.states()["contents"] == {"old": b"old", "new": b"abcd"}
    assert do.states()["names, contents"] == {"old": b"old"}
    do("rename", "new", data=str(tmp_path.resolve() / "old").encode())
    assert do.states()["nothing"] == {"old": b"abcd"}
    assert do.states()["names, contents"] == {"old": b"old"}
    assert do.states()["all but the last name"] == {"old": b"abcd"}
    do("sync folder", ".")
    assert set(map(json.dumps, map(str, do.states().values()))) == {json.dumps("{'old': b'abcd'}")}
    do("mkdir", "folder")
    do("create", "folder/x", 8)
    assert do.states()["names, contents"] == {"old": b"abcd", "folder": None}
    assert do.states()["folders, names, contents"] == {"old": b"abcd"}
    assert do.states()["all but the last name"] == {"old": b"abcd", "folder": None, "folder/x": b""}
