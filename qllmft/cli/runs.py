"""`qllmft runs`: list, compare and delete run folders."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qllmft.cli.console import confirm, numbers, say, say_json, table, texts
from qllmft.cli.options import Json
from qllmft_base.errors import UserError
from qllmft_base.text import format_count

if TYPE_CHECKING:
    from qllmft.config import ModelConfig
    from qllmft.run import RunFolder

# names of heads without qubits
_HEAD_NAMES = {"none": "linear", "mlp": "network"}


def runs(
    folder: Path = Path("runs"),
    *,
    compare: Annotated[tuple[Path, Path] | None, typer.Option(metavar="A B")] = None,
    delete: Annotated[list[Path] | None, typer.Option(metavar="RUN")] = None,
    yes: bool = False,
    json: Json = False,
) -> None:
    """List runs with their data, preset, test accuracy and time, the latest first.

    A run is named by its folder, or by its name in FOLDER.

    Args:
        folder: Folder of run folders, such as runs or a study's.
        compare: Two runs: their settings that differ, and their difference text by text.
        delete: Delete this run's folder. May be repeated.
        yes: Delete without confirmation.
    """
    if compare and delete:
        raise UserError("--compare and --delete do not work together. Give one of the two.")
    if compare:
        from qllmft.cli.run_comparison import compare_runs

        first, second = (_find_run(path, folder) for path in compare)
        compare_runs(first, second, json=json)
    elif delete:
        _delete([_find_run(path, folder) for path in delete], yes=yes)
    else:
        _list(folder, json=json)


def _list(folder: Path, *, json: bool) -> None:
    """Print a row for each run in a folder, or for the folder itself if it is one."""
    from qllmft.run import RunFolder

    if not folder.is_dir():
        raise UserError(
            f"there is no folder {folder}. Name the folder of your runs, or train one: qllmft train"
        )
    run_folders = [RunFolder(path) for path in (folder, *folder.iterdir())]
    # the folds of the folder itself are listed one by one
    run_folders = [
        run
        for run in run_folders
        if run.config_file.is_file() or (run.path != folder and run.folds)
    ]
    rows = []
    faults = []
    for run_folder in sorted(run_folders, key=_last_change, reverse=True):
        try:
            rows.append(_run_row(run_folder))
        except UserError as error:
            faults.append(str(error))
    if json:
        say_json(rows)
    elif not rows:
        say(f"There is no run in {folder}. To make one: qllmft train")
    else:
        say(
            table(
                *texts("run"),
                "head",
                *texts("data", "preset"),
                *numbers("test", "baseline", "when"),
                rows=[[*row.values()] for row in rows],
            ),
            f"Accuracies in percent. Two of them: qllmft runs {folder} --compare A B",
        )
    say(*faults, err=True)


def _last_change(run: RunFolder) -> float:
    """Return the time of the run's end, or of its last epoch."""
    if folds := run.folds:
        return max(map(_last_change, folds))
    files = (run.result_file, run.validation_file, run.metrics_file, run.config_file)
    return next(file.stat().st_mtime for file in files if file.exists())


def _run_row(run: RunFolder) -> dict[str, str]:
    """Return a run's row: kind and size of its head, nearest preset with the number of other settings, accuracies."""
    from qllmft.config.presets import describe_settings

    folds = run.folds
    config = run.folds_config() if folds else run.read_config()
    source = Path(config.data.source).name
    if folds:
        record = run.read_pooled()
        count = config.data.folds
        test = f"{sum(fold.result_file.exists() for fold in folds)} of {count} folds"
        source += f", {count} folds"
    else:
        progress = f"{run.epochs_done()} of {format_count(config.train.epochs, 'epoch')}"
        record = run.read_result()
        test = "not tested" if run.missing_parts else progress
    nearest = describe_settings(config)
    best = ""
    if record is not None:
        scores = [model_record.test for model_record in record.models if model_record.test]
        test = scores[0].plain.removesuffix(" %") if scores else "not read"
        if scores[1:]:
            best = max(scores[1:], key=lambda score: score.value).plain.removesuffix(" %")
    changes = f" + {len(nearest.differing)}" if nearest.differing else ""
    return {
        "name": run.path.name,
        "what": _describe_head(config.model, _count_labels(folds[0] if folds else run)),
        "data": source,
        "preset": nearest.preset + changes,
        "test": test,
        "baseline": best,
        "when": datetime.fromtimestamp(_last_change(run)).astimezone().strftime("%Y-%m-%d %H:%M"),
    }


def _count_labels(run: RunFolder) -> int | None:
    """Return the number of labels or targets of a run, or None if no file names them yet."""
    from qllmft_base.files import parse_json, read_text, reading

    if record := run.read_result() or run.read_validation():
        return len(record.data.labels)
    if not run.texts_file.exists():
        return None
    with reading(run.texts_file, "Delete the run's folder, and train again."):
        return len(list(parse_json(read_text(run.texts_file))["labels"]))


def _describe_head(model: ModelConfig, n_labels: int | None) -> str:
    """Return ``10 qubits``, ``27 qubits, 3 registers`` or the kind of a head without qubits.

    ``7 or more qubits`` is a head whose size follows labels that no file of the run names.
    """
    from qllmft.config.model import MAX_SINE_QUBITS

    if model.head != "quantum":
        return _HEAD_NAMES[model.head]
    if n_labels is None:
        is_fixed = model.for_labels(1) == model.for_labels(MAX_SINE_QUBITS)
        more = "" if is_fixed else " or more"
        return f"{model.n_qubits}{more} qubits"
    sized_model = model.for_labels(n_labels)
    registers = f", {sized_model.registers} registers" if sized_model.registers > 1 else ""
    return f"{sized_model.n_qubits} qubits{registers}"


def _find_run(path: Path, folder: Path) -> RunFolder:
    """Return a run, or a cross-validation, by its folder, or by its name in ``folder``."""
    from qllmft.run import RunFolder

    for candidate in map(RunFolder, (path, folder / path)):
        if candidate.config_file.is_file() or candidate.folds:
            return candidate
    raise UserError(
        f"there is no run {path}, and none of that name in {folder}. qllmft runs FOLDER lists them."
    )


def _delete(folders: list[RunFolder], *, yes: bool) -> None:
    """Delete runs and cross-validations that no process works on, after confirmation."""
    from qllmft.run.lock import RunBusyError, sole_use

    for folder in folders:
        for run in (folder, *folder.folds):
            if run.ledger.exists():
                raise UserError(
                    f"{run.path} holds the ledger of paid jobs. Move {run.ledger} away, then delete the run."
                )
            if run.path.is_symlink():
                raise UserError(f"{run.path} is a link. Delete the folder to which it leads.")
    names_text = ", ".join(str(folder.path) for folder in folders)
    if not yes and not confirm(f"Delete {names_text}?"):
        raise UserError("nothing was deleted.")
    for folder in folders:
        runs = folder.folds or [folder]
        try:
            with ExitStack() as locks:
                for run in runs:
                    locks.enter_context(sole_use(run.path, None))
                for run in runs:
                    shutil.rmtree(run.path)
        except RunBusyError:
            raise UserError(f"another process works on {folder.path}. End it first.") from None
        for file in (folder.folds_file, folder.report_file):
            file.unlink(missing_ok=True)
        with suppress(OSError):  # the folder of folds has other files
            folder.path.rmdir()
        if folder.path.exists():
            say(f"deleted the folds in {folder.path}. Its other files are still there.")
        else:
            say(f"deleted {folder.path}")
