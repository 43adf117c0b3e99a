"""Head and encoder among torch's own modules: precision, shapes, copies, files, compilation, two processes."""

import copy
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from forked_scripts import Script
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import Gate, Measure, ParameterVector
from qiskit.primitives import StatevectorSampler
from qiskit.quantum_info import Pauli, SparsePauliOp, Statevector
from qiskit_machine_learning.neural_networks import SamplerQNN
from qiskit_reference import z_values
from reference_circuits import StatevectorBackend, expectations_by_statevector
from torch import nn
from torch.nn.utils import prune
from two_processes import gradients, model
from zz_heads import zz_head

from qllmft import QuantumEncoder, QuantumHead
from qllmft.heads import without_noise
from qllmft_backends import UnsupportedGateError, create
from qllmft_base.errors import UserError

NOISY = {
    "noise": "explicit",
    "one_qubit_rate": 0.05,
    "two_qubit_rate": 0.1,
    "readout_error": 0.02,
    "seed": 3,
}
LAYERS = {
    "head": lambda: QuantumHead(3, 2, generator=generator()),
    "sums": lambda: own_head(
        [SparsePauliOp.from_list([("ZIZ", 0.3), ("IZI", -1.1)]), SparsePauliOp("ZZZ")]
    ),
    "encoder": lambda: QuantumEncoder(3, 3, 2, 2, pad="bias", generator=generator()),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def own_circuit() -> tuple[QuantumCircuit, ParameterVector, ParameterVector]:
    """Names in an order that is not the alphabet's, a constant angle (that of H) and sums of parameters."""
    data = ParameterVector("z", 3)
    weights = ParameterVector("a", 2)
    circuit = QuantumCircuit(3)
    circuit.h(0)
    for qubit in range(3):
        circuit.ry(data[qubit] + 0.1, qubit)
    circuit.cx(0, 1)
    circuit.ry(weights[0] - 2 * weights[1], 1)
    circuit.cz(1, 2)
    circuit.ry(weights[1], 2)
    return circuit, data, weights


def own_head(observables=None, **options) -> QuantumHead:
    circuit, data, weights = own_circuit()
    return QuantumHead.from_circuit(
        circuit, observables, data=data, weights=weights, generator=generator(), **options
    )


def normal_tensor(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(9))


@pytest.fixture(params=LAYERS)
def layer(request):
    return LAYERS[request.param]()


def test_gradcheck_in_float64_and_the_same_bits_in_float32_after_it(layer):
    x = normal_tensor(2, 2, 3)
    in_float32 = layer(x)
    layer.double()
    inputs = (x.double().requires_grad_(), *layer.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: layer(x), inputs, eps=1e-6, atol=1e-9, rtol=1e-7)
    exact = layer(x)  # float32 in, the weights' dtype out
    assert exact.dtype == torch.float64
    assert 0 < (exact - in_float32).abs().max() < 1e-5
    assert torch.equal(layer.float()(x), in_float32)


def test_noise_in_float64_is_the_same_noise():
    head = QuantumHead(3, 2, generator=generator(), backend=create("adjoint", NOISY))
    x = normal_tensor(20, 3)
    first = copy.deepcopy(head)
    drawn_in_double = copy.deepcopy(head).double()(x)
    torch.testing.assert_close(first(x).double(), drawn_in_double, rtol=0, atol=1e-5)
    with without_noise(head):
        assert (head(x) - drawn_in_double).abs().max() > 0.1
    assert head(normal_tensor(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("shape", [(), (4,), (2, 5), (2, 1, 3), (0,), (2, 0)])
@pytest.mark.parametrize("make", [*LAYERS.values(), lambda: own_head(backend=StatevectorBackend())])
def test_any_leading_shape_comes_out_as_it_went_in(make, shape):
    layer = make()
    x = normal_tensor(*shape, 3).requires_grad_()
    out = layer(x)
    assert out.shape[:-1] == shape
    for row, alone in zip(out.reshape(-1, out.shape[-1]), x.reshape(-1, 3), strict=True):
        torch.testing.assert_close(row, layer(alone[None])[0], rtol=0, atol=1e-6)
    out.sum().backward()
    assert x.grad.shape == x.shape
    assert all((parameter.grad != 0).any() == (x.numel() > 0) for parameter in layer.parameters())


def test_a_circuit_of_ones_own_by_qiskit_alone():
    circuit, _, _ = own_circuit()
    sums = [SparsePauliOp.from_list([("ZIZ", 0.3), ("III", -1.1)]), SparsePauliOp("ZZI")]
    head = own_head(sums).double()
    x = normal_tensor(4, 3).double()
    weights = head.connector.weight.detach().expand(4, -1)
    parameters = torch.cat([weights, x], dim=1).numpy()  # Qiskit's order: a before z
    expected = expectations_by_statevector(circuit, parameters, sums)
    np.testing.assert_allclose(head(x).detach(), expected, rtol=0, atol=1e-12)
    every = own_head().double()(x)
    np.testing.assert_allclose(every.detach(), z_values(circuit, parameters), rtol=0, atol=1e-12)


def test_products_and_functions_of_parameters_are_angles_of_a_head():
    head = zz_head(2).double()
    x = normal_tensor(4, 3).double().requires_grad_()
    weights = head.connector.weight.detach().expand(4, -1)
    parameters = torch.cat([weights, x.detach()], dim=1).numpy()  # Qiskit's order: a before x
    expected = expectations_by_statevector(head.circuit, parameters, head.observables)
    np.testing.assert_allclose(head(x).detach(), expected, rtol=0, atol=1e-12)
    inputs = (x, head.connector.weight)
    assert torch.autograd.gradcheck(lambda x, _: head(x), inputs, eps=1e-6, atol=1e-8)
    shifted = zz_head(2, backend=create("aer_statevector"))
    gradients = []
    for module in (head.float(), shifted):
        module.zero_grad()
        z = x.detach().float().requires_grad_()
        module(z).square().sum().backward()
        gradients.append((z.grad, module.connector.weight.grad))
    torch.testing.assert_close(*gradients, atol=2e-5, rtol=0)
    unpickled = pickle.loads(pickle.dumps(head))
    assert torch.equal(unpickled(z), head(z))
    assert torch.equal(copy.deepcopy(head)(z), head(z))


def sampled_labels(outcome: int) -> int:
    return (outcome * outcome + 1) % 3


@pytest.mark.parametrize(
    ("interpret", "shape"),
    [("outcomes", 8), ("parity", 2), (sampled_labels, 3), (sampled_labels, 4)],
    ids=["outcomes", "parity", "function", "an unused label"],
)
def test_probabilities_of_labels_and_gradients_are_those_of_sampler_qnn(interpret, shape):
    circuit, data, weights = own_circuit()
    circuit.rx(data[0] * weights[0], 2)
    head = QuantumHead.from_circuit(
        circuit,
        data=data,
        weights=weights,
        interpret=interpret,
        output_shape=None if shape == 3 else shape,
        generator=generator(),
    ).double()
    x = normal_tensor(4, 3).double().requires_grad_()
    probabilities = head(x)
    w = head.connector.weight.detach().numpy()
    by_state = np.zeros((4, shape))
    label = {"outcomes": int, "parity": lambda s: s.bit_count() % 2}.get(interpret, interpret)
    for i, row in enumerate(x.detach().numpy()):
        bound = circuit.assign_parameters({data: row, weights: w})
        for outcome, probability in enumerate(Statevector(bound).probabilities()):
            by_state[i, label(outcome)] += probability
    np.testing.assert_allclose(probabilities.detach(), by_state, atol=1e-12)
    assert torch.autograd.gradcheck(
        lambda x, _: head(x), (x, head.connector.weight), eps=1e-6, atol=1e-8
    )
    network = SamplerQNN(
        circuit=circuit,
        sampler=StatevectorSampler(default_shots=20_000, seed=1),
        input_params=data,
        weight_params=weights,
        interpret=label,
        output_shape=shape,
        input_gradients=True,
    )
    np.testing.assert_allclose(network.forward(x.detach().numpy(), w), by_state, atol=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interpret": "ones"}, "interpret is 'ones', expected 'outcomes', 'parity' or a function"),
        ({"interpret": lambda s: s - 1}, "gives -1 for outcome 0, expected an integer from 0"),
        ({"interpret": sampled_labels, "output_shape": 2}, "gives 2 for .* below output_shape=2"),
        ({"interpret": "parity", "observables": [SparsePauliOp("ZZZ")]}, "expected one of them"),
        ({"observables": []}, "observables is empty, expected an operator for each value"),
        ({"observables": [np.eye(8)]}, "observables hold ndarray, expected SparsePauliOp"),
        ({"observables": ["ZZQ"]}, "observables hold a text that is no Pauli string .*ZZQ"),
    ],
)
def test_labels_and_observables_that_are_none_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        own_head(**options)


def own_circuit_with(operation, *places) -> dict[str, object]:
    """Return the arguments of a head of `own_circuit` with further operations at its end."""
    circuit, data, weights = own_circuit()
    circuit.add_register(ClassicalRegister(3))
    for place in places:
        circuit.append(operation, *place)
    return {"circuit": circuit, "data": data, "weights": weights}


OTHER_BITS = r"the circuit measures qubit 0 into bit .*Leave these"


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (own_circuit_with(Measure(), ([0], [0])), {"interpret": "parity"}, UserError, OTHER_BITS),
        (own_circuit_with(Measure(), ([0], [1]), ([2], [0])), {"interpret": "parity"}, UserError, OTHER_BITS),
        (
            own_circuit_with(Measure(), ([0], [1]), ([1], [0]), ([2], [2])),
            {"interpret": "parity"},
            UserError,
            OTHER_BITS,
        ),
        (own_circuit_with(Gate("mystery", 1, []), ([0],)), {}, UnsupportedGateError, "is 'mystery' on qubits"),
    ],
    ids=["one", "two in turn", "permuted", "an unknown gate"],
)  # fmt: skip
def test_operations_that_a_head_cannot_read_are_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        QuantumHead.from_circuit(**arguments, **options)


def test_outcomes_of_a_circuit_that_measures_all_qubits_are_those_of_qiskits_network():
    circuit, data, weights = own_circuit()
    layers = [
        QuantumHead.from_circuit(
            any_circuit, data=data, weights=weights, interpret="outcomes", generator=generator()
        )
        for any_circuit in (circuit, circuit.measure_all(inplace=False))
    ]
    x = normal_tensor(4, 3)
    torch.testing.assert_close(layers[1](x), layers[0](x))


def test_one_operator_is_one_value_and_letters_are_a_pauli_string():
    circuit, data, weights = own_circuit()
    operator = SparsePauliOp(["ZII", "IXX"], [0.5, -1.5])
    x = normal_tensor(4, 3)

    def values(observables):
        layer = QuantumHead.from_circuit(
            circuit, observables, data=data, weights=weights, generator=generator()
        )
        return layer(x).detach()

    parts = values(["ZII", Pauli("IXX")])
    assert parts.shape == (4, 2)
    torch.testing.assert_close(values(operator), parts @ torch.tensor([[0.5], [-1.5]]))
    torch.testing.assert_close(values("ZII"), parts[:, :1])


def test_a_state_dict_has_every_key_at_construction_and_goes_through_a_file(layer):
    state = layer.state_dict()
    layer(normal_tensor(2, 3)).sum().backward()
    layer.double().float()
    assert layer.state_dict().keys() == state.keys() == dict(layer.named_parameters()).keys()
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    copied = copy.deepcopy(layer)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.add_(1)
    copied.load_state_dict(torch.load(file, weights_only=True), strict=True)
    assert torch.equal(copied(normal_tensor(2, 3)), layer(normal_tensor(2, 3)))


def test_copies_are_layers_of_their_own(layer):
    x = normal_tensor(9, 3)
    original_values = layer(x)
    original_values.sum().backward()
    for layer_copy in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        for parameter in layer_copy.parameters():
            parameter.grad = None
        out = layer_copy(x)
        assert torch.equal(out, original_values)
        out.sum().backward()
        for mine, theirs in zip(layer.parameters(), layer_copy.parameters(), strict=True):
            assert torch.equal(mine.grad, theirs.grad)
        with torch.no_grad():
            next(iter(layer_copy.parameters())).add_(1)
        assert not torch.equal(layer_copy(x), original_values)
    assert torch.equal(layer(x), original_values)


def test_pickles_work_in_another_process(tmp_path):
    layers = [make() for make in LAYERS.values()]
    x = normal_tensor(9, 3)
    # compiled functions and plans are at addresses of this process
    out = [layer(x).tolist() for layer in layers]
    (tmp_path / "layers").write_bytes(pickle.dumps((layers, x)))
    script = (
        "import pickle, sys; layers, x = pickle.load(open(sys.argv[1], 'rb')); out = [layer(x) for layer in layers];"
        "sum(o.sum() for o in out).backward(); pickle.dump([o.tolist() for o in out], open(sys.argv[2], 'wb'))"
    )
    (tmp_path / "script.py").write_text(script)
    Script(tmp_path / "script.py", tmp_path / "layers", tmp_path / "out").wait()
    assert pickle.loads((tmp_path / "out").read_bytes()) == out


def test_two_processes_have_the_gradients_of_one(tmp_path):
    script = Path(__file__).with_name("two_processes.py")
    started = [Script(script, rank, tmp_path / "store", tmp_path) for rank in (0, 1)]
    for process in started:
        process.wait()
    expected = gradients(model(), slice(None))
    for rank in range(2):
        got = np.load(tmp_path / f"{rank}.npz")
        for mine, name in zip(expected, got.files, strict=True):
            assert np.abs(mine).max() > 1e-4
            np.testing.assert_allclose(got[name], mine, rtol=0, atol=1e-12)


# torch's own
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
# torch's own
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0:RuntimeWarning")
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compile_breaks_the_graph_around_a_layer(backend):
    plain = model()
    x = normal_tensor(8, 6).double()
    torch.compiler.reset()
    compiled = torch.compile(copy.deepcopy(plain), backend=backend)
    with torch.no_grad():  # and of another number of rows
        torch.testing.assert_close(compiled(x[:6]), plain(x[:6]), rtol=0, atol=1e-14)
    torch.testing.assert_close(compiled(x), plain(x), rtol=0, atol=1e-14)
    for mine, theirs in zip(
        gradients(plain, slice(None)), gradients(compiled, slice(None)), strict=True
    ):
        np.testing.assert_allclose(theirs, mine, rtol=0, atol=1e-14)


def test_mixed_precision_ends_at_the_layer(layer):
    x = normal_tensor(4, 3).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(x)
        assert nn.Linear(out.shape[-1], 2)(out).dtype == torch.bfloat16
    assert out.dtype == torch.float32
    assert torch.equal(out, layer(x.float()))


@pytest.mark.parametrize(
    ("change", "x", "message"),
    [
        (
            lambda layer: layer,
            normal_tensor(4, 3).double(),
            r"are torch.float64, the layer's weights torch.float32: call .double\(\) on",
        ),
        (
            lambda layer: layer.half(),
            normal_tensor(4, 3).half(),
            r"weights are torch.float16, .* call .float\(\) on the layer",
        ),
        (
            lambda layer: layer.to("meta"),
            torch.zeros(4, 3, device="meta"),
            r"tensors are on meta, .* engine computes on the cpu. Keep the layer on the CPU",
        ),
    ],
    ids=["double inputs", "half precision", "another device"],
)
def test_tensors_of_another_precision_or_device_are_refused(layer, change, x, message):
    with pytest.raises(UserError, match=message):
        change(layer)(x)


def test_a_layer_follows_torchs_default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        out = nn.Sequential(
            nn.Linear(2, 3), QuantumHead(3), QuantumEncoder(3, 3, 2, 1), nn.Linear(2, 1)
        )(normal_tensor(4, 2).double())
    finally:
        torch.set_default_dtype(torch.float32)
    assert out.dtype == torch.float64


def test_pruned_weights_stay_at_zero_in_training_and_become_the_layers_own():
    circuit = QuantumCircuit(3)
    angles = ParameterVector("w", 6)
    for qubit in range(3):
        circuit.ry(angles[qubit], qubit)
        circuit.rx(angles[3 + qubit], qubit)
    circuit.cz(0, 1)
    sums = [SparsePauliOp(["ZII", "IXZ"], [0.5, 1.5])]
    head = QuantumHead.from_circuit(circuit, sums, data=[], weights=angles, generator=generator())
    prune.custom_from_mask(head.connector, "weight", torch.tensor([1, 0, 1, 0, 1, 1]))
    head.double()
    x = torch.zeros(2, 0, dtype=torch.float64)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    dense_values = head(x).detach()
    for _ in range(3):
        optimizer.zero_grad()
        head(x).sum().backward()
        optimizer.step()
    values = head(x).detach()
    weight = head.connector.weight.detach().clone()
    assert values[0, 0] < dense_values[0, 0]
    assert weight[[1, 3]].tolist() == [0, 0]
    bound = circuit.assign_parameters(dict(zip(angles, weight.tolist(), strict=True)))
    expected = Statevector(bound).expectation_value(sums[0]).real
    assert values[:, 0].tolist() == pytest.approx([expected, expected], abs=1e-12)
    prune.remove(head.connector, "weight")
    assert list(head.state_dict()) == ["connector.weight"]
    assert torch.equal(head.connector.weight, weight)
    assert torch.equal(copy.deepcopy(head)(x), values)
