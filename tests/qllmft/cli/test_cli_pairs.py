"""Pairs of texts: their vectors by hand, a run by the command line, and rows with one text."""

import shlex

import numpy as np
import pytest
from command_line import result_of
from sklearn.metrics.pairwise import cosine_similarity
from small_texts import BAD, GOOD

from qllmft.config import BodyConfig, DataConfig, parse_config
from qllmft.config.presets import load_preset
from qllmft.data import corpus_in_memory
from qllmft.embed import embed
from qllmft.embed.embedder import pair_vectors
from qllmft.inference import Predictor
from qllmft.inference.run_texts import texts_of_run
from qllmft_base.errors import UserError

pytestmark = pytest.mark.usefixtures("few_penalties")

PAIRS = [(a, b) for a in GOOD + BAD for b in GOOD + BAD]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Pairs of words, and whether they are both good or both bad."""
    file = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
    rows = [
        f"{a} film\t{b} plot\t{'same' if (a in GOOD) == (b in GOOD) else 'other'}" for a, b in PAIRS
    ]
    file.write_text("text\tsecond\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return file


def test_a_run_on_pairs(cli, table, tiny_body, tmp_path):
    run = tmp_path / "run"
    small = "--set model.n_qubits=4 --set model.encoder_qubits=6 --set model.encoder_layers=2"
    small += " --set 'baselines.names=[\"svc\"]' --per-label 20 --epochs 6 --lr 0.05"
    source = f"--data {table} --pair-column second --body {tiny_body} --out {run}"
    command = cli("train", source, small)[0].splitlines()[-1].removeprefix("Predict: qllmft ")
    assert command.endswith("'first text' 'second text'")
    assert len(cli(*shlex.split(command))[0].splitlines()) == 1
    record = result_of(run)
    assert record["body"]["dimension"] == 34
    _, _, splits = texts_of_run(run)
    body = BodyConfig(model=str(tiny_body))
    u, v = (embed(texts, body).vectors for texts in (splits.test.texts, splits.test.second))
    by_hand = np.array(
        [
            [*abs(a - b), *(a * b), np.linalg.norm(a - b), cosine_similarity([a], [b])[0, 0]]
            for a, b in zip(u, v, strict=True)
        ],
        np.float32,
    )
    predictor = Predictor.load(run)
    items = list(zip(splits.test.texts, splits.test.second, strict=True))
    np.testing.assert_allclose(predictor.embed(items), by_hand, atol=1e-6)
    answers = predictor.answer(by_hand).labels
    assert int((answers == splits.test.labels).sum()) == record["models"][0]["test"]["right"]
    assert cli.json("evaluate", run)["accuracy"] == record["models"][0]["test"]
    printed = cli.records("predict", run, *items[0], *items[1])
    expected = predictor.predict(items[:2])
    assert [p["label"] for p in printed] == [p.label for p in expected]
    assert printed[0]["text"] == f"{items[0][0]} ‖ {items[0][1]}"
    assert [p.text for p in predictor.predict(items[0])] == [expected[0].text], "one pair"
    assert len(cli("predict", run, "--file", table)[0].splitlines()) == 64
    renamed = tmp_path / "renamed.csv"
    rows = table.read_text().replace("text\tsecond\tlabel", "one\ttwo\tkind").replace("\t", ",")
    renamed.write_text(rows)
    columns = "--text-column one --pair-column two"
    accuracy = cli.json("evaluate", run, f"--data {table}")["accuracy"]
    assert accuracy["total"] == 64
    by_names = cli.json("evaluate", run, f"--data {renamed} {columns} --label-column kind")
    assert by_names["accuracy"] == accuracy
    assert (
        cli("predict", run, f"--file {renamed} {columns}")[0]
        == cli("predict", run, "--file", table)[0]
    )
    refusal = cli.refused(
        "evaluate", run, f"--data {renamed} --text-column one --label-column kind"
    )
    assert "there is no column 'second'" in refusal
    assert "--pair-column" in refusal
    assert '(["a text' not in cli("push", run, "me/mine", "--dry-run")[0]
    for arguments, message in (
        (
            ["one text"],
            "the model compares two texts, and got 1 text. Give them in pairs: first second.",
        ),
        (["--file", "texts.txt"], "has one text per line, and the model compares two"),
    ):
        assert message in cli.refused("predict", run, *arguments)
    with pytest.raises(UserError, match="compares two texts, and got 'a text', expected pairs"):
        predictor.predict(["a text"])


def test_features_of_pairs_do_not_name_a_run_of_single_texts():
    """Runs of earlier versions have the features of pairs in their configuration too."""
    written = parse_config({"data": {"pair_features": "both"}}, "the test")
    assert load_preset("sines").config().data.pair_features == "all"
    changed = load_preset("sines").config({"data.pair_features": "both"})
    assert changed.identity == load_preset("sines").config().identity
    assert written.identity == parse_config({}, "the test").identity
    pairs = {"data.text_column": ["text", "other"]}
    assert (
        load_preset("sines").config(pairs).identity
        != load_preset("sines").config(pairs | {"data.pair_features": "both"}).identity
    )


def test_the_order_of_a_pair_does_not_matter():
    u, v = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    for features in ("all", "both", "difference", "product"):
        np.testing.assert_array_equal(pair_vectors(u, v, features), pair_vectors(v, u, features))


def test_pairs_with_one_text_and_copies_of_pairs():
    config = DataConfig(text_column=("text", "second"))
    data = {"text": ["a", "a", "b", "b"], "second": ["x", "x", "x", ""], "label": [0, 0, 1, 1]}
    with pytest.raises(
        UserError, match=r"row 4: the second text is empty.*Fill them in, or leave them out"
    ):
        corpus_in_memory(data, config)
    skipped = corpus_in_memory(
        data, config.model_copy(update={"bad_rows": "skip", "duplicates": "drop"})
    )
    assert skipped.join_splits().items == ["a ‖ x", "b ‖ x"]
    with pytest.raises(UserError, match="there is no column 'second'"):
        corpus_in_memory({"text": ["a"], "label": [0]}, config)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"data": {"text_column": ["text", "text"]}}, "texts and labels are text, text, label, expected different"),
        ({"data": {"text_column": ["text", "b"]}, "body": {"trainable": True}}, "that learns reads single ones"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_pairs_are_refused(tree, message):
    with pytest.raises(UserError, match=message):
        parse_config(tree, "the test")
