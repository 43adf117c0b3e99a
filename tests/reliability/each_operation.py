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
from each_command import ANSWERS, Attacked, make_small, no_service, use_hub_stand_in
from nursery import Ended, Nursery
from same_bits import without_times
from watched_files import DIES, KINDS, Operation, library, recorded, watch

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

    attacked: Attacked
    place: Path
    nursery: Nursery
    operations: Sequence[Operation] = ()
    expected: Any = None
    _problems: dict[str, str] = field(default_factory=dict)
    _before: Disk | None = None
    _journal: Sequence[Operation] = ()

    @property
    def folder(self) -> Path:
        """Its working directory, the same path in every try."""
        return self.place / "try"

    def lay(self, tree: Tree) -> None:
        """Make the folder anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        crash_states.write(tree, self.folder)

    def call(
        self, environment: dict[str, str], nth: int = 0, fault: int = 0, *, watched: bool = True
    ) -> Ended:
        """Make the command once; ``_journal`` gets its operations."""
        journal = self.place / "journal"
        journal.unlink(missing_ok=True)
        values = {
            "QLLMFT_CACHE": str(self.folder / "cache"), "TMPDIR": str(self.folder / "tmp"),
            **self.attacked.settings, **environment,
        }  # fmt: skip
        printed = self.folder / ANSWERS if self.attacked.printed else None
        given = (prepare, library(), self.folder, journal if watched else None, nth, fault)
        ended = self.nursery.run(self.attacked.arguments, self.folder, values, given, printed)
        self._journal = recorded(journal) if watched else ()
        return ended

    def assert_repeated(self, environment: dict[str, str]) -> None:
        """The same command ends in the same bits. Without a service each different folder is tried once."""
        if environment:
            self._repeat(environment)
            return
        identity = distinct(crash_states.read(self.folder))
        if identity not in self._problems:
            self._problems[identity] = ""
            try:
                self._repeat({})
            except AssertionError as error:
                self._problems[identity] = str(error) or "an assertion fails"
        assert not self._problems[identity], self._problems[identity]

    def _repeat(self, environment: dict[str, str]) -> None:
        ended = self.call(environment, watched=False)
        assert ended.code == 0, f"exit code {ended.code}: {ended.said}"
        assert "Traceback" not in ended.said, ended.said
        self.assert_same()

    def assert_same(self, *, more: bool = False) -> None:
        """The folder holds what an undisturbed call leaves, and perhaps ``more``."""
        found = self.attacked.outcome(self.folder)
        if more:
            found = {name: content for name, content in found.items() if name in self.expected}
        names = sorted(found.keys() ^ self.expected.keys())
        assert not names, f"files that are there once only: {names}"
        differing = [name for name in found if found[name] != self.expected[name]]
        assert not differing, f"they differ: {differing}"

    def learn(self) -> None:
        """Make the command undisturbed: `operations` and `expected` are those of this call."""
        self.lay(self.attacked.before)
        self._before = Disk(self.folder)
        with self.attacked.service(self.folder) as service:
            ended = self.call(service.environment)
            assert ended.code == 0, ended.said
            service.assert_served()
        self.operations = self._journal
        for _, states in self.crashes():
            found = states["nothing"]
        assert found == crash_states.read(self.folder), "a change of a file was not seen"
        self.expected = self.attacked.outcome(self.folder)

    def fail(self, nth: int) -> Ended:
        """Let one operation fail once, then make the command again; the end of the first call."""
        fault = getattr(errno, fault_of(self.operations[nth - 1]))
        self.lay(self.attacked.before)
        with self.attacked.service(self.folder) as service:
            ended = self.call(service.environment, nth, fault)
            assert ended.code in CODES, f"exit code {ended.code}: {ended.said}"
            assert "Traceback" not in ended.said, ended.said
            if ended.code == 0:  # what could not be removed is removed by the next call
                self.assert_same(more=True)
            else:
                assert "error: " in ended.messages, ended.said
            service.settle()
            self.assert_repeated(service.environment)
            service.assert_served()
        return ended

    def crashes(self) -> Iterator[tuple[int, dict[str, Tree]]]:
        """What a death before each operation, or after the last, may leave: number, and states by loss."""
        disk = copy.deepcopy(self._before)
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
        if self.attacked.service is no_service:
            self.lay(death.tree)
            self.assert_repeated({})
        else:
            self._die(death.number, death.loss)

    def _die(self, nth: int, loss: str) -> None:
        self.lay(self.attacked.before)
        disk = Disk(self.folder)
        with self.attacked.service(self.folder) as service:
            ended = self.call(service.environment, nth, DIES)
            expected = -signal.SIGKILL if nth <= len(self.operations) else 0
            assert ended.code == expected, f"exit code {ended.code}: {ended.said}"
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


def fault_of(operation: Operation) -> str:
    """The error with which an operation fails."""
    if operation.kind.startswith("POST"):
        return "ECONNRESET"
    return "ENOSPC" if operation.kind in NEEDS_SPACE else "EIO"


def numbers(operations: Sequence[Operation]) -> str:
    """The numbers of operations by kind, in words."""
    found = Counter(operation.kind for operation in operations)
    return ", ".join(f"{found[kind]} {kind}" for kind in KINDS if found[kind])


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
def bench(attacked: Attacked) -> Iterator[Bench]:
    """A command on a bench, in memory if that is possible, after an undisturbed call."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    place = Path(tempfile.mkdtemp(prefix="qllmft-operations-", dir=memory))
    try:
        warm = place / "try"
        crash_states.write(attacked.before, warm)
        values = {
            "QLLMFT_CACHE": str(warm / "cache"),
            "TMPDIR": str(warm / "tmp"),
            **attacked.settings,
        }
        with attacked.service(warm) as service:
            nursery = Nursery(
                attacked.arguments, warm, values | dict(service.environment), place / "said",
                (prepare, library(), warm, None, 0, 0),
            )  # fmt: skip
        made = Bench(attacked, place, nursery)
        try:
            made.learn()
            yield made
        finally:
            nursery.close()
    finally:
        shutil.rmtree(place, ignore_errors=True)
