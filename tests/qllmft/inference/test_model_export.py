"""What is exported of a model answers as the model does, once it is read back: by Statevector against the engine."""

import json
import re

import numpy as np
import pytest
import qiskit_reference
import torch
from qiskit import QuantumCircuit, qasm2
from qiskit.quantum_info import SparsePauliOp, Statevector
from scipy.special import softmax

from qllmft.inference import Predictor
from qllmft.inference.export import ExportRequest, _render, embedding, export_run
from qllmft.model import load_model
from qllmft_base.errors import UserError
from qllmft_circuits import from_qasm3, from_qpy

pytestmark = pytest.mark.usefixtures("forked_reader")

TEXT = "a great film , not dull at all"
READ = {
    "qasm3": lambda exported: from_qasm3(exported.content.decode(), exported.names),
    "qasm2": lambda exported: qasm2.loads(exported.content.decode()),
    "qpy": lambda exported: from_qpy(exported.content),
}
EVERY_FORMAT = pytest.mark.parametrize("form", READ)


def z_values(circuit, n_read: int) -> np.ndarray:
    """⟨Z⟩ of the first ``n_read`` qubits of a bound circuit."""
    plain = circuit.remove_final_measurements(inplace=False)
    return qiskit_reference.z_values(plain, np.empty((1, 0)))[0, :n_read]


def model_values(folder) -> tuple[np.ndarray, np.ndarray]:
    """Latent angles (Q,) and the head's ⟨Z⟩ (Q_m,) for TEXT, by the model's own modules."""
    model = load_model(folder)
    with torch.no_grad():
        latent = model.classifier.encoder(embedding(model, TEXT))
        return latent[0].numpy(), model.classifier.head(latent)[0].numpy()


@pytest.fixture(scope="module")
def trained_model(trained_run):
    """The trained model, and the embedding of TEXT; tests do not change them."""
    model = load_model(trained_run)
    return model, embedding(model, TEXT)


@pytest.fixture(scope="module")
def trained_values(trained_run):
    """`model_values` of the trained model."""
    return model_values(trained_run)


def read_back(folder, form, **options):
    return READ[form](export_run(folder, ExportRequest(form, **options)))


def bind_by_name(circuit, **vectors):
    """``x=[...]`` as values by the names of a circuit's parameters; others are an error."""
    values = {f"{name}[{i}]": float(v) for name, row in vectors.items() for i, v in enumerate(row)}
    assert {p.name for p in circuit.parameters} == set(values)
    return circuit.assign_parameters(values)


@EVERY_FORMAT
def test_the_head_bound_to_a_text_gives_the_models_values(trained_run, trained_values, form):
    circuit = read_back(trained_run, form, text=TEXT)
    _, values = trained_values
    assert circuit.num_parameters == 0
    np.testing.assert_allclose(z_values(circuit, 4), values, atol=1e-6)
    assert np.ptp(values) > 0.05


@pytest.mark.parametrize("form", ["qasm3", "qpy"])
@pytest.mark.parametrize("text", [TEXT, None])
def test_free_weights_take_the_trained_ones_by_name(
    trained_run, trained_model, trained_values, form, text
):
    latent, values = trained_values
    theta = trained_model[0].classifier.head.connector.weight.tolist()
    assert len(theta) == 16
    vectors = {"theta": theta} | ({} if text else {"x": latent})
    circuit = bind_by_name(read_back(trained_run, form, text=text, weights="free"), **vectors)
    np.testing.assert_allclose(z_values(circuit, 4), values, atol=1e-6)


@EVERY_FORMAT
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("decompose", [False, True])
def test_an_encoder_behind_its_loaded_text_gives_its_values(
    trained_run, trained_model, form, index, decompose
):
    options = {"text": TEXT, "encoder": index, "decompose": decompose}
    circuit = read_back(trained_run, form, part="encoder", **options)
    model, vector = trained_model
    encoder = model.classifier.encoder.encoders[index]
    with torch.no_grad():
        expected = encoder(vector)[0] / encoder.scale
    np.testing.assert_allclose(z_values(circuit, 2), expected, atol=1e-6)
    assert ("load" in circuit.count_ops()) == (not decompose)
    assert set(circuit.count_ops()) - {"load"} == {"ry", "cx"}


@pytest.mark.parametrize("pad", ["zeros", "bias"])
def test_an_encoder_without_a_text_starts_from_a_state_that_is_given(model_of, pad):
    folder = model_of(n_qubits=4, n_encoders=2, encoder_qubits=5, pad=pad)
    model = load_model(folder)
    encoder = model.classifier.encoder.encoders[1]
    vector = embedding(model, TEXT)
    state = np.zeros(32)
    state[:16] = vector[0].numpy() / np.linalg.norm(vector.numpy())
    if pad == "bias":
        state[:17] = np.append(state[:16], 1.0) / np.sqrt(2.0)
    circuit = read_back(folder, "qasm3", part="encoder", encoder=1)
    probabilities = Statevector(state).evolve(circuit).probabilities()
    signs = 1 - 2 * (np.arange(32)[None] >> np.arange(2)[:, None] & 1)
    expected = (encoder(vector)[0] / encoder.scale).tolist()
    np.testing.assert_allclose(signs @ probabilities, expected, atol=1e-6)


def test_free_weights_of_an_encoder(model_of):
    folder = model_of()
    circuit = read_back(folder, "qasm3", part="encoder", text=TEXT, weights="free")
    model = load_model(folder)
    encoder = model.classifier.encoder.encoders[0]
    bound = bind_by_name(circuit, theta=encoder.theta.tolist())
    expected = (encoder(embedding(model, TEXT))[0] / encoder.scale).tolist()
    np.testing.assert_allclose(z_values(bound, 3), expected, atol=1e-6)


SETTINGS = {
    "chain": {"block": "ry_cx", "ring": False, "connectivity": 2, "n_qubits": 4},
    "one qubit read": {"final_linear": False},
    "skip": {"readout": "latent"},
    "classical encoder": {"encoder": "mlp", "hidden_dim": 5, "batch_norm": True},
    "12 qubits": {"n_qubits": 12, "encoder_qubits": 12, "encoder_layers": 1, "reuploads": 2, "main_layers": 1},
}  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_structure(model_of, settings):
    folder = model_of(**settings)
    latent, values = model_values(folder)
    assert len(values) == (
        1 if "readout" in settings or "final_linear" in settings else len(latent)
    )
    bound = [read_back(folder, form, text=TEXT) for form in ("qasm2", "qasm3")]
    for circuit in (*bound, bind_by_name(read_back(folder, "qasm3"), x=latent)):
        np.testing.assert_allclose(z_values(circuit, len(values)), values, atol=1e-6)


def find_measured_qubits(folder, form, **options) -> list[tuple[int, int]]:
    """Qubits that are measured, and their bits."""
    circuit = read_back(folder, form, text=TEXT, measure=True, **options)
    assert [r.name for r in circuit.cregs] == ["c"]
    pairs = [(*i.qubits, *i.clbits) for i in circuit.data if i.operation.name == "measure"]
    return [tuple(circuit.find_bit(bit).index for bit in pair) for pair in pairs]


@EVERY_FORMAT
def test_the_qubits_that_are_read_are_measured_into_their_bits(model_of, form):
    assert find_measured_qubits(model_of(readout="latent"), form) == [(0, 0)]
    folder = model_of(n_qubits=4, n_encoders=2)  # in the place of the other
    assert find_measured_qubits(folder, form) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert find_measured_qubits(folder, form, part="encoder", encoder=1) == [(0, 0), (1, 1)]
    _, values = model_values(folder)
    measured_values = z_values(read_back(folder, form, text=TEXT, measure=True), 4)
    np.testing.assert_allclose(measured_values, values, atol=1e-6)


def test_the_qubits_measured_are_those_that_the_heads_observables_read(model_of, monkeypatch):
    from qllmft.heads import quantum

    pairs = ([0, 3], [1, 3], [0, 1], [0, 3])
    observables = [SparsePauliOp.from_sparse_list([("ZZ", pair, 1.0)], 4) for pair in pairs]
    monkeypatch.setattr(quantum, "readout_observables", lambda *_: observables)
    assert find_measured_qubits(model_of(n_qubits=4), "qasm3") == [(0, 0), (1, 1), (3, 2)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": "  \n"}, "--text is empty. There is nothing in it"),
        ({"encoder": 0}, "--encoder 0 names an encoder, and --part is head. Add --part encoder"),
        ({"decompose": True}, "--decompose spells out the gate .* Add --part encoder --text"),
        ({"decompose": True, "text": TEXT}, "--decompose spells out the gate"),
        ({"decompose": True, "part": "encoder"}, "--decompose spells out the gate"),
        ({"format": "qasm2"}, "QASM 2 has no parameters, and .* x are free .* Bind them with --text"),
        ({"format": "qasm2", "text": TEXT, "weights": "free"}, "free needs --format qasm3 or qpy"),
        ({"format": "qasm2", "part": "encoder", "weights": "free"}, "so --weights free needs"),
        ({"minus": True, "text": TEXT}, "--minus changes the constant that is loaded with a text"),
        ({"minus": True, "part": "encoder"}, "--minus changes the constant that is loaded with a text"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_before_any_work(options, message):
    with pytest.raises(UserError, match=message):
        ExportRequest(**options)


PERCEPTRON = {"head": "mlp", "encoder": "none"}


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        (PERCEPTRON, {}, "the head of this model is classical: there is no circuit"),
        ({"encoder": "mlp"}, {"part": "encoder"}, "no quantum encoder: there is no such circuit"),
        (PERCEPTRON, {"part": "encoder"}, "this model has no quantum encoder"),
        ({"n_qubits": 4, "n_encoders": 2}, {"part": "encoder"}, "has 2 encoders.* --encoder 0 to 1"),
        ({}, {"part": "encoder", "encoder": 1}, "--encoder is 1. This model's encoders are 0"),
        ({}, {"part": "encoder", "encoder": -1}, "--encoder is -1. This model's encoders are 0"),
        ({}, {"part": "encoder", "minus": True}, "--minus changes the constant .* odd encoder. Omit"),
    ],
)  # fmt: skip
def test_what_a_model_does_not_have_is_refused_before_the_body_is_loaded(
    model_of, monkeypatch, settings, options, message
):
    monkeypatch.setattr("qllmft.embed.body.load_transformer", None)
    with pytest.raises(UserError, match=message):
        export_run(model_of(**settings), ExportRequest(text=TEXT, **options))


def test_without_matplotlib_a_drawing_says_what_to_install(model_of, monkeypatch):
    def missing(*arguments):
        raise ImportError("no matplotlib")

    monkeypatch.setattr("qllmft.inference.export.draw_svg", missing)
    with pytest.raises(UserError, match=r"pip install 'qllmft\[demo\]'"):
        export_run(model_of(), ExportRequest("svg"))


def read_numbers(exported):
    """Return the numbers in a comment of a QASM file."""
    return json.loads(re.search("numbers outside the circuit: (.+)", exported.content.decode())[1])


@pytest.mark.public_report(
    case="messages",
    source="own audit",
    seen="an exported head did not say what to measure, nor where its inputs come from",
    outcome="comments name the observables, the sum of the logits, and the command that binds a text",
)
def test_a_file_says_what_to_measure_and_where_its_inputs_come_from(model_of):
    content = export_run(model_of(n_qubits=4), ExportRequest("qasm3")).content.decode()
    comments = [line for line in content.splitlines() if line.startswith("// ")]
    assert comments[1].startswith("// values: the expectation values of IIIZ, ")
    assert comments[1].endswith("whose rightmost letter is qubit 0")
    assert comments[2] == (
        "// logits: weight times values, plus bias. Without a weight, the logits are the values."
    )
    assert "are not in this file. qllmft export RUN --text 'your text' binds them." in comments[3]


@pytest.mark.parametrize("form", ["qasm3", "qasm2"])
def test_two_encoders_a_head_and_the_numbers_of_their_files_give_the_models_probabilities(
    trained_run, form
):
    latent = []
    for index in range(2):
        request = ExportRequest(form, part="encoder", text=TEXT, encoder=index)
        encoder = export_run(trained_run, request)
        numbers = read_numbers(encoder)
        values = z_values(READ[form](encoder), 4)[numbers["qubits"]]
        assert not numbers["odd"]
        latent += (numbers["latent_scale"] * values).tolist()
    head = export_run(trained_run, ExportRequest("qasm3"))
    numbers = read_numbers(head)
    values = z_values(bind_by_name(READ["qasm3"](head), x=latent), 4)
    shares = softmax(np.asarray(numbers["weight"]) @ values + numbers["bias"])
    expected = Predictor.load(trained_run).predict([TEXT])[0].probabilities
    assert dict(zip(numbers["labels"], shares, strict=True)) == pytest.approx(expected, abs=1e-5)


def test_an_odd_encoder_and_the_numbers_of_its_file_give_the_models_probabilities(model_of):
    folder = model_of(head="none", n_encoders=1, encoder_qubits=5, pad="bias", odd=True)
    request = {"part": "encoder", "text": TEXT}
    plus, minus = (export_run(folder, ExportRequest(minus=m, **request)) for m in (False, True))
    numbers = read_numbers(plus)
    assert numbers["odd"]
    change = (z_values(READ["qasm3"](plus), 5) - z_values(READ["qasm3"](minus), 5)) / 2
    latent = numbers["latent_scale"] * change[numbers["qubits"]]
    shares = softmax(np.asarray(numbers["weight"]) @ latent + numbers["bias"])
    expected = Predictor.load(folder).predict([TEXT])[0].probabilities
    np.testing.assert_allclose(shares, list(expected.values()), atol=1e-5)


def test_other_formats_hold_the_numbers_too(trained_run):
    drawing = export_run(trained_run, ExportRequest("txt"))
    numbers = from_qpy(export_run(trained_run, ExportRequest("qpy")).content).metadata
    plain = export_run(trained_run, ExportRequest())
    assert numbers == read_numbers(drawing) == read_numbers(plain)


@pytest.mark.parametrize("form", ["qasm3", "qasm2", "txt"])
def test_labels_do_not_act_on_the_terminal(form):
    circuit = QuantumCircuit(1)
    circuit.metadata = {"labels": ["red\x9b31m", "\u202eright", "schön"]}
    text = _render(circuit, form, [])[0].decode()
    assert not {"\x9b", "\u202e"} & set(text)
    (line,) = (line for line in text.splitlines() if "labels" in line)
    assert json.loads(line[line.index("{") :])["labels"] == circuit.metadata["labels"]


@pytest.mark.parametrize(
    ("settings", "logits"),
    [
        ({"final_linear": False}, "the value, and minus the value"),
        (
            {"readout": "latent"},
            "weight times the latent angles x, in their order, and then the values",
        ),
    ],
)
def test_a_head_with_another_readout_says_how_its_logits_follow(model_of, settings, logits):
    folder = model_of(n_qubits=4, **settings)
    exported = export_run(folder, ExportRequest("qasm3"))
    assert f"// logits: {logits}\n" in exported.content.decode()
    latent, _ = model_values(folder)
    numbers = read_numbers(exported)
    values = z_values(bind_by_name(READ["qasm3"](exported), x=latent), 1)
    if "weight" in numbers:
        head_logits = np.asarray(numbers["weight"]) @ [*latent, *values] + numbers.get("bias", 0.0)
    else:
        head_logits = np.array([values[0], -values[0]])
    expected = Predictor.load(folder).predict([TEXT])[0].probabilities
    np.testing.assert_allclose(softmax(head_logits), list(expected.values()), atol=1e-5)
