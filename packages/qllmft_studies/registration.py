"""Registration of a study: a file with its plan, rule, margin and power that a commit brings in before any run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qllmft.embed import published_name
from qllmft.run import SharedInputs
from qllmft.tasks import TASKS
from qllmft.tasks.comparison import PairedDifference
from qllmft.tasks.statistics import ALPHA
from qllmft_base.errors import UserError
from qllmft_base.files import parse_json, read_text, reading, write_json
from qllmft_base.text import format_count
from qllmft_studies.checks import check_feasible
from qllmft_studies.file import Study
from qllmft_studies.plan_file import FILE as PLAN_FILE
from qllmft_studies.plan_file import PlanFile, check_folder
from qllmft_studies.record import FILE as RECORD
from qllmft_studies.record import read_study
from qllmft_studies.repository import (
    commits_of_file,
    file_state,
    list_tracked_files,
    path_in_repository,
    repository_root,
)
from qllmft_studies.seeds import seeds_text
from qllmft_studies.study_plan import StudyRun, study_runs, tuning_runs, with_margin

FILE = "registration.json"  # in the study's folder: the registration that its runs were begun with
# words on the page, another study, and what the runs' configurations say
_FIELDS_OUTSIDE_PLAN = {"notes", "quick", "presets"}


@dataclass(frozen=True)
class Registration:
    """Registration of a study as its record names it."""

    file: str  # path from the root of the repository
    commit: str  # the one that brought the file in
    day: str  # of that commit, ISO format
    hash: str  # SHA-256 of the file

    @property
    def sentence(self) -> str:
        """Return the sentence of the record and the page."""
        return (
            f"its plan is in git before this record, by commit {self.commit[:12]} of {self.day} ({self.file}, SHA-256 "
            f"{self.hash[:12]})"
        )


def with_published_names(settings: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return settings with a published name in place of a body's folder."""
    return {k: names.get(v, v) if k == "body.model" else v for k, v in settings.items()}


def describe_plan(
    study: Study, settings: Mapping[str, Any], planned: Sequence[StudyRun]
) -> dict[str, Any]:
    """Return all that a study's results depend on, as JSON values."""
    names = {run.config.body.model: published_name(run.config.body) for run in planned}
    content = {
        "study": study.model_dump(mode="json", exclude=_FIELDS_OUTSIDE_PLAN),
        "settings": with_published_names(settings, names),
        "runs": [run.identity for run in planned],
    }
    return dict(json.loads(json.dumps(content, sort_keys=True)))


def register_study(
    study: Study,
    file: Path,
    settings: Mapping[str, Any],
    folder: Path | None = None,
    plan_file: PlanFile | None = None,
) -> tuple[float, str] | None:
    """Write the plan of a study into a file for a commit. No run is done, and no plan written that would not run.

    Args:
        study: the study; ``scatter`` gives the least difference.
        file: a new file in a git repository.
        settings: of all runs, by dotted name.
        folder: of the study, in which the plan is to run; None: it is not checked.
        plan_file: plan that the folder is to be kept for.

    Returns:
        The least true difference that the study finds with 80 % power at 5 % divided by the number of comparisons, and
        its unit, that of ``scatter``; None without it.

    Raises:
        UserError: if the file exists, is in no git repository, or a kept record there has reported a seed of the plan
            on the same body and data; if a run would be refused, or the folder has work that is not of this plan.
    """
    planned = study_runs(study, settings)
    study = with_margin(study, planned)
    if file.exists():
        raise UserError(
            f"{file} exists already. A registration is never written twice. Give another name, or run the study with "
            f"--registered {file}."
        )
    if file.name in (RECORD, PLAN_FILE, FILE):
        raise UserError(
            f"{file.name} is the name of a file that a study writes into its folder. Give the registration another "
            "name."
        )
    inputs = SharedInputs()
    _check_unreported(repository_root(file), planned, inputs, excepted_hash="")
    if folder is not None:
        check_folder(folder, plan_file)
        _check_not_begun(folder, file)
    trials = tuning_runs(study, planned, settings) if study.budget is not None else []
    check_feasible(
        {f"study {study.name}, {run.label}": run.config for run in (*trials, *planned)}, inputs
    )
    n = len(study.seeds)
    assumed_difference = PairedDifference(0.0, None, None, study.scatter if n > 1 else None, n)
    detectable_difference = assumed_difference.detectable(ALPHA / study.n_comparisons)
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "least_seen": detectable_difference,
        "comparisons": study.n_comparisons,
        "plan": describe_plan(study, settings, planned),
    }
    write_json(file, content)
    unit = TASKS[planned[0].config.data.task].measure.unit
    return None if detectable_difference is None else (detectable_difference, unit)


def verify_registration(
    file: Path,
    folder: Path,
    plan: Mapping[str, Any],
    planned: Sequence[StudyRun],
    inputs: SharedInputs,
) -> Registration:
    """Return the registration of a study after all its conditions are checked, and keep it beside the runs.

    Args:
        file: the committed registration.
        folder: of the study; its runs are in ``runs``.
        plan: plan of the study as it would be run (see `describe_plan`).
        planned: runs of the study.
        inputs: reads the data.

    Raises:
        UserError: unless a commit holds the file as it is, its plan is ``plan``, no run was done before, and no other
            kept record has reported a seed of it on the same body and data.
    """
    registration = _read_committed(file)
    with reading(f"the registration {file}", "Restore the file of its commit."):
        registered_plan = dict(parse_json(read_text(file))["plan"])
    if registered_plan != plan:
        raise UserError(
            f"the study registered in {file} has another plan. Changed: {_changes(registered_plan, plan)}. Give the "
            "registered settings, or run the changed plan without --registered."
        )
    kept_file = folder / FILE
    if not kept_file.exists():
        _check_not_begun(folder, file)
    _check_unreported(repository_root(file), planned, inputs, excepted_hash=registration.hash)
    if not kept_file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(kept_file, asdict(registration))
        return registration
    remedy = "Restore the file. Without it, run the study in another folder with --out."
    with reading(kept_file, remedy):
        content = parse_json(read_text(kept_file))
        names = Registration.__dataclass_fields__
        earlier_registration = Registration(**{name: str(content[name]) for name in names})
    if earlier_registration != registration:
        raise UserError(
            f"the runs in {folder} were begun with {earlier_registration.file} (SHA-256 "
            f"{earlier_registration.hash[:12]}, commit {earlier_registration.commit[:12]}), and {registration.file} is "
            f"{registration.hash[:12]}, commit {registration.commit[:12]}. Give that registration, or another folder "
            "with --out."
        )
    return registration


def _check_not_begun(folder: Path, file: Path) -> None:
    """Raise UserError if a study's folder has finished runs, which came before the registration in ``file``."""
    if any((folder / "runs").glob("*/result.json")):
        raise UserError(
            f"{folder / 'runs'} has runs from before the registration {file}. Give a folder of its own with --out."
        )


def _changes(registered: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Return the differences of two plans in words."""
    changes = []
    for old, new in (
        (registered.get(section, {}), plan[section]) for section in ("study", "settings")
    ):
        for name in (name for name in {**old, **new} if old.get(name) != new.get(name)):
            values = [json.dumps(tree.get(name), ensure_ascii=False) for tree in (old, new)]
            short = max(map(len, values)) <= 60
            changes.append(f"{name} ({values[0]}, now {values[1]})" if short else name)
    other_changes = "the runs' configurations (another version of qllmft, or of its presets)"
    return ", ".join(changes) or other_changes


# --- the repository


def _read_committed(file: Path) -> Registration:
    """Return the registration in ``file``, which a commit brought in and none has changed since."""
    if not file.is_file():
        raise UserError(
            f"there is no registration {file}. To write the plan, add --register {file}."
        )
    state = file_state(file)
    if state != "committed":
        raise UserError(
            f"{file} is {state}, and a registration is what a commit brought in: `git add {file} && git commit`, then "
            "the same command."
        )
    commits = commits_of_file(file)
    if len(commits) > 1:
        later_commits = format_count(len(commits) - 1, "commit")
        raise UserError(
            f"{file} was changed by {later_commits} after the one that brought it in, so it registers nothing. Write "
            "the plan into a new file with --register."
        )
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Registration(path_in_repository(file), commits[0].hash, commits[0].day, digest)


def _is_plan(file: Path) -> bool:
    """Return whether a file is a registration, which has reported nothing, whatever its name is."""
    try:
        content = parse_json(read_text(file))
    except (ValueError, OSError, UserError):
        return False
    return isinstance(content, dict) and "format" not in content and "plan" in content


def _check_unreported(
    root: Path, planned: Sequence[StudyRun], inputs: SharedInputs, *, excepted_hash: str
) -> None:
    """Raise UserError if a record of the repository has reported a seed of the plan on the same body and data."""
    seeds = {run.config.seed for run in planned}
    bodies = {published_name(run.config.body) for run in planned}
    data = inputs.corpus(planned[0].config.data).fingerprint
    for name in list_tracked_files(root, RECORD):
        if _is_plan(root / name):
            continue
        try:
            record = read_study((root / name).parent)
        except UserError as error:
            raise UserError(
                f"{name} may have reported seeds of the plan. {str(error)[:1].upper()}{str(error)[1:]} "
                f"Restore it (git restore {name}), or rename a file that is no record of a study."
            ) from None
        if excepted_hash and excepted_hash[:12] in record.registered:
            continue
        shared_seeds = sorted(seeds.intersection(record.seeds))
        # without the words on their training in brackets
        reported_bodies = {name.split(" (")[0] for name in record.body.model.split(", ")}
        if shared_seeds and record.data.fingerprint == data and bodies & reported_bodies:
            raise UserError(
                f"{name} has reported {seeds_text(tuple(shared_seeds))} on the same language model and data, so a plan "
                "with them is not written before its test texts were read. Give other seeds, such as --seeds "
                f"{max(record.seeds) + 1}-{max(record.seeds) + len(seeds)}, or leave the registration out."
            )
