"""Every `qllmft` and `python -m lab.paper` line on the pages is a valid command, and runs on something tiny."""

import io
import json
import re
import shlex
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from qiskit import qasm3
from typer.main import get_command

from lab.paper import __main__ as paper
from qllmft.cli.main import build_command, main
from qllmft_circuits import head_circuit

command_line = cache(get_command)  # Typer builds it again for each call
ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "AGENTS.md")),
    *sorted((ROOT / "skills").rglob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

PLACEHOLDERS = (  # a placeholder of the pages, or the size of a machine, and its value here
    (r"<SST-2 folder>|\bSST2\b|\bFOLDER\b", "sst2"),
    (r"\bRUN\b", "runs/a"),
    (r"\bNEW\b", "runs"),
    (r"\$lr", "1e-3"),
    (r"\$seed", "0"),
    (r"\bmachine=10\b", "machine=5"),
)
# the beginning of a line, and options that make it small;
# if an option is given twice, the last counts
ADDED = (
    (r"(train|study|sweep) (?!--list)|train$", "--body {body} --per-label 10"),
    (r"(train|sweep) (?!--list)|train$", "--set baselines.points=2"),
    (r"(train|study|sweep) (?!--list|table-08)|train$", "--epochs 1"),
    (r"train (?!--task|--preset)|train$", "--set model.n_qubits=4 --set model.encoder_layers=2"),
    (
        r"train --preset (noise-high-12q|.* --set model.ansatz=brickwork)",
        "--set model.n_qubits=4 --set model.encoder_layers=2",
    ),
    (r"train --preset (single|noise)|sweep table-06 --sampler", "--data sst2"),
    (r"train --(folds|task|noise|out|backend)|train --preset (single|noise)", "--no-baselines"),
    (r"train .*--(data sst2|out runs/(machines|pairs))", "--no-baselines"),
    (r"train --folds", "--folds 2"),
    (r"train --preset contrastive-single", "--set body.contrastive.iterations=1"),
    (r"train --preset noise-high", "--set noise.shots=20"),
    (r"(study|sweep .* --task) (regression|multilabel)", "--per-label 50"),
    (r"train --task (regression|multilabel)", "--per-label 25"),
    (r"study ", "--seeds 1"),
    (r"sweep table-06 .*tpe", "--trials 1 --seeds 1"),
    (r"sweep table-11", "--set model.reupload_layers=1 --set train.lr=2e-3"),
    (r"sweep table-10", "--set model.n_qubits=4 --set model.main_layers=2 --set model.reuploads=4"),
    (r"evaluate .*--sample", "--sample 5"),
    (r"predict .*ionq.* --max-cost", "--yes --backend-option poll_interval_s=0.02"),
    (r"energy ", "--qubits 10-14 --set model.reuploads=1 --set model.main_layers=1"),
    (r"paper figure 8a --runs runs", "--partial"),
    (r"paper figure 10 --runs sweeps", "--partial --where data.source=sst2"),
    (r"paper figure 11 --runs runs", "--where train.epochs=1 --where noise.shots=20"),
    (r"paper figure 12 --runs runs", "--preset single-10q"),
    # for a coverage, and for 19 calibration texts
    (r"train --out runs/calibrated|train .* --out runs/a$", "--per-label 70"),
)
FEW = {  # repetitions whose number no command is about
    "qllmft_audit.audit.baselines.N_RANDOM_STARTS": 1,
    "qllmft_audit.audit.baselines.N_WEIGHT_DRAWS": 2,
    "qllmft_audit.audit.baselines.TWIN_STEPS": 5,
    "qllmft_audit.audit.case.STRENGTHS": (0.1, 1.0),
    "qllmft.baselines.without_circuit.CONTROL_STRENGTHS": [1.0, 10.0],
    "qllmft.run.needs.TIMED_SECONDS": 0.0,
    "qllmft.tasks.statistics.BOOTSTRAP_SAMPLES": 100,
    "qllmft.training.linear_model.LABEL_STRENGTHS": (0.1, 1.0),
    "qllmft.training.linear_start.LOGISTIC_STRENGTHS": (0.1, 1.0),
    "qllmft.training.linear_start.MAX_ENCODER_STEPS": 10,
    "qllmft.training.search.MAX_EXTRA_STRENGTHS": 1,
}
SINGLE_10Q = "train --preset single-10q --set train.lr=1e-3 --seed 0"
NOISE_HIGH = "train --preset noise-high-10q --data sst2 --body minilm --epochs 40"
RATINGS = "train --task regression --data ratings.tsv --label-column stars"
SEVERAL = "train --task multilabel --data several.jsonl"
PAIRS = "train --data pairs.tsv --pair-column other"
# the beginning of a line, the folder that it needs, and the line that makes it or the folder that is copied
FIRST = (
    (
        r"analyse runs/single-10q",
        "runs/single-10q",
        "train --preset single-10q --data sst2 --body minilm --epochs 40 --out runs/single-10q",
    ),
    (r"predict runs/a/surrogate", "runs/a/surrogate", "dequantise runs/a"),
    (
        r"suspects runs/folds",
        "runs/folds",
        "train --folds 5 --data reviews.csv --text-column review --label-column stars --out runs/folds",
    ),
    (r"predict runs/lora", "runs/lora", "train --data sst2 --out runs/lora"),
    (r"(evaluate|predict) runs/calibrated", "runs/calibrated", "train --out runs/calibrated"),
    (r"(evaluate|predict) runs/pairs", "runs/pairs", f"{PAIRS} --out runs/pairs"),
    (r"(evaluate|predict) runs/several", "runs/several", f"{SEVERAL} --out runs/several"),
    (r"(evaluate|predict) runs/ratings", "runs/ratings", f"{RATINGS} --out runs/ratings"),
    (r"paper maps maps", "maps", "study map-texts --data sst2 --quick --out maps/texts-64"),
    (
        r"report studies|paper page .*--runs studies/mine",
        "studies/mine",
        "study table4 --quick --data sst2 --out studies/mine",
    ),
    (r"report studies/table2", "studies/table2", Path("studies/mine")),
    (
        r"paper figure (8a|12) --runs runs|paper figure 10 --runs sweeps",
        "runs/single-10q-1e-3-0",
        f"{SINGLE_10Q} --out runs/single-10q-1e-3-0",
    ),
    (
        r"paper figure 10 --runs sweeps",
        "sweeps/table-11-quick/runs/a",
        Path("runs/single-10q-1e-3-0"),
    ),
    (
        r"jobs .*runs/a",
        "runs/a/ledger",
        "predict runs/a film --backend ionq_forte --shots 1000 --max-cost 150",
    ),
    (
        r"paper figure 11 --runs runs",
        "runs/noise-high",
        f"{NOISE_HIGH} --out runs/noise-high",
    ),
    (
        r"evaluate runs/machines",
        "runs/machines",
        "train --preset multi-10q --set data.source=reviews --set noise.shots=0 --set model.n_qubits=6 "
        "--out runs/machines",
    ),
    (r"evaluate runs/noise-high", "runs/noise-high", f"{NOISE_HIGH} --out runs/noise-high"),
)
ONLY_PARSED = {  # lines that are not run, and the reason
    r"train --data SetFit/sst2|sweep .*--data SetFit/sst2": "the data are on the hub",
    r"train .*body\.(pooling|prompt_name|long_texts)": "the body is no decoder and has no prompts",
    r"train .*body\.trainable=lora|study adapters": "the body has no layers to adapt",
    r"paper run --sst2": "it trains for days",
    r"push ": "it uploads to the hub",
    r".*--device cuda": "it needs a GPU",
    r".*--ray": "it needs a Ray cluster",
    r"ionq-sandbox|serve": "it serves until Ctrl-C",
    r"evaluate .*qiskit:": "it needs the extras braket and ibm",
    r"evaluate .*provider=ibm-fake": "it needs the extra ibm",
    r"train .*runs/mitigation": "its record is made with SST-2",
}


def collect_commands():
    """Return every command without ``qllmft``, or of the example as ``paper``, and the first page that has it."""
    pages = {}
    for page in PAGES:
        for block in re.findall(
            r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        ):
            block = re.sub(r"^python -m lab\.paper ", "qllmft paper ", block, flags=re.MULTILINE)
            for line in re.findall(r"^(?:.*\| |\s*)qllmft (.*)$", block, re.MULTILINE):
                for pattern, value in PLACEHOLDERS:
                    line = re.sub(pattern, value, line)
                pages.setdefault(shlex.join(shlex.split(line, comments=True)), page.name)
    return pages


COMMANDS = collect_commands()
SLOW = (
    r"study (table2|ablations|noise|body)|sweep (two-encoders|table-06|table-10|table-11)|"
    r"train --preset (unfrozen|contrastive|upper)|paper figure 6|paper page --runs docs"
)


def reason(command):
    return next((why for pattern, why in ONLY_PARSED.items() if re.match(pattern, command)), None)


def arguments(command, body):
    additions = [options for pattern, options in ADDED if re.match(pattern, command)]
    return shlex.split(" ".join([command, *additions]).format(body=body))


def end(words):
    with pytest.raises(SystemExit) as end:
        paper.main(words[1:]) if words[0] == "paper" else main(words)
    return end.value.code or 0


@pytest.fixture(scope="module")
def few_repetitions():
    """Search, sample and train again a few times only: a command runs, and nothing looks at its numbers."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in FEW.items():
            patch.setattr(name, value)
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_body, short_baselines, few_repetitions):
    """Make a folder with the files of the pages: tables, texts, a folder of splits, one small run under two names."""
    folder = tmp_path_factory.mktemp("pages")
    rows = [
        (f"{word} {noun} {last_word} {word}", label)
        for label, words in (("1", ("good", "great", "fine")), ("0", ("bad", "awful", "dull")))
        for word in words
        for noun in ("film", "plot", "cast", "score", "scene")
        for last_word in ("ending", "very", "not", "music", "story", "plain")
    ]
    table = "review,stars\n" + "".join(f"{text},{label}\n" for text, label in rows)
    for name in ("reviews.csv", "more.csv"):
        (folder / name).write_text(table, encoding="utf-8")
    rare = "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows)
    rare += "a plain scene,3\nthe story,4\na cast,4\nits music,5\n"
    (folder / "topics.csv").write_text(rare, encoding="utf-8")
    engineers_page = (ROOT / "docs" / "for-nlp-engineers.md").read_text("utf-8")
    own_study = re.search(r"<<'END'\n(.*?)^END", engineers_page, re.MULTILINE | re.DOTALL)
    (folder / "mine.toml").write_text(own_study[1], encoding="utf-8")
    (folder / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "own_circuit.py", folder / "examples")
    tickets = "id,review\n" + "".join(f"{i},{text}\n" for i, (text, _) in enumerate(rows[:20]))
    (folder / "tickets.csv").write_text(tickets, encoding="utf-8")
    (folder / "texts.txt").write_text("a good film\nan awful plot\nthe cast\n", encoding="utf-8")
    (folder / "head.qasm").write_text(qasm3.dumps(head_circuit(2, reuploads=1, main_layers=1)))
    angles = np.random.default_rng(0).normal(size=(40, 2))
    np.savez(folder / "rows.npz", X=angles, y=angles[:, 0] > 0, weights=np.ones(2))
    pairs = "".join(
        f"{a}\t{b}\t{int(x == y)}\n" for (a, x), (b, y) in zip(rows, rows[::3] * 3, strict=True)
    )
    (folder / "pairs.tsv").write_text("text\tother\tlabel\n" + pairs, encoding="utf-8")
    renamed = "first,second,label\n" + pairs.replace("\t", ",")
    (folder / "other.csv").write_text(renamed, encoding="utf-8")
    several = (
        {"text": f"{text} {i}", "label": text.split()[1:2] + ["good"] * int(y)}
        for i, (text, y) in enumerate(rows)
    )
    lines = "".join(json.dumps(row) + "\n" for row in several)
    (folder / "several.jsonl").write_text(lines, encoding="utf-8")
    ratings = "".join(f"{text}\t{len(text) / 10}\n" for text, _ in rows)
    (folder / "ratings.tsv").write_text("text\tstars\n" + ratings, encoding="utf-8")
    for split, part in (("train", rows[::2]), ("validation", rows[1::4]), ("test", rows[3::4])):
        (folder / "sst2").mkdir(exist_ok=True)
        lines = "".join(f"{text}\t{label}\n" for text, label in part)
        (folder / "sst2" / f"{split}.tsv").write_text("text\tlabel\n" + lines, encoding="utf-8")
    for name in ("figures", "records", "results"):
        (folder / "docs" / name).mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "records" / "records.json", folder / "docs" / "records")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        small = "--set model.n_qubits=4 --set model.encoder_qubits=5 --set model.encoder_layers=2 --out runs/a"
        columns = "--data reviews.csv --text-column review --label-column stars"
        assert end(arguments(f"train {columns} {small}", tiny_body)) == 0
    for name in ("117aea93d4b6", "f3eccd0e10f9/fold-1"):
        shutil.copytree(folder / "runs" / "a", folder / "runs" / name)
    return folder


@pytest.fixture(scope="module")
def ionq():
    """Start a mock server of IonQ's and return its address."""
    pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")
    from qllmft_machines.sandbox import MockServer, Store

    with MockServer(token="a-key", store=Store(qpu_noise="ideal")) as box:
        yield box.url


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_is_known_with_its_options(command):
    group = build_command()
    words = shlex.split(command)
    if words[0] == "paper":
        group = command_line(paper.app)
        words = words[1:]
    while hasattr(group, "commands"):
        group = group.commands[words[0]]
        words = words[1:]
    group.make_context("qllmft", words).close()


def marks(command):
    if re.match(SLOW, command):
        return pytest.mark.slow
    return ()


def provide(needed, origin, body):
    """Make a folder that a command needs: by the line of another command, or as a copy of another folder."""
    if needed.exists():
        return
    if isinstance(origin, Path):
        shutil.copytree(origin, needed)
    else:
        assert end(arguments(origin, body)) == 0


@pytest.mark.usefixtures("forked_reader", "forked_workers")
@pytest.mark.parametrize(
    "command", [pytest.param(c, marks=marks(c), id=c) for c in COMMANDS if reason(c) is None]
)
def test_a_command_runs(command, place, tiny_body, request, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO((place / "texts.txt").read_bytes()), "utf-8")
    )
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    for name in ("IONQ_API_URL", "IONQ_API_KEY", "IONQ_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    if "ionq" in command or command.startswith("jobs"):
        monkeypatch.setenv("QISKIT_IONQ_API_URL", request.getfixturevalue("ionq"))
        monkeypatch.setenv("QISKIT_IONQ_API_TOKEN", "a-key")
    if "mlflow" in command:
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow's own use of databases warns
        monkeypatch.setenv("MLFLOW_TRACKING_URI", (place / "mlflow").as_uri())
        # MLflow's own look at all installed packages
        monkeypatch.setattr(
            "mlflow.utils.environment.warn_dependency_requirement_mismatches", lambda packages: None
        )
    for pattern, needed, origin in FIRST:
        if re.match(pattern, command):
            provide(place / needed, origin, tiny_body)
    assert end(arguments(command, tiny_body)) == 0


def test_every_rule_is_about_a_line_of_the_pages():
    for pattern in (*ONLY_PARSED, *(rule[0] for rule in (*ADDED, *FIRST))):
        assert any(re.match(pattern, command) for command in COMMANDS), pattern
