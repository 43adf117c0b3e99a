"""Settings that contradict each other are refused, and their neighbours are not."""

import pytest
from config_errors import refused, tree_of

from qllmft.config import flat_settings, parse_config

# settings of one section, and what is said of them
CONTRADICTIONS = {
    "data.text_column=label": "the columns of texts and labels are label, label, expected different",
    'data.text_column=["a","label"]': "the columns of texts and labels are a, label, label, expected",
    'data.label_column=["a","a"]': "the columns of texts and labels are text, a, a, expected",
    'data.label_column=["a","b"]': "label_column is a, b and the task is classification. Set task",
    "data.pair_features=product": "pair_features is 'product' and texts are single. Give text_column",
    "data.label_separator=,": "label_separator is ',', and only a column of several labels has one",
    "model.head=mlp": "head 'mlp' reads the embedding itself: encoder 'none' belongs to it, and to no",
    "model.encoder=none": "head 'mlp' reads the embedding itself: encoder 'none' belongs to it",
    "model.head=mlp model.encoder=mlp": "head 'mlp' reads the embedding itself: encoder 'none'",
    "model.hidden_dim=8": "hidden_dim and batch_norm belong to a classical encoder or head",
    "model.batch_norm=true": "hidden_dim and batch_norm belong to a classical encoder or head",
    "model.n_qubits=1": "n_qubits is 1, connectivity 1. A head needs 2 qubits or more",
    "model.n_qubits=4 model.connectivity=4": "n_qubits is 4, connectivity 4. A head needs 2 qubits",
    "model.n_encoders=3": "3 encoders cannot share 10 latent values evenly",
    "model.encoder=mlp model.n_encoders=2": "a classical encoder is the only one: set n_encoders to",
    "model.encoder_qubits=9": "each encoder must yield 10 values, but has only 9 qubits. Raise encoder",
    "model.n_qubits=12 model.encoder_qubits=5": "each encoder must yield 12 values, but has only 5",
    "model.final_linear=false model.readout=all": "without a final linear layer one qubit is read",
    "model.final_linear=false model.readout=2": "without a final linear layer one qubit is read",
    "model.final_linear=false model.readout=latent": "without a final linear layer one qubit is read",
    "model.readout=11": "readout is 11. Products of Z are of a quantum head's 10 qubits at most",
    "model.readout=4 model.n_qubits=20": "6,195 products of Z would be read, expected at most 4,096",
    "model.odd=true": "odd turns the sign of the constant among the amplitudes: set pad to 'constant'",
    "model.encoder=mlp model.components=3": "components and odd belong to a quantum encoder",
    "model.head=none": "head 'none' is a linear layer on all qubits of quantum encoders: set encoder",
    "model.head=none model.encoder_qubits=4 model.readout=latent": "readout is about a quantum head",
    "model.n_encoders=auto model.encoder=mlp": "n_encoders 'auto' counts quantum encoders, and encoder",
    "train.ridge_c=2.0": "ridge_c is 2.0 and Adam has no ridge. Set ridge to true, or optimizer to",
    "train.optimizer=lbfgs": "optimizer 'lbfgs' ends at its last point: set select to 'last'",
    "train.optimizer=lbfgs train.lr=0.1": "optimizer 'lbfgs' takes all texts at once and finds its",
}


@pytest.mark.parametrize("settings", CONTRADICTIONS)
def test_a_contradiction_is_refused_with_its_section(settings):
    text, section = refused(tree_of(settings)), settings.partition(".")[0]
    assert text.startswith(f"my.toml: {section}: {CONTRADICTIONS[settings]}")
    assert "Value error" not in text


@pytest.mark.parametrize(
    "settings",
    [
        "data.text_column=label data.label_column=text",
        "model.head=mlp model.encoder=none",
        "model.head=mlp model.encoder=none model.n_qubits=1",
        "model.encoder=mlp model.hidden_dim=8",
        "model.n_qubits=2",
        "model.n_qubits=4 model.connectivity=3",
        "model.n_qubits=28 model.n_encoders=2",
        "model.encoder_qubits=10",
        "model.final_linear=false model.readout=first",
        "model.readout=latent",
        "model.readout=10",
        "train.lr_decay=cosine",
    ],
)
def test_what_lies_just_beside_a_contradiction_is_accepted(settings):
    tree = tree_of(settings)
    ((section, chosen),) = tree.items()
    found = flat_settings(parse_config(tree, "my.toml"))
    assert {name: found[f"{section}.{name}"] for name in chosen} == chosen


FITS = (
    "model.head=none model.encoder_qubits=4 model.pad=bias model.odd=true train.optimizer=lbfgs "
    'train.select=last baselines.names=["svc"]'
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("model.odd=false", "train.optimizer 'lbfgs' trains odd encoders with a final linear layer"),
        (
            'baselines.training=head baselines.names=["mlp"]',
            "baselines.training is 'head', and lbfgs trains no head such as the baseline 'mlp'. Set it to 'converged'",
        ),
        (
            'baselines.training=head baselines.names=["low_rank"]',
            "baselines.training is 'head', and lbfgs trains no head such as the baseline 'low_rank'",
        ),
        ("body.trainable=true", "train.optimizer 'lbfgs' needs a frozen language model. Set body.trainable to false"),
        ("backend.name=aer_forte", "use the trained model with --backend aer_forte"),
        (
            "noise.shots=10",
            "without a head, noise is the shots of eq. 2 on encoders that are not odd. Give noise.shots",
        ),
    ],
)  # fmt: skip
def test_what_does_not_go_with_a_linear_head_is_refused(changes, message):
    assert parse_config(tree_of(FITS), "my.toml").model.odd
    assert message in refused(tree_of(f"{FITS} {changes}"))
