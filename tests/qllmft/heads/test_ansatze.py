"""An ansatz by name in encoder and head: values by two routes, counts, files, and the errors of a faulty one."""

import json

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import Statevector
from qiskit_reference import logits, z_values

import qllmft
from examples.study_of_an_ansatz import ladder
from qllmft.config import BodyConfig, ModelConfig
from qllmft.energy.formula import head_counts
from qllmft.heads import build_classifier
from qllmft.model import StoredModel, load_model, save_model
from qllmft.run.setup import check_circuits
from qllmft.templates import ANSATZE, ansatz_named, describe, encoder_template, head_template
from qllmft.training import compute_logits
from qllmft_backends import UnsupportedGateError, create
from qllmft_base.errors import UserError
from qllmft_circuits import data_parameters, readout_observables, weight_parameters
from qllmft_circuits.ansatz import LIBRARY

D = 8
Q = 3
REAL = ["brickwork", "real_amplitudes", "n_local_ry_cz", "mixed_ansatz"]
X = torch.from_numpy(np.random.default_rng(0).normal(size=(5, D))).float()


def mixed_ansatz(n_qubits, n_layers):
    """Fixed gates between the rotations, and angles that share parameters and have offsets; the last come first."""
    angles = ParameterVector("x", n_layers * (n_qubits + 1))
    circuit = QuantumCircuit(n_qubits, name="anything")
    for part in reversed(np.array_split(np.array(list(angles)), n_layers)):
        circuit.h(0)
        for qubit in range(n_qubits):
            circuit.ry(0.5 * part[qubit] - part[-1] + 0.3, qubit)
            circuit.cz(qubit, (qubit + 1) % n_qubits)
        circuit.barrier()
    return circuit


def opaque(n_qubits, n_layers):
    """`mixed_ansatz` as a chain of gates that only their definitions tell apart."""
    circuit = QuantumCircuit(n_qubits)
    pair = QuantumCircuit(2, name="opaque_pair")
    pair.ry(Parameter("t"), 0)
    pair.cx(0, 1)
    for angle in ParameterVector("a", n_layers * (n_qubits - 1)):
        circuit.append(
            pair.to_gate({pair.parameters[0]: angle}), [angle.index % (n_qubits - 1), n_qubits - 1]
        )
    return circuit


@pytest.fixture(autouse=True)
def register():
    for function in (mixed_ansatz, opaque):
        qllmft.register("ansatz", function.__name__, function)
    yield lambda name, function: ANSATZE.register(name, function, replace=True)
    for name in [name for name in ANSATZE if name not in ("paper", *LIBRARY)]:
        ANSATZE.unregister(name)


def small_config(name, **settings):
    small = {"n_qubits": Q, "encoder_qubits": Q, "encoder_layers": 2, "reuploads": 3}
    return ModelConfig(**small | {"ansatz": name} | settings)


PARTS = [{}, {"encoder_ansatz": "paper"}, {"encoder_ansatz": "separable"}]


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("name", REAL)
def test_logits_and_gradients_are_those_of_qiskit_s_statevectors(name, parts):
    config = small_config(name, **parts)
    model = build_classifier(config, D, 2, seed=3)
    np.testing.assert_allclose(model(X).detach().numpy(), logits(model, config, X), atol=2e-6)
    model(X)[:, 0].sum().backward()
    for parameter in (model.encoder.encoders[0].theta, model.head.connector.weight):
        for i in (0, len(parameter) - 1):
            ends = []
            for step in (1e-2, -1e-2):
                with torch.no_grad():
                    parameter[i] += step
                    ends.append(logits(model, config, X)[:, 0].sum())
                    parameter[i] -= step
            assert parameter.grad[i].item() == pytest.approx(
                (ends[0] - ends[1]) / 2e-2, rel=2e-3, abs=2e-3
            )
    model.double()
    np.testing.assert_allclose(
        model(X.double()).detach().numpy(), logits(model, config, X.double()), atol=1e-12
    )


def test_complex_gates_run_on_the_engine_unless_a_backend_is_given():
    """In a loaded model, too; elsewhere each gradient takes two circuits for each angle, and values have 32 bits."""
    head = qllmft.QuantumHead(4, 2, ansatz=ANSATZE["efficient_su2"]).double()
    assert head.connector.engine is not None
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 4))).requires_grad_()
    inputs = data_parameters(head.circuit)
    weights = weight_parameters(head.circuit)
    values = head.connector.weight.detach().numpy()
    expected = []
    for row in x.detach().numpy():
        bound = head.circuit.assign_parameters(
            dict(zip([*inputs, *weights], [*row, *values], strict=True))
        )
        state = Statevector(bound)
        expected.append([state.expectation_value(z).real for z in head.observables])
    np.testing.assert_allclose(head(x).detach().numpy(), expected, atol=1e-12)
    assert torch.autograd.gradcheck(head, (x,))


@pytest.mark.parametrize("name", [*REAL, "efficient_su2"])
def test_every_parameter_is_counted_once(name):
    config = small_config(name, encoder="mlp" if name == "efficient_su2" else "quantum")
    head = head_template(config)
    encoder = encoder_template(config)
    backend = create("aer_statevector") if name == "efficient_su2" else None
    model = build_classifier(config, D, 2, backend=backend)
    assert (
        model.head.connector.weight.numel()
        == head.num_parameters - Q
        == head_counts(config, Q).weights
    )
    if encoder is not None:
        assert model.encoder.encoders[0].theta.numel() == encoder.num_parameters
        parts = {part.name: part for part in describe(config, D, 2).parts}
        assert (
            parts["encoder"].parameters
            == encoder.num_parameters + 1
            == parts["encoder"].circuit.weights + 1
        )
        sizes = [len(i.qubits) for i in head.data if i.operation.name != "barrier"]
        assert parts["head"].circuit.two_qubit_gates == sizes.count(2)


@pytest.mark.parametrize(
    ("name", "settings"), [("mixed_ansatz", {}), ("efficient_su2", {"encoder": "mlp"})]
)
def test_every_backend_measures_the_same(name, settings, tmp_path):
    head = head_template(small_config(name, **settings, reuploads=2, main_layers=1))
    values = np.random.default_rng(2).uniform(-2, 2, (2, head.num_parameters))
    exact = z_values(head, values)
    observables = readout_observables(Q)
    answer = create("aer_statevector").expectations(head, values, observables)
    np.testing.assert_allclose(answer.values, exact, atol=1e-9)
    noisy = create(
        "aer_forte",
        {"noise": "explicit", "one_qubit_rate": 0.0, "two_qubit_rate": 0.0, "shots": 4000},
    ).expectations(head, values, observables)
    assert np.abs(noisy.values - exact).max() < 4 / np.sqrt(4000)
    mock_server = pytest.importorskip(
        "qllmft_machines.sandbox", reason="qiskit-ionq is not installed"
    )
    with (
        mock_server.MockServer(token="key-of-the-test", store=mock_server.Store()) as box,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("QISKIT_IONQ_API_TOKEN", "key-of-the-test")
        options = {"url": box.url, "ledger": str(tmp_path / "ledger"), "poll_interval_s": 0.02}
        measurement = create("ionq_simulator", options).expectations(head, values, observables)
    np.testing.assert_allclose(measurement.values, exact, atol=2e-6)


def stored_model(config):
    return StoredModel(
        classifier=build_classifier(config, D, 2, seed=4),
        config=config,
        body=BodyConfig(model="hash"),
        body_identity="id",
        dimension=D,
        label_names=("a", "b"),
    )


@pytest.mark.parametrize(
    ("name", "settings"),
    [("mixed_ansatz", {}), ("brickwork", {"final_linear": False}), ("opaque", {"encoder": "mlp"})],
)
def test_a_model_is_saved_with_its_ansatz_and_read_again(name, settings, tmp_path):
    model = stored_model(small_config(name, **settings))
    save_model(tmp_path, model)
    record = json.loads((tmp_path / "model.json").read_text())
    assert record["model"]["ansatz"] == name
    assert record.get("ansatz_source") == (None if name == "brickwork" else "registered in Python")
    assert torch.equal(
        compute_logits(load_model(tmp_path).classifier, X), compute_logits(model.classifier, X)
    )


def test_a_model_whose_ansatz_is_elsewhere_says_where_it_came_from(register, tmp_path):
    register("lent", mixed_ansatz)
    save_model(tmp_path, stored_model(small_config("lent")))
    ANSATZE.unregister("lent")
    message = (
        r"^the model in .{1,200} was trained with the ansatz 'lent' \(registered in Python\), which is not "
        r"installed. There are paper, brickwork, .*"
        r"Install its package, or call qllmft.register\('ansatz', 'lent', ...\) first"
    )
    with pytest.raises(UserError, match=message):
        load_model(tmp_path)
    register("lent", LIBRARY["real_amplitudes"])  # another circuit of that name
    with pytest.raises(UserError, match=r"does not fit its record|is not what was saved"):
        load_model(tmp_path)


def test_encoders_and_head_may_have_ansaetze_of_their_own(tmp_path):
    config = small_config("separable", encoder_ansatz="paper", connectivity=1)
    encoder = encoder_template(config)
    head = head_template(config)
    assert (encoder.num_nonlocal_gates(), head.num_nonlocal_gates()) == (Q * 2, 0)
    sparse_config = small_config("paper", encoder_ansatz="separable", connectivity=2)
    assert encoder_template(sparse_config).num_nonlocal_gates() == 0
    assert head_template(sparse_config).num_nonlocal_gates() == 2 * Q * 4


def test_what_the_engine_lacks_is_said_with_what_runs_it():
    with pytest.raises(UnsupportedGateError, match=r"'opaque_pair'.*aer_statevector"):
        check_circuits(
            small_config("opaque", encoder="mlp"), create("adjoint", {"noise": "forte1"})
        )
    check_circuits(small_config("opaque", encoder="mlp"), create("adjoint"))
    for refused in (
        check_circuits,
        lambda config, backend: build_classifier(config, D, 2, backend=backend),
    ):
        with pytest.raises(UserError, match=r"'opaque_pair'.*\(model\.encoder_ansatz\)") as error:
            refused(small_config("opaque"), create("aer_statevector"))
        assert "aer_statevector" not in str(error.value)  # it runs no encoder
    check_circuits(small_config("opaque", encoder="mlp"), create("aer_statevector"))
    check_circuits(small_config("mixed_ansatz"), create("adjoint", {"noise": "forte1"}))
    # on the exact backend that runs it
    model = build_classifier(small_config("opaque", encoder="mlp"), D, 2, seed=3)
    expected = logits(model, small_config("opaque", encoder="mlp"), X[:1])
    np.testing.assert_allclose(model(X[:1]).detach().numpy(), expected, atol=1e-5)


def ry_chain(n_qubits, n_layers, *, width=0, per_layer=1, unused=0, offset=0.0):
    angles = ParameterVector("a", per_layer * n_layers + unused)
    circuit = QuantumCircuit(n_qubits + width)
    for i in range(per_layer * n_layers):
        circuit.ry(angles[i] + offset, i % n_qubits)
    return circuit


def with_gate(method, *arguments):
    def ansatz(n_qubits, n_layers):
        circuit = ry_chain(n_qubits, n_layers)
        getattr(circuit, method)(*arguments)
        return circuit

    return ansatz


RANDOM = np.random.default_rng(0)
FAULTS = {
    "another width": (lambda n, k: ry_chain(n, k, width=1), "3 qubits and 1 layer, made a circuit of 4 qubits"),
    "no circuit": (lambda n, k: "ry", "made a str, expected a qiskit.QuantumCircuit"),
    "an error": (lambda n, k: n / 0, r"\(registered in Python\), called with 3 .* failed: ZeroDivisionError: division"),
    "arguments": (lambda n: ry_chain(n, 1), "failed: TypeError: .* takes 1 positional argument but 2 were given"),
    "unused": (lambda n, k: ry_chain(n, k, unused=2), r"does not use the parameter a\[1\]. Make the vector as long"),
    "none": (lambda n, k: QuantumCircuit(n), "has 0 parameters for 1 layer and 0 for 2 on 3 qubits, expected at least"),
    "layers": (lambda n, k: ry_chain(n, 1), "has 1 parameters for 1 layer and 1 for 2 on 3 qubits, .* more with every"),
    "random": (lambda n, k: ry_chain(n, k, offset=RANDOM.normal()), "made two different circuits of the same numbers"),
    "measured": (with_gate("measure_all"), "has a 'measure', expected gates only"),
    "reset": (with_gate("reset", 0), "has a 'reset', expected gates only"),
    "wide": (with_gate("ccx", 0, 1, 2), r"has the gate 'ccx' on 3 qubits. Write it as gates on one and two"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_one_is_refused_with_the_reason(fault, register):
    function, message = FAULTS[fault]
    register("faulty", function)
    with pytest.raises(UserError, match=f"the ansatz 'faulty' .*{message}"):
        ansatz_named("faulty", Q)


def test_one_that_fails_later_is_told_too(register):
    register("late", lambda n, k: ry_chain(n, k, width=k > 2))
    with pytest.raises(UserError, match="3 qubits and 5 layers, made a circuit of 4 qubits"):
        head_template(small_config("late", main_layers=5))


def test_the_own_ansatz_of_the_examples():
    qllmft.register("ansatz", "ladder", ladder, replace=True)
    config = small_config("ladder")
    assert head_template(config).count_ops() == {"ry": 3 * Q + 4 * Q, "cz": 4 * (Q - 1)}
    check_circuits(config, create("adjoint"))
    expected = build_classifier(config, D, 2, seed=1).head
    alone = qllmft.QuantumHead(Q, 3, ansatz=ANSATZE["ladder"])
    alone.load_state_dict(expected.state_dict())
    assert torch.equal(alone(X[:, :Q]), expected(X[:, :Q]))


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(
        UserError,
        match=r"no ansatz 'brick', expected one of paper, brickwork, .* mixed_ansatz, opaque. Did you",
    ):
        build_classifier(small_config("brick"), D, 2)
