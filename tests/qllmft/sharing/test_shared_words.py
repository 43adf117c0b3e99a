"""Words that leave with a model: those of many training texts, and never a customer's name of one."""

import json
import warnings

import numpy as np
import pytest
from small_bodies import run_config, write_corpus

from qllmft.config import BodyConfig
from qllmft.data import read_corpus, split_corpus
from qllmft.embed import body_identity, locate_body
from qllmft.embed.words import count_texts, word_body
from qllmft.inference import Predictor
from qllmft.inference.shared_words import LeftOutWordsWarning, find_shared_words
from qllmft.run import run_experiment
from qllmft_base.errors import UserError

ROW = "TF-IDF + logistic regression"
CUSTOMERS = ("Knappertsbusch", "Zwiebelmayer", "QX-9000959", "hilde@example.org")


def write_tickets(path, *, pairs=False):
    """Write texts of which some name a customer or an order."""
    header, *lines = write_corpus(path).read_text("utf-8").splitlines()
    rows = []
    for index, line in enumerate(lines):
        text, label = line.split("\t")
        name = f" {CUSTOMERS[index % 4]}" if index % 9 == 0 else ""
        second = f"\t{text}{name}" if pairs else ""
        rows.append(f"{text}{name}{second}\t{label}")
    header = "text\tother\tlabel" if pairs else header
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def train_row(place, body, *, pairs=False, **changes):
    """Train a run with a row of TF-IDF, and return its folder and its training texts."""
    corpus = write_tickets(place / "tickets.tsv", pairs=pairs)
    config = run_config(corpus, body, baselines__names=["tfidf"], **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QLLMFT_CACHE", str(place / "cache"))
        run_experiment(config, place / "run")
    return place / "run", split_corpus(read_corpus(config.data), config.data, config.seed).train


@pytest.fixture(scope="module")
def tickets(tiny_bert, tmp_path_factory):
    return train_row(tmp_path_factory.mktemp("tickets"), tiny_bert)


@pytest.fixture
def row(tickets):
    return Predictor.load(tickets[0], model=ROW)


def read_terms(folder):
    return json.loads((folder / "body" / "0_BoW" / "config.json").read_text("utf-8"))["vocab"][1:]


def read_words(folder):
    return [term for term in read_terms(folder) if "*" not in term]


def save(row, folder, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeftOutWordsWarning)
        return row.save_pretrained(folder, **options)


def count_words(texts):
    """Count the texts with each word, as white space separates them."""
    words = {word.strip("().,").lower() for text in texts for word in text.split()}
    return {word: sum(word in text.lower().split() for text in texts) for word in words}


@pytest.mark.parametrize("min_texts", [2, 5, 12])
def test_no_word_of_fewer_training_texts_leaves(tickets, row, tmp_path, min_texts):
    counts = count_words(tickets[1].texts)
    saved = save(row, tmp_path / "saved", min_texts=min_texts)
    expected = {word for word, count in counts.items() if count >= min_texts}
    assert set(read_words(saved)) == expected
    content = b"".join(path.read_bytes() for path in saved.rglob("*") if path.is_file()).lower()
    named = [name.lower() for name in CUSTOMERS if counts.get(name.lower(), 0) < min_texts]
    parts = {f"*{name[i : i + 4]}*" for name in named for i in range(len(name) - 3)}
    assert not parts & set(read_terms(saved))
    assert named
    assert not [name for name in named if name.encode() in content]


def test_words_of_fewer_than_five_training_texts_stay_by_default(row, tmp_path):
    with pytest.warns(
        LeftOutWordsWarning, match="words are left out: words in fewer than 5"
    ) as caught_warnings:
        by_default = row.save_pretrained(tmp_path / "default")
    assert read_words(by_default) == read_words(save(row, tmp_path / "five", min_texts=5))
    assert not [
        name for name in CUSTOMERS if name.lower() in str(caught_warnings[0].message).lower()
    ]


def test_all_words_leave_if_one_text_is_enough(tickets, row, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saved = row.save_pretrained(tmp_path / "saved", min_texts=1)
    assert set(read_words(saved)) == set(count_words(tickets[1].texts))
    assert "with all words" not in (saved / "README.md").read_text("utf-8")


def test_no_file_tells_how_many_training_texts_have_a_word(tickets, row, tmp_path):
    saved = save(row, tmp_path / "saved")
    counts = count_words(tickets[1].texts)
    config = json.loads((saved / "body" / "0_BoW" / "config.json").read_text("utf-8"))
    record = json.loads((saved / "model.json").read_text("utf-8"))
    lower = dict(zip(config["vocab"], record["word_texts"], strict=True))
    n = len(tickets[1].texts)
    told = set()
    steps = [5 * 2**power for power in range(10)]
    for word in read_words(saved):
        assert lower[word] == max(step for step in steps if step <= counts[word])
        told.add((1 + n) / np.exp(config["word_weights"][word] - 1) - 1)  # by the weight
    assert max(min(abs(number - step) for step in steps) for number in told) < 1e-6
    exact = Predictor.load(tickets[0], model=ROW).model.word_texts
    assert set(exact) - set(lower.values())


def test_texts_without_left_out_words_keep_their_answers(tickets, row, tmp_path):
    saved = Predictor.load(save(row, tmp_path / "saved"))
    texts = [" ".join(read_words(saved.folder)[:3]), "a word nobody has"]
    for original, shared in zip(row.predict(texts), saved.predict(texts), strict=True):
        assert shared.probabilities == pytest.approx(original.probabilities, abs=0.05)
    (original,) = row.predict([tickets[1].texts[0]])
    (shared,) = saved.predict([tickets[1].texts[0]])
    assert shared.probabilities != pytest.approx(original.probabilities, abs=1e-6)


def test_the_card_has_the_accuracy_without_the_words_and_claims_no_other_one(row, tmp_path):
    saved = save(row, tmp_path / "saved")
    card = (saved / "README.md").read_text("utf-8")
    config = Predictor.load(saved)
    table = split_corpus(*_run_corpus(row)).test
    names = config.model.label_names
    answers = [names.index(answer.label) for answer in config.predict(table.texts)]
    share = 100 * np.mean(np.array(answers) == table.labels)
    assert f"On {len(table)} test texts, the accuracy is {share:.2f} %" in card
    assert "The scores on this page are of the model with all words." in card
    assert "model-index" not in card


def _run_corpus(row):
    from qllmft.run.folder import RunFolder

    config = RunFolder(row.folder).read_config()
    return read_corpus(config.data), config.data, config.seed


def test_a_model_without_words_has_no_prediction_sets(row, tmp_path):
    saved = Predictor.load(save(row, tmp_path / "saved"))
    assert row.model.true_probabilities
    with pytest.raises(UserError, match="coverage"):
        saved.predict(["a film"], coverage=0.8)


def test_a_shared_model_is_shared_again_with_its_words(row, tmp_path):
    saved = save(row, tmp_path / "saved")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second_copy = Predictor.load(saved).save_pretrained(tmp_path / "again")
    assert read_words(second_copy) == read_words(saved)
    fewer = save(Predictor.load(saved), tmp_path / "fewer", min_texts=20)
    assert len(read_words(fewer)) < len(read_words(saved))
    assert "fewer than 20 training texts" in (fewer / "README.md").read_text("utf-8")


def test_the_accuracy_is_not_measured_without_the_texts_of_the_run(tickets, row, tmp_path):
    table = tickets[0].parent / "tickets.tsv"
    content = table.read_bytes()
    try:
        table.unlink()
        saved = save(row, tmp_path / "saved")
    finally:
        table.write_bytes(content)
    card = (saved / "README.md").read_text("utf-8")
    assert "was not measured: no test texts of the run can be read." in card


@pytest.mark.parametrize("features", ["difference", "all"])
def test_words_of_pairs_are_counted_by_pair(tiny_bert, tmp_path, features):
    run, train = train_row(
        tmp_path,
        tiny_bert,
        pairs=True,
        data__text_column=["text", "other"],
        data__pair_features=features,
        model__encoder_qubits=5,
        train__epochs=1,
    )
    row = Predictor.load(run, model=ROW)
    counts = count_words(train.items)
    saved = Predictor.load(save(row, tmp_path / "saved", min_texts=3))
    assert set(read_words(saved.folder)) == {word for word in row_words(run) if counts[word] >= 3}
    pair = (" ".join(read_words(saved.folder)[:2]), read_words(saved.folder)[3])
    (original,) = row.predict([pair])
    (shared,) = saved.predict([pair])
    assert shared.probabilities == pytest.approx(original.probabilities, abs=0.05)


def row_words(run):
    return read_words(run / "models" / "tf-idf-logistic-regression")


def with_words_of_its_own(model_of, tmp_path):
    """Return a head's model whose body is a list of words, without numbers of training texts."""
    body = word_body(["a good film", "a dull plot by Zwiebelmayer"], tmp_path / "own")
    body = BodyConfig(model=body.model, device="cpu")
    stored = Predictor.load(model_of()).model
    identity = body_identity(body, locate_body(body))
    return Predictor(stored.model_copy(update={"body": body, "body_identity": identity}))


def test_words_whose_number_of_texts_is_not_known_do_not_leave_unasked(model_of, tmp_path):
    predictor = with_words_of_its_own(model_of, tmp_path)
    with pytest.raises(UserError, match=r"has a list of 31 words.*no number.*--min-texts 1"):
        predictor.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    saved = predictor.save_pretrained(tmp_path / "saved", min_texts=1)
    assert "zwiebelmayer" in read_words(saved)


def test_numbers_of_texts_that_do_not_fit_are_refused(row, tmp_path):
    row.model = row.model.model_copy(update={"word_texts": (5, 5)})
    with pytest.raises(
        UserError, match="has 2 numbers of training texts with each, expected as many"
    ):
        row.save_pretrained(tmp_path / "saved")


@pytest.mark.parametrize("min_texts", [0, -1, 2.5, True, "5"])
def test_the_least_number_of_texts_is_a_whole_number(row, tmp_path, min_texts):
    with pytest.raises(UserError, match="min_texts is"):
        row.save_pretrained(tmp_path / "saved", min_texts=min_texts)


def test_models_without_words_have_none(trained_run):
    assert find_shared_words(Predictor.load(trained_run).model, 5) is None


def test_texts_are_counted_once_for_a_word():
    assert count_texts(["a", "b"], ["a a b", "A!", "c"]) == (2, 1)


@pytest.mark.filterwarnings("default::qllmft.inference.shared_words.LeftOutWordsWarning")
def test_a_dry_run_lists_the_words_that_leave_and_those_that_do_not(tickets, row, cli):
    printed, messages = cli("push", tickets[0], "ann/tickets", "--model", ROW, "--dry-run")
    words = find_shared_words(row.model, 5)
    assert f"{len(words.shared)} words would be uploaded: {', '.join(words.shared)}" in messages
    assert f"{len(words.left_out)} words would be left out, 40 of the rarest: " in messages
    named = [name.lower() for name in CUSTOMERS if name.lower() in words.left_out]
    assert named
    assert all(name in messages.rpartition("would be left out")[2] for name in named)
    assert not any(name in printed.lower() for name in named)
    assert "warning:" in messages
    messages = cli(
        *("push", tickets[0], "ann/tickets", "--model", ROW, "--dry-run", "--min-texts", "1")
    )[1]
    assert "0 words would be left out." in messages


def test_support_vectors_are_said_to_be_embeddings_of_texts(tiny_bert, tmp_path, monkeypatch, cli):
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    corpus = write_corpus(tmp_path / "corpus.tsv")
    config = run_config(corpus, tiny_bert, baselines__names=["svc"], train__epochs=1)
    run_experiment(config, tmp_path / "run")
    printed, messages = cli("push", tmp_path / "run", "ann/films", "--model", "SVC", "--dry-run")
    support = Predictor.load(tmp_path / "run", model="SVC").model.kernel.support
    assert f"{support} embeddings of training texts, the support vectors." in printed
    assert f"{support} embeddings of training texts would be uploaded" in messages
