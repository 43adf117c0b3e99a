"""Bad input of every command: exit code 2, one message with what was got, what was expected and the remedy."""

import re

import pytest

# RUN, DATA, BODY and TMP stand for a run's folder, its data, its body and an empty folder
TRAIN = ["train", "--data", "DATA", "--body", "BODY", "--per-label", "9", "--out", "TMP/out"]
MULTI = [*TRAIN, "--preset", "multi-10q"]
THRESHOLD = "the threshold is 1, expected a probability above 0 and below 1."
TRACKER = "there is no tracker 'spreadsheets', expected one of tensorboard, mlflow, wandb"
MARGIN = "the margin is nan, expected a difference of probabilities, from 0 to"
# command, and what it is told
WRONG = [
    # data
    ([*TRAIN, "--data", "TMP/none.tsv"], ["no file or folder", "none.tsv", "Give a .tsv, .csv, .jsonl, .parquet"]),
    ([*TRAIN, "--data", "TMP"], ["has no split", "expected files named train"]),
    ([*TRAIN, "--data", "owner/name"], ["'owner/name' could not be loaded from the hub", "Check the name"]),
    ([*TRAIN, "--text-column", "review"], ["no column 'review'", "are 'label', 'text'", "--text-column"]),
    ([*TRAIN, "--label-column", "text"], ["columns of texts and labels are text, text"]),
    ([*TRAIN, "--bad-rows", "mine"], ["data.bad_rows (got 'mine')", "'error' or 'skip'"]),
    ([*TRAIN, "--delimiter", ";;"], ["data.delimiter (got ';;')", "expected one character"]),
    ([*TRAIN, "--data", "in memory: DataFrame of 9 rows (0a1b)"], ["given to Python", "not kept", "--data"]),
    ([*TRAIN, "--per-label", "0"], ["data.n_per_label (got 0)", "greater than or equal to 1"]),
    ([*TRAIN, "--protocol", "given"], ["has the splits all", "needs train and test", "--protocol split"]),
    # body
    ([*TRAIN, "--body", "TMP"], ["holds no model", "modules.json", "Give a folder that sentence-transformers saved"]),
    ([*TRAIN, "--body", "owner/name"], ["the language model 'owner/name'", "HF_HUB_OFFLINE", "--body minilm"]),
    # settings
    ([*TRAIN, "--preset", "single-10"], ["no preset 'single-10'", "Did you mean 'single-10q'?", "multi-10q"]),
    ([*TRAIN, "--epochs", "0"], ["preset 'sines': train.epochs (got 0)", "greater than or equal to 1"]),
    ([*TRAIN, "--lr", "nan"], ["train.lr (got nan)", "finite"]),
    ([*TRAIN, "--set", "train.lr"], ["--set got 'train.lr'", "expected NAME=VALUE", "--set train.lr=0.003"]),
    ([*TRAIN, "--set", "train.epoch=1"], ["train.epoch (got 1)", "no such setting", "Expected one of epochs"]),
    ([*TRAIN, "--set", "seed.x=1"], ["seed", "valid integer"]),
    ([*MULTI, "--set", "model.n_qubits=3"], ["2 encoders cannot share 3 latent values"]),
    ([*MULTI, "--set", "model.n_qubits=40"], ["n_qubits is 40, encoder_qubits 14, expected at most 30"]),
    ([*TRAIN, "--config", "TMP/none.toml"], ["none.toml cannot be read", "No such file"]),
    ([*TRAIN, "--config", "DATA"], ["is not TOML", "line 1"]),
    ([*TRAIN, "--config", "RUN/config.toml", "--set", "seed.x=1"], ["setting 'seed.x'", "'seed' is a value, not a"]),
    ([*TRAIN, "--set", "model.ansatz=stars"], ["there is no ansatz 'stars', expected one of paper, brickwork, "]),
    ([*TRAIN, "--track", "tensorboard,spreadsheets"], [TRACKER]),
    ([*TRAIN, "--protocol", "split", "--folds", "60"], ["each label needs 60 texts or more"]),
    ([*TRAIN, "--backend", "none"], ["there is no backend 'none'", "expected one of adjoint"]),
    ([*TRAIN, "--set", "backend.options.threads=1"], ["option threads = 1", "Its options are: noise, "]),
    ([*TRAIN, "--set", "backend.options.shots=9"], ["noise of training belongs to the section noise. Move shots"]),
    # the run's folder
    ([*TRAIN, "--out", "RUN"], ["holds a run of another configuration", "They differ in", "Choose another folder"]),
    ([*TRAIN, "--out", "RUN", "--protocol", "split", "--folds", "3"], ["holds a run"]),
    ([*TRAIN, "--out", "DATA"], ["exists and holds no run", "Choose another folder with --out"]),
    ([*TRAIN, "--out", "DATA/x"], ["the run's folder", "cannot be written", "is not a directory"]),
    ([*TRAIN, "--out", "x" * 300], ["File name too long"]),
    # the other commands
    (["predict", "TMP", "a text"], ["no trained model", "model.json is missing", "Give the folder of a finished run"]),
    (["predict", "RUN"], ["expected texts as arguments, or --file", "Give one of the two"]),
    (["predict", "RUN", "a text", "--file", "DATA"], ["expected texts as arguments, or --file", "Give one of the two"]),
    (["predict", "RUN", " "], ["a text is empty"]),
    (["predict", "RUN", "a text", "--text-column", "x"], ["--text-column: expected with a table, and --file"]),
    (["info", "--from", "Table I"], ["no preset comes from 'Table I', expected one of Figure 11, Figure 8a,"]),
    (["predict", "RUN", "--file", "TMP/none.txt"], ["the file", "none.txt cannot be read", "No such file"]),
    (["predict", "RUN", "--file", "TMP"], ["cannot be read", "Is a directory"]),
    (["predict", "a long text where the run should be " * 9, "more"], ["File name too long"]),
    (
        ["predict", "RUN", "a text", "--bad-rows", "skip", "--keep", "id"],
        ["error: --keep, --bad-rows: expected with a table, and --file is missing. Add --file, or omit"],
    ),
    (["predict", "RUN", "a text", "--threshold", "1"], [THRESHOLD]),
    (["predict", "RUN", "a text", "--margin", "nan"], [MARGIN]),
    (["predict", "RUN", "a text", "--coverage", "0.99"], ["needs the probabilities of 99 validation texts"]),
    (["predict", "RUN", "a text", "--threshold", "0.9", "--coverage", "0.9"], ["a threshold decides by itself"]),
    (["predict", "RUN", "a text", "--model", "oracle"], ["'oracle' is no row of its table, expected best or", "SVC"]),
    (["predict", "RUN", "a text", "--novelty", "0"], ["the share of --novelty is 0"]),
    (
        ["predict", "RUN", "a text", "--coverage", "0.9", "--backend", "aer_statevector"],
        ["--coverage needs exact probabilities, and --backend measures them. Omit one of the two."],
    ),
    (["evaluate", "RUN", "--columns", "text,label"], ["--columns", "describe --data, which is not given", "omit them"]),
    (["evaluate", "RUN", "--threshold", "1"], [THRESHOLD]),
    (["evaluate", "RUN", "--margin", "nan"], [MARGIN]),
    (["evaluate", "RUN", "--data", "DATA", "--split", "dev"], ["no split 'dev'. It has all", "Choose with --split"]),
    (["evaluate", "RUN", "--split", "test"], ["--split", "describe --data, which is not given", "omit them"]),
    (["evaluate", "RUN", "--data", "reviews", "--text-column", "x"], ["no column 'x'", "are 'label', 'text'"]),
    (["info", "single"], ["no preset 'single'", "multi-10q"]),
    (["info", "TMP"], ["is not a run", "no config.toml"]),
    (["info", "single-10q", "--dimension", "1025"], ["1025 values", "1024 amplitudes", "model.encoder_qubits to 11"]),
    # energy
    (["energy", "--qubits", "ten"], ["expected a number or a range from 2 to 100"]),
    (["energy", "--qubits", "10-101"], ["expected a number or a range"]),
    (["energy", "--figure", "x.gif"], ["expected a name that ends in .svg, .pdf, .png"]),
    (["energy", "--figure", "/nowhere/x.svg"], ["cannot be written"]),
    (["energy", "--preset", "nn-head-0"], ["the head is classical"]),
    (["energy", "--calibration", "x.json"], ["gives real gate times", "expected --model measured"]),
    (["energy", "--model", "measured", "--calibration", "TMP/none.json"], ["cannot be read: No such file"]),
    (["energy", "--preset", "sines", "--config", "x"], ["--config holds every setting, and --preset too. Omit one"]),
    # studies and searches
    (["study"], ["got no study, expected a name of `qllmft study --list`"]),
    (["study", "table2", "--track", "spreadsheets"], [TRACKER]),
    (["study", "table5"], ["there is no campaign 'table5'. Did you mean 'table"]),
    (["study", "mine.toml"], ["the campaign mine.toml cannot be read"]),
    (["study", "table2", "--data", "DATA", "--per-label", "0"], ["data.n_per_label (got 0)"]),
    (["study", "table2", "--preset", "fig11"], ["--preset is for the study noise"]),
    (["study", "noise", "--preset", "fig12"], ["there is no noise study 'fig12'"]),
    (["study", "table2", "--seeds", "0"], ["--seeds is 0", "expected a number of seeds of at least 1"]),
    (["study", "table2", "--data", "nowhere.tsv"], ["there is no file or folder"]),
    (["study", "table2", "--set", "seed=3"], ["a study draws its own seeds"]),
    (["study", "table2", "--set", "noise.shots=9"], ["the head is 'mlp'"]),
    (["sweep"], ["got no search, expected a name of `qllmft sweep --list`"]),
    (["sweep", "table-06", "--track", "spreadsheets"], [TRACKER]),
    (["sweep", "table-06", "--plan-only", "--track", "mlflow"], ["--plan-only does none"]),
    (["sweep", "table06"], ["there is no campaign 'table06'. Did you mean 'table-06'?"]),
    (["sweep", "table-06", "--trials", "3"], ["the sampler grid has a fixed number of points"]),
    (["sweep", "table2"], ["table2 is a study and no search space. Use `qllmft study table2`"]),
    (["study", "table-06"], ["table-06 is a search space and no study. Use `qllmft sweep table-06`"]),
    (["sweep", "table-08", "--sampler", "tpe"], ["table-08 is a grid of seconds"]),
    (["sweep", "table-06", "--set", "model.n_qubit=3"], ["there is no such setting"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "parts"), WRONG, ids=[" ".join(command)[-60:] for command, _ in WRONG]
)
def test_bad_input_ends_with_2_and_says_why(run, cli, tmp_path, monkeypatch, command, parts):
    monkeypatch.chdir(tmp_path)
    places = {"RUN": run.path, "DATA": run.data, "BODY": run.body, "TMP": tmp_path}
    paths = sorted(path for folder in (run.path, tmp_path) for path in folder.rglob("*"))
    named = [
        re.sub("^(RUN|DATA|BODY|TMP)(?=/|$)", lambda m: str(places[m[1]]), argument)
        for argument in command
    ]
    output, message = cli(*named, code=2)
    assert output == ""
    assert message.endswith("\n")
    *progress, message = message.splitlines()
    of_labels = r"^label +rows +training|^\w+( +\d+){4}$"
    assert all(re.search(rf"^embedded|\d rows[:,] |{of_labels}", line) for line in progress)
    assert message.startswith("error: ")
    assert re.search(".*".join(map(re.escape, parts)), message), message
    assert sorted(path for folder in (run.path, tmp_path) for path in folder.rglob("*")) == paths, (
        "nothing is written"
    )


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("nonsense", "No such command 'nonsense'"),
        ("predict", "Missing argument 'run'"),
        ("train extra", "unexpected extra argument"),
        ("train --epoch 3", "No such option: --epoch"),
        ("train --epochs three", "Invalid value for '--epochs'"),
        ("train --lr", "Option '--lr' requires an argument"),
        ("info single-10q --classes 1", "Invalid value for '--classes'"),
        ("predict x text --shots 0", "Invalid value for '--shots'"),
        ("predict x text --max-cost -1", "Invalid value for '--max-cost'"),
        ("evaluate x --sample 0", "Invalid value for '--sample'"),
        ("ionq-sandbox --results-form v3", "'v3' is not one of 'url', 'artifacts', 'v2'"),
        ("study table2 --budget 0", "Invalid value for '--budget'"),
        ("sweep table-06 --seeds 0", "Invalid value for '--seeds'"),
        ("jobs stop", "got 'stop', expected list, wait, cancel, or the folder of a run"),
        ("ionq-sandbox --port 70000", "Invalid value for '--port'"),
        ("ionq-sandbox --latency -1", "Invalid value for '--latency'"),
        ("ionq-sandbox --latency inf", "Invalid value for '--latency'"),
    ],
)
def test_a_misspelt_command_is_answered_with_usage(cli, command, message):
    output, messages = cli(*command.split(), code=2)
    assert output == ""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", messages)
    # typer 0.26 has the names of arguments in capitals
    assert message.casefold() in " ".join(plain.replace("│", " ").split()).casefold()
    assert "Traceback" not in plain


def test_without_a_command_it_shows_its_help(cli):
    output, messages = cli(code=2)
    for command in ("train", "predict", "evaluate", "info"):
        assert command in output + messages


def test_a_message_with_brackets_is_printed_as_it_is(cli, tmp_path):
    (tmp_path / "[red]x.tsv").write_text("text\tlabel\n")
    _, message = cli("train", "--data", tmp_path / "[red]x.tsv", code=2)
    assert f"error: {tmp_path}/[red]x.tsv, split 'all': it has no row" in message


@pytest.mark.parametrize(
    "option",
    ["url = 'https://ann:S3cr@tPW@host/v0.4'", "token_file = 'key'", "ledger = 'x'", "yes = true", "max_cost = 1e9",
     "circuit_budget = 9", "allow_paid_training = true", "settle_s = 0.0", "repetition = 1", "retry_failed = true",
     "retry_wrong = true"],
)  # fmt: skip
def test_a_configuration_neither_agrees_to_a_price_nor_names_an_address(
    cli, tmp_path, no_work, option
):
    file = tmp_path / "config.toml"
    file.write_text(f"[backend]\nname = 'ionq_forte'\n[backend.options]\n{option}\n")
    _, message = cli("train", "--config", file, "--out", tmp_path / "run", code=2)
    name = option.split()[0]
    assert message.startswith(
        f"error: {file}: backend.options: it holds {name}. An address, a key, an agreement to a price"
    )
    assert "give them on the command line with --backend-option" in message
    assert "tPW" not in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("threads", ["abc", "0", "-1", "9" * 5_000])
@pytest.mark.parametrize("command", [["predict", "RUN", "a text"], TRAIN], ids=["predict", "train"])
def test_a_wrong_number_of_threads(run, cli, tmp_path, monkeypatch, command, threads):
    monkeypatch.setenv("QLLMFT_THREADS", threads)
    places = {"RUN": run.path, "DATA": run.data, "BODY": run.body, "TMP/out": tmp_path / "out"}
    _, message = cli(*[places.get(argument, argument) for argument in command], code=2)
    start = threads if len(threads) < 20 else f"{threads[:10]}..."
    expected = (
        f"QLLMFT_THREADS is '{start}', expected a positive whole number. Unset it to use all cores."
    )
    assert message.splitlines()[-1] == f"error: {expected}"


def test_metrics_that_are_not_utf8_are_read_up_to_there(copy, cli):
    with (copy / "metrics.jsonl").open("ab") as file:
        file.write(b"\xff\n")
    assert cli("report", copy)[0] == f"{copy / 'report.html'}\n"


@pytest.mark.parametrize(
    "content",
    [
        '{"a": 1}',
        "[]",
        "null",
        "[" * 100_000,
        "9" * 5_000,
        "\udcff",
        '{"label_names": ["a"], "labels": [1e999]}',
    ],
    ids=lambda c: c[:8],
)
@pytest.mark.parametrize("name", ["result.json", "predictions.json", "model/model.json"])
def test_records_of_another_form_are_named(copy, cli, name, content):
    (copy / name).write_text(content, errors="surrogateescape")
    command = ["predict", copy, "a text"] if "model" in name else ["report", copy]
    _, message = cli(*command, code=2)
    assert re.match(rf"error: .*{copy / name if 'model' not in name else copy / 'model'}", message)
