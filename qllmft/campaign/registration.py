"""Registration of a study: its plan, rule and margin with their hash, written before any test text is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qllmft.campaign.file import Study
from qllmft.campaign.keeping import with_names
from qllmft.campaign.study_plan import StudyRun
from qllmft.embed import published_name
from qllmft.errors import UserError
from qllmft.files import parse_json, read_text, write_json

FILE = "registration.json"
_NOT_OF_THE_PLAN = {"notes", "quick"}  # words on the page, and another study


@dataclass(frozen=True)
class Registration:
    """Content of ``registration.json``."""

    date: str  # UTC, in ISO format
    hash: str  # SHA-256 of the plan
    plan: Mapping[str, Any]  # study, settings and the identity of each run

    @property
    def sentence(self) -> str:
        """Return the sentence of the record and the page."""
        day, hour = self.date[:10], self.date[11:16]
        return f"registered on {day} at {hour} UTC, before the test texts were read (plan {self.hash[:12]})"


def plan_of(
    study: Study, settings: Mapping[str, Any], planned: Sequence[StudyRun]
) -> dict[str, Any]:
    """Return all that a study's results depend on, as JSON values."""
    own: dict[str, Any] = json.loads(study.model_dump_json(exclude=_NOT_OF_THE_PLAN))
    names = {run.config.body.model: published_name(run.config.body) for run in planned}
    found = {
        "study": own,
        "settings": with_names(settings, names),
        "runs": [run.identity for run in planned],
    }
    return dict(json.loads(json.dumps(found, sort_keys=True)))


def register(
    folder: Path, study: Study, settings: Mapping[str, Any], planned: Sequence[StudyRun]
) -> Registration:
    """Write the registration of a study, or return the one of the same plan that is there.

    Raises:
        UserError: if a run in ``folder`` has read test texts, or another plan is registered there.
    """
    plan = plan_of(study, settings, planned)
    if (folder / FILE).exists():
        return check_registered(folder, plan)
    tested = [path.parent for path in (folder / "runs").glob("*/result.json")]
    if tested:
        raise UserError(
            f"{len(tested)} runs in {folder / 'runs'} have read the test texts already, so the study cannot be "
            "registered any more. Give a folder of its own with --out, or seeds that were not reported on with --seeds."
        )
    found = Registration(datetime.now(UTC).isoformat(timespec="seconds"), _hash(plan), plan)
    write_json(folder / FILE, {"date": found.date, "hash": found.hash, "plan": found.plan})
    return found


def check_registered(folder: Path, plan: Mapping[str, Any]) -> Registration:
    """Return the registration in ``folder``. UserError if it cannot be read, or ``plan`` is another one."""
    found = read_registration(folder)
    if found.plan != plan:
        raise UserError(
            f"the study registered in {folder} on {found.date[:10]} has another plan; changed: "
            f"{', '.join(_changes(found.plan, plan))}. Give the registered settings, or run the changed plan in "
            "another folder with --out, which is then not registered."
        )
    return found


def read_registration(folder: Path) -> Registration:
    """Read ``registration.json``. UserError if it was changed or cannot be read."""
    path = folder / FILE
    try:
        content = parse_json(read_text(path))
        found = Registration(str(content["date"]), str(content["hash"]), dict(content["plan"]))
        datetime.fromisoformat(found.date)
        if _hash(found.plan) != found.hash:
            raise ValueError(
                f"its plan has the hash {_hash(found.plan)[:12]}, and it says {found.hash[:12]}"
            )
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(
            f"the registration {path} cannot be read: {error}. Restore the file that --register wrote; without it, run "
            "the study in another folder with --out, which is then not registered."
        ) from error
    return found


def _hash(plan: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plan, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of changed parts, with both values if they are short."""
    pairs = {
        name: (before.get(part, {}).get(name), after[part].get(name))
        for part in ("study", "settings")
        for name in {**before.get(part, {}), **after[part]}
    }
    found = []
    for name, (old, new) in pairs.items():
        if old != new:
            words = [json.dumps(value, ensure_ascii=False) for value in (old, new)]
            found.append(
                f"{name} ({words[0]}, now {words[1]})" if max(map(len, words)) <= 60 else name
            )
    return found or ["the runs' configurations (another version of qllmft, or of its presets)"]
