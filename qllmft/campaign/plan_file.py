"""File in a study's folder that names the plan of its runs, so that two plans never share a folder."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from qllmft.campaign.record import FILE as RECORD
from qllmft.errors import UserError
from qllmft.files import (
    expand_home,
    parse_json,
    read_bytes,
    read_text,
    reading,
    write_json,
    writing,
)

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


def claim_folder(folder: Path, plan: PlanFile) -> None:
    """Note in a study's folder which plan its runs are of.

    Raises:
        UserError: if the folder has runs or a record of another plan.
    """
    file = folder / FILE
    if file.exists():
        with reading(file, "Delete it if the folder is of this study."):
            content = parse_json(read_text(file))
            claimed_plan = PlanFile(str(content["plan"]), str(content["hash"]))
        has_work = (folder / RECORD).exists() or any((folder / "runs").glob("*"))
        if has_work and not plan.is_of(claimed_plan):
            raise UserError(
                f"{folder} is of the study {claimed_plan.plan}, and got {plan.plan}. Give another folder with --out. "
                f"If the file was moved and changed, delete {file}."
            )
        if has_work and plan.plan != claimed_plan.plan:  # a copy of the file
            return
    with writing(f"the folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(file, asdict(plan))
