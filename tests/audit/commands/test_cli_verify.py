"""`qllmft verify`: a whole folder is sound, and each part that was changed is named."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

PARTS = ["configuration", "record", "metrics", "predictions", "model", "body"]


def edit(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def faults(cli, folder, code=2):
    output, errors = cli("verify", folder, code=code)
    assert errors == ""
    lines = [line.partition("  ") for line in output.splitlines()]
    assert [line.split(":")[0].split()[-1] for line in output.splitlines()] == PARTS
    return {
        finding.split(":")[0].strip(): finding
        for mark, _, finding in lines
        if mark.strip() == "FAULT"
    }


def test_a_finished_run_is_sound(run, cli):
    output, _ = cli("verify", run.path)
    result = run.result
    test = result["models"][0]["test"]
    epochs = len((run.path / "metrics.jsonl").read_text().splitlines())
    assert output.splitlines() == [
        f"ok     configuration: identity {result['identity']}",
        f"ok     record: {len(result['models'])} models, test accuracy {100 * test['value']:.2f} %",
        f"ok     metrics: {epochs} epochs, the selected one is {result['selected_epoch']}",
        f"ok     predictions: {len(result['models'])} models x {test['total']} texts give the record's accuracies",
        f"ok     model: {result['models'][0]['parameters']:,} parameters, gives the logits that it was saved with",
        f"ok     body: {run.body} is the one that the model was trained on",
    ]


def test_nothing_is_written_and_no_body_is_loaded(run, cli, no_work):
    times = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    cli("verify", run.path)
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == times


def answer(value):
    """A change of the first answer of the first model."""
    return lambda predictions: next(iter(predictions["answers"].values())).__setitem__(0, value)


def turn(predictions):
    answers = next(iter(predictions["answers"].values()))
    answers[0] = 1 - answers[0]


def set_part(model, part, **values):
    """A change of a part of one model's result."""
    return lambda result: result["models"][model][part].update(values)


RESULT = "result.json"
ANSWERS = "predictions.json"


@pytest.mark.parametrize(
    ("name", "change", "part", "told"),
    [
        (RESULT, lambda r: r["models"][0]["test"].update(right=1), "predictions", "has 1 of"),
        (RESULT, lambda r: r.update(identity="x", seed=99), "record", "identity is 'x', and the"),
        (RESULT, set_part(0, "test_classes", right=[0, 0]), "predictions", "'test_classes' of"),
        (RESULT, set_part(0, "without_circuit", gain=0.5), "predictions", "'without_circuit' of"),
        (RESULT, set_part(1, "against_head", p=0.001), "predictions", "'against_head' of"),
        (RESULT, set_part(1, "against_head", interval=[0, 1]), "predictions", "'against_head' of"),
        (RESULT, lambda r: r["models"].append(r["models"][1]), "predictions", "they are of"),
        (RESULT, lambda r: r["models"].pop(), "predictions", "and the record's models are"),
        (RESULT, lambda r: r["models"][0].update(parameters=3), "model", "parameters is"),
        (ANSWERS, turn, "predictions", "right answers, and the record has"),
        (ANSWERS, answer(7), "predictions", "is not one of the 2 labels"),
        (ANSWERS, answer(-1), "predictions", "is not one of the 2 labels"),
        *(
            (ANSWERS, lambda p, labels=labels: p.update(labels=labels), "predictions", "")
            for labels in ([], [0], [[0, 1]], [10**30], "x")
        ),
    ],
)
def test_an_edited_record_or_answer_is_a_fault(copy, cli, name, change, part, told):
    edit(copy / name, change)
    found_faults = faults(cli, copy)
    assert told in found_faults[part]
    assert name == RESULT or found_faults.keys() == {part}


def other_structure(copy):
    file = copy / "config.toml"
    file.write_text(file.read_text().replace("reuploads = ", "reuploads = 1"))


def flip_weights(copy):
    file = copy / "model" / "model.safetensors"
    weights = load_file(file)
    name = next(name for name in weights if "theta" in name)
    save_file(weights | {name: weights[name].flip(0)}, file)


@pytest.mark.parametrize(
    ("change", "part", "told"),
    [
        (other_structure, "model", "the model belongs to another run"),
        (other_structure, "record", "belongs to another run"),
        (flip_weights, "model", "is not what was saved"),
        (lambda copy: (copy / RESULT).unlink(), "record", "is not finished: "),
        (lambda copy: (copy / ANSWERS).unlink(), "predictions", "there is no predictions.json"),
    ],
)
def test_a_part_of_another_run_or_none_is_a_fault(copy, cli, change, part, told):
    change(copy)
    assert told in faults(cli, copy)[part]


@pytest.mark.parametrize("change", ["cut", "gone", "twice"])
def test_metrics_that_are_not_whole(copy, cli, change):
    file = copy / "metrics.jsonl"
    lines = file.read_text().splitlines()
    lines[0] = {
        "cut": lines[0][:-9],
        "gone": "",
        "twice": lines[1] if len(lines) > 1 else "{}",
    }[change]
    file.write_text("\n".join(lines) + "\n")
    assert faults(cli, copy).keys() == {"metrics"}


def test_a_body_that_was_changed(copy, cli, tmp_path, run):
    body = shutil.copytree(run.body, tmp_path / "other")
    edit(copy / "model" / "model.json", lambda record: record["body"].update(model=str(body)))
    assert faults(cli, copy, code=0) == {}
    (body / "more.txt").write_text("x")
    assert "is not the one that this model was trained on" in faults(cli, copy)["body"]


@pytest.mark.filterwarnings("always::qllmft_machines.errors.DamagedRecordWarning")
def test_a_ledger_is_read(copy, cli):
    pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")
    (copy / "ledger").mkdir()
    (copy / "ledger" / "ledger.jsonl").write_text("")
    assert cli("verify", copy)[0].splitlines()[-1] == "ok     ledger: 0 jobs, 0 circuits"
    (copy / "ledger" / "ledger.jsonl").write_text('{"event": 3}\n')
    output, messages = cli("verify", copy, code=2)
    assert "FAULT  ledger: the ledger" in output
    assert "ends in a damaged record of 13 bytes" in output
    assert messages.startswith("warning: the last record of the ledger ")


def test_no_run_at_all(cli, tmp_path):
    assert "there is no folder" in cli.refused("verify", tmp_path / "none")
    assert cli("verify", tmp_path, code=2)[0].count("FAULT") == len(PARTS)
