"""The order in which pytest-xdist gives files to its workers."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadFileScheduling

FORKING = "the files whose tests fork processes"
# the modules and fixtures that start `forked_scripts.CONTEXT`
NAMES_THAT_FORK = re.compile(
    r"\b(forked_workers|forked_scripts|forked_commands|piped_command|each_operation|small_commands|paid_calls)\b|\bkilled\("
)


class ForkingFilesTogether(LoadFileScheduling):
    """Give a file to one worker, and to one of them all files whose tests fork processes.

    The process that they are forked from imports torch, scikit-learn and sentence-transformers: once then, and not
    once for each worker.
    """

    def _split_scope(self, nodeid: str) -> str:
        """Return what goes to one worker as a whole."""
        file = super()._split_scope(nodeid)
        path = self.config.rootpath / file
        return FORKING if forks_processes(path) else file


@cache
def forks_processes(path: Path) -> bool:
    """Return whether tests of a file fork processes, by the names in it."""
    return path.name.startswith("test_") and bool(
        NAMES_THAT_FORK.search(path.read_text(encoding="utf-8"))
    )
