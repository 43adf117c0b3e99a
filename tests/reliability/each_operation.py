"""Every operation of a command fails once, or is the last one: what the same command makes of it afterwards."""

import copy
import errno
import re
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import crash_states
from crash_states import Disk, Tree
from each_command import ANSWERS, AttackedCommand, make_small, no_service, use_hub_stand_in
from nursery import CommandEnd, Nursery
from same_bits import without_times
from watched_files import DIES, KINDS, Operation, library, read_journal, watch

from qllmft_base.files import is_temporary

NEEDS_SPACE = {"create", "write", "mkdir", "link", "symlink"}
CODES = {0, 2}  # of a command one of whose operations has failed


def prepare(files: Path, folder: Path, journal: Path | None, nth: int, fault: int) -> None:
    """In the process of a try, before the command."""
    tempfile.tempdir = None  # another process had another one
    use_hub_stand_in()
    make_small()
    if journal is not None:
        watch(files, folder, journal, nth, fault)


@dataclass
class Bench:
    """A command, a folder for its tries, and the process that they are forked from."""

    command: AttackedCommand
    place: Path
    nursery: Nursery
    operations: Sequence[Operation] = ()
    expected: Any = None
    _problems: dict[str, str] = field(default_factory=dict)
    _initial_disk: Disk | None = None
    _journal: Sequence[Operation] = ()

    @property
    def folder(self) -> Path:
        """Its working directory, the same path in every try."""
        return self.place / "try"

    def lay(self, tree: Tree) -> None:
        """Make the folder anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        crash_states.write_tree(tree, self.folder)

    def call(
        self, environment: dict[str, str], nth: int = 0, fault: int = 0, *, watched: bool = True
    ) -> CommandEnd:
        """Make the command once; ``_journal`` gets its operations."""
        journal = self.place / "journal"
        journal.unlink(missing_ok=True)
        variables = {
            "QLLMFT_CACHE": str(self.folder / "cache"), "TMPDIR": str(self.folder / "tmp"),
            **self.command.settings, **environment,
        }  # fmt: skip
        printed = self.folder / ANSWERS if self.command.printed else None
        preparation = (prepare, library(), self.folder, journal if watched else None, nth, fault)
        end = self.nursery.run(self.command.arguments, self.folder, variables, preparation, printed)
        self._journal = read_journal(journal) if watched else ()
        return end

    def assert_repeated(self, environment: dict[str, str]) -> None:
        """The same command ends in the same bits. Without a service each different folder is tried once."""
        if environment:
            self._repeat(environment)
            return
        identity = distinct(crash_states.read_tree(self.folder))
        if identity not in self._problems:
            self._problems[identity] = ""
            try:
                self._repeat({})
            except AssertionError as error:
                self._problems[identity] = str(error) or "an assertion fails"
        assert not self._problems[identity], self._problems[identity]

    def _repeat(self, environment: dict[str, str]) -> None:
        end = self.call(environment, watched=False)
        assert end.code == 0, f"exit code {end.code}: {end.transcript}"
        assert "Traceback" not in end.transcript, end.transcript
        self.assert_same()

    def assert_same(self, *, more: bool = False) -> None:
        """The folder holds what an undisturbed call leaves, and perhaps ``more``."""
        files = self.command.outcome(self.folder)
        if more:
            files = {name: content for name, content in files.items() if name in self.expected}
        names = sorted(files.keys() ^ self.expected.keys())
        assert not names, f"files that are there once only: {names}"
        differing = [name for name in files if files[name] != self.expected[name]]
        assert not differing, f"they differ: {differing}"

    def learn(self) -> None:
        """Make the command undisturbed: `operations` and `expected` are those of this call."""
        self.lay(self.command.initial_files)
        self._initial_disk = Disk(self.folder)
        with self.command.service(self.folder) as service:
            end = self.call(service.environment)
            assert end.code == 0, end.transcript
            service.assert_served()
        self.operations = self._journal
        for _, states in self.crashes():
            final_tree = states["nothing"]
        assert final_tree == crash_states.read_tree(self.folder), "a change of a file was not seen"
        self.expected = self.command.outcome(self.folder)

    def fail(self, nth: int) -> CommandEnd:
        """Let one operation fail once, then make the command again; the end of the first call."""
        fault = getattr(errno, find_fault(self.operations[nth - 1]))
        self.lay(self.command.initial_files)
        with self.command.service(self.folder) as service:
            end = self.call(service.environment, nth, fault)
            assert end.code in CODES, f"exit code {end.code}: {end.transcript}"
            assert "Traceback" not in end.transcript, end.transcript
            if end.code == 0:  # what could not be removed is removed by the next call
                self.assert_same(more=True)
            else:
                assert "error: " in end.messages, end.transcript
            service.settle()
            self.assert_repeated(service.environment)
            service.assert_served()
        return end

    def crashes(self) -> Iterator[tuple[int, dict[str, Tree]]]:
        """What a death before each operation, or after the last, may leave: number, and states by loss."""
        disk = copy.deepcopy(self._initial_disk)
        assert disk is not None
        yield 1, disk.states()
        for number, operation in enumerate(self.operations, start=2):
            disk.apply(operation)
            yield number, disk.states()

    def deaths(self) -> Iterator["Death"]:
        """Every way to die: before each operation and after the last, with every loss of what was not synced."""
        requests = 0
        for number, states in self.crashes():
            if number > 1:
                requests += self.operations[number - 2].kind.startswith("POST")
            for loss, tree in states.items():
                yield Death(number, loss, tree, f"{requests} {distinct(tree)}")

    def repeat_after(self, death: "Death") -> None:
        """Make the command in a folder that a crash has left, with the service as it is then."""
        if self.command.service is no_service:
            self.lay(death.tree)
            self.assert_repeated({})
        else:
            self._die(death.number, death.loss)

    def _die(self, nth: int, loss: str) -> None:
        self.lay(self.command.initial_files)
        disk = Disk(self.folder)
        with self.command.service(self.folder) as service:
            end = self.call(service.environment, nth, DIES)
            expected = -signal.SIGKILL if nth <= len(self.operations) else 0
            assert end.code == expected, f"exit code {end.code}: {end.transcript}"
            assert len(self._journal) == nth - 1
            for operation in self._journal:
                disk.apply(operation)
            self.lay(disk.states()[loss])
            service.settle()
            self.assert_repeated(service.environment)
            service.assert_served()


@dataclass(frozen=True)
class Death:
    """An end of a process and perhaps of its machine.

    Attributes:
        number: of the first operation that is not made.
        loss: what is lost of that which was not synced.
        tree: what is left of the folder.
        identity: of the folder and the service; alike for deaths that leave the same.
    """

    number: int
    loss: str
    tree: Tree
    identity: str


def find_fault(operation: Operation) -> str:
    """The error with which an operation fails."""
    if operation.kind.startswith("POST"):
        return "ECONNRESET"
    return "ENOSPC" if operation.kind in NEEDS_SPACE else "EIO"


def numbers(operations: Sequence[Operation]) -> str:
    """The numbers of operations by kind, in words."""
    counts = Counter(operation.kind for operation in operations)
    return ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])


def distinct(tree: Tree) -> str:
    """A hash of a folder. What a dead process has begun to write elsewhere counts by its name alone."""
    return crash_states.identity(
        {
            re.sub(r"(\.\d+)$", "", path): b""
            if is_temporary(name)
            else without_times(name, content)
            for path, content in tree.items()
            for name in [Path(path).name]
        }
    )


@contextmanager
def bench(command: AttackedCommand) -> Iterator[Bench]:
    """A command on a bench, in memory if that is possible, after an undisturbed call."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    place = Path(tempfile.mkdtemp(prefix="qllmft-operations-", dir=memory))
    try:
        warm = place / "try"
        crash_states.write_tree(command.initial_files, warm)
        variables = {
            "QLLMFT_CACHE": str(warm / "cache"),
            "TMPDIR": str(warm / "tmp"),
            **command.settings,
        }
        with command.service(warm) as service:
            nursery = Nursery(
                command.arguments, warm, variables | dict(service.environment), place / "said",
                (prepare, library(), warm, None, 0, 0),
            )  # fmt: skip
        test_bench = Bench(command, place, nursery)
        try:
            test_bench.learn()
            yield test_bench
        finally:
            nursery.close()
    finally:
        shutil.rmtree(place, ignore_errors=True)
