"""File in a study's folder that names the plan of its runs, so that two plans never share a folder."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from qllmft_base.errors import UserError
from qllmft_base.files import (
    expand_home,
    parse_json,
    read_bytes,
    read_text,
    reading,
    write_json,
    writing,
)
from qllmft_studies.record import FILE as RECORD

FILE = "plan-file.json"


@dataclass(frozen=True)
class PlanFile:
    """Plan of a study: a TOML file, or a study of the package."""

    plan: str  # absolute path of the file, or the study's name
    hash: str = ""  # SHA-256 of the file; "" for a study of the package

    @classmethod
    def find(cls, choice: str, name: str) -> PlanFile:
        """Return the plan of a study by the ``choice`` on the command line and the study's ``name``."""
        if not choice.endswith(".toml"):
            return cls(name)
        path = expand_home(choice).resolve()
        return cls(str(path), hashlib.sha256(read_bytes(path)).hexdigest())

    def is_of(self, other: PlanFile) -> bool:
        """Return whether two plans are of one study: the same file, also if it was changed, or a copy of it."""
        return self.plan == other.plan or self.hash == other.hash != ""


def check_folder(folder: Path, plan: PlanFile | None) -> None:
    """Raise UserError if a study's folder is a file, or has runs or a record of another plan, if one is named."""
    if folder.exists() and not folder.is_dir():
        raise UserError(
            f"--out {folder} is a file, expected a folder, or a name that does not exist."
        )
    if plan is None:
        return
    claimed_plan = _read_claim(folder)
    if claimed_plan is None or plan.is_of(claimed_plan) or not _has_work(folder):
        return
    raise UserError(
        f"{folder} is of the study {claimed_plan.plan}, and got {plan.plan}. Give another folder with --out. "
        f"If the file was moved and changed, delete {folder / FILE}."
    )


def claim_folder(folder: Path, plan: PlanFile) -> None:
    """Note in a study's folder which plan its runs are of. A copy of a plan leaves the note of the first one."""
    claimed_plan = _read_claim(folder)
    if claimed_plan is not None and plan.plan != claimed_plan.plan and _has_work(folder):
        return
    with writing(f"the folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / FILE, asdict(plan))


def _has_work(folder: Path) -> bool:
    """Return whether a folder has runs or a record."""
    return (folder / RECORD).exists() or any((folder / "runs").glob("*"))


def _read_claim(folder: Path) -> PlanFile | None:
    """Return the plan that a folder is kept for, or None."""
    file = folder / FILE
    if not file.exists():
        return None
    with reading(file, "Delete it if the folder is of this study."):
        content = parse_json(read_text(file))
        return PlanFile(str(content["plan"]), str(content["hash"]))
