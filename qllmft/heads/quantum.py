"""Quantum head: latent angles (B, Q) to ⟨Z⟩ (B, Q_m) by the re-uploading circuit on a backend.

A head of several registers is as many of these circuits side by side. No gate joins them, so each is a circuit of its
own, and the work grows with their number and not as a power of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.exceptions import QiskitMachineLearningError
from qiskit_machine_learning.neural_networks import EstimatorQNN
from torch import Tensor, nn

from qllmft.bounds import MAX_CIRCUIT_QUBITS
from qllmft.heads.checks import check_ansatz, check_backend, parameter_names
from qllmft.heads.connector import AdjointConnector
from qllmft.heads.initial_weights import initial_angles
from qllmft.heads.operators import Observable, measured_operators
from qllmft.heads.sines import SINE_START_CENTRE, SINE_START_SPREAD
from qllmft_backends import Backend, BackendError, UnsupportedGateError, create
from qllmft_backends.definitions import numeric_parameters
from qllmft_backends.layouts import undo_layout
from qllmft_backends.pauli_expectations import defer_to_gates
from qllmft_backends.requests import seed_option
from qllmft_base.errors import UserError, check_whole_number
from qllmft_circuits import data_parameters, head_circuit, readout_observables, weight_parameters
from qllmft_circuits.ansatz import Ansatz
from qllmft_circuits.head import Interpret, Readout
from qllmft_engine import is_supported

# where the weights of a head begin
Start: TypeAlias = Literal["random", "linear", "sines"]
STARTS = get_args(Start)


class QuantumHead(nn.Module):
    """PQC of figure 1 as a torch module: `EstimatorQNN` in a `TorchConnector`.

    Args:
        n_qubits: Q.
        reuploads, reupload_layers, main_layers: R, N, M of table I.
        ansatz: makes the layers; the paper's by default.
        readout: ``all`` qubits, the ``first``, or all Z ``words`` of 1 to ``word_weight`` qubits.
        word_weight: largest number of qubits in a word.
        initial_angle: largest initial angle; see `initial_angles`.
        start: ``random`` weights; ``sines``: weights near `SINE_START_CENTRE`, for one upload and one layer of the
            paper's ansatz; ``linear``: random ones, which a training of qllmft replaces by those of a linear model.
        backend: runs the circuit; `exact_backend` by default.
        generator: source of the initial weights; torch's default generator if None.
        registers: number of equal circuits of ``n_qubits`` / ``registers`` qubits each, with weights of their own.

    Raises:
        UserError: if ``start`` is ``sines`` and there are more uploads, layers or weights; if a size is no whole number
            or too large, ``n_qubits`` no multiple of ``registers``, ``ansatz`` no function, ``backend`` no backend or
            ``generator`` no generator.

    >>> head = QuantumHead(4)
    >>> head(torch.zeros(3, 4)).shape
    torch.Size([3, 4])
    """

    start: Start = "random"
    registers: int = 1

    def __init__(
        self,
        n_qubits: int,
        reuploads: int = 4,
        reupload_layers: int = 1,
        main_layers: int = 2,
        *,
        ansatz: Ansatz | None = None,
        readout: Readout = "all",
        word_weight: int = 2,
        initial_angle: float | None = None,
        start: Start = "random",
        backend: Backend | None = None,
        generator: torch.Generator | None = None,
        registers: int = 1,
    ) -> None:
        check_ansatz(ansatz)
        check_backend(backend)
        if start not in STARTS:
            raise UserError(f"start is {start!r}, expected one of {', '.join(STARTS)}.")
        check_whole_number("n_qubits", n_qubits, 1)
        check_whole_number("reuploads", reuploads, 1)
        check_whole_number("reupload_layers", reupload_layers, 0)
        check_whole_number("main_layers", main_layers, 0)
        check_whole_number("word_weight", word_weight, 1)
        check_whole_number("registers", registers, 1)
        if n_qubits % registers:
            raise UserError(
                f"n_qubits is {n_qubits} and registers {registers}, expected a multiple of registers."
            )
        width = n_qubits // registers
        if backend is None and width > MAX_CIRCUIT_QUBITS:
            raise UserError(
                f"the head has a circuit of {width} qubits, expected at most {MAX_CIRCUIT_QUBITS}, which the engine "
                "runs. Set n_qubits lower, registers higher, or give a backend for more."
            )
        circuit = head_circuit(width, reuploads, reupload_layers, main_layers, ansatz)
        observables = readout_observables(width, readout, word_weight)
        backend = backend or exact_backend(circuit)
        data = data_parameters(circuit)
        weights = weight_parameters(circuit)
        if start == "sines":
            if (reuploads, main_layers, len(weights)) != (1, 1, width):
                raise UserError(
                    f"start 'sines' is that of one upload and one layer with a weight per qubit, got reuploads "
                    f"{reuploads}, main_layers {main_layers} and {len(weights)} weights. Set both to 1."
                )
            initial = initial_angles(n_qubits, generator, SINE_START_SPREAD) + SINE_START_CENTRE
        else:
            initial = initial_angles(registers * len(weights), generator, initial_angle)
        self.registers = registers
        self._build(circuit, observables, data, weights, backend, initial)
        self.reuploads = reuploads
        self.start = start

    @classmethod
    def from_circuit(
        cls,
        circuit: QuantumCircuit,
        observables: Sequence[Observable] | Observable | None = None,
        *,
        data: Sequence[Parameter | str],
        weights: Sequence[Parameter | str],
        interpret: Interpret | None = None,
        output_shape: int | None = None,
        backend: Backend | None = None,
        generator: torch.Generator | None = None,
    ) -> QuantumHead:
        """Return a head with a circuit of the user's own.

        Args:
            circuit: ``backend`` must support its gates. Angles are any expressions of parameters. Measurements, resets
                and conditions in the middle become gates on more qubits (see `defer`), and values are means over their
                outcomes. The head of a transpiled circuit has the qubits before, by its layout.
            observables: measured operators, one per value, or one operator; None for Z of every qubit. Those of a
                transpiled circuit are on its qubits before, or on the device's (``apply_layout``).
            data: parameters that the input fills in this order, for instance a `ParameterVector`, or their names.
            weights: all other parameters of the circuit, which are trained, or their names.
            interpret: in place of ``observables``, for probabilities as of `SamplerQNN`: ``outcomes``, ``parity``, or a
                function from an outcome to its label (see `outcome_observables`).
            output_shape: number of labels of ``interpret``; None: the largest label and one.
            backend: runs the circuit; the project's own engine by default.
            generator: source of the initial weights; torch's default generator if None.

        Raises:
            UserError: unless ``data`` and ``weights`` are the circuit's parameters, each once; for a label that is no
                integer from 0, both ``observables`` and ``interpret``, ``output_shape`` without ``interpret``, and
                ``interpret`` for a circuit that ends with measurements other than of each qubit q into bit q.
            UnsupportedGateError: if the engine cannot run the circuit or measure an observable, or Qiskit defines a
                gate of a weight for numbers only.
            BackendError: if the layout of a transpiled circuit leaves open what an observable measures.
        """
        check_backend(backend)
        if not isinstance(circuit, QuantumCircuit):
            raise UserError(
                f"circuit is of type {type(circuit).__name__}, expected a QuantumCircuit of Qiskit. For a QNode, call "
                "QuantumHead.from_qnode."
            )
        if output_shape is not None:
            check_whole_number("output_shape", output_shape, 1, ", the number of labels")
        if output_shape is not None and interpret is None:
            raise UserError(
                f"output_shape is {output_shape}, and only interpret has labels. Give interpret too, or leave "
                "output_shape out."
            )
        by_name = {parameter.name: parameter for parameter in circuit.parameters}
        data_names = parameter_names("data", data)
        weight_names = parameter_names("weights", weights)
        if sorted([*data_names, *weight_names]) != sorted(by_name):
            raise UserError(
                f"data and weights name the parameters {[*data_names, *weight_names]}, expected each of the circuit's "
                f"once: {list(by_name)}."
            )
        operators: Sequence[SparsePauliOp] = measured_operators(
            circuit, observables, interpret, output_shape
        )
        circuit, operators = undo_layout(circuit, operators)
        head = cls.__new__(cls)
        initial = initial_angles(len(weights), generator)
        backend = backend or create("adjoint")
        if not numeric_parameters(
            circuit
        ):  # otherwise each sample is bound and deferred on its own
            circuit, operators = defer_to_gates(backend, circuit, operators)
        inputs, trained = (
            [by_name[name] for name in names] for names in (data_names, weight_names)
        )
        head._build(circuit, operators, inputs, trained, backend, initial)
        return head

    @classmethod
    def from_qnode(
        cls,
        qnode: Any,
        *example: Any,
        backend: Backend | None = None,
        dtype: torch.dtype | None = None,
    ) -> QuantumHead:
        """Return a head with the circuit of a QNode of PennyLane, which is called with symbols and with numbers.

        Args:
            qnode: function of one sample and of weights that returns expectation values of Pauli words.
            example: its arguments: one sample (n,), then the weights, which become the initial ones.
            backend: runs the circuit; the project's own engine by default.
            dtype: of the weights, and of the samples and values; torch's default dtype by default. ``torch.float64``
                has PennyLane's precision, and takes up to twice as long.

        Raises:
            UserError: if ``dtype`` is another one, or ``backend`` no backend.
            BackendError: if the QNode cannot be captured: it has shots or transforms, measures another thing, or
                decides by the value of an argument.
            UnsupportedGateError: if the engine cannot run an operation.
        """
        from qllmft_engine.pennylane_device.capture import capture

        dtype = dtype or torch.get_default_dtype()
        if dtype not in (torch.float32, torch.float64):
            raise UserError(f"dtype is {dtype!r}, expected torch.float32 or torch.float64.")
        captured = capture(qnode, *example)
        head = cls.__new__(cls)
        initial = torch.from_numpy(captured.initial).to(dtype)
        head._build(
            captured.circuit,
            captured.observables,
            captured.data,
            captured.weights,
            backend,
            initial,
        )
        return head

    def _build(
        self,
        circuit: QuantumCircuit,
        observables: Sequence[SparsePauliOp],
        data: Sequence[Parameter],
        weights: Sequence[Parameter],
        backend: Backend | None,
        initial: Tensor,
    ) -> None:
        super().__init__()
        check_backend(backend)
        backend = backend or create("adjoint")
        self.circuit = circuit
        self.observables = list(observables)
        numeric = numeric_parameters(circuit)
        if refused := [parameter.name for parameter in weights if parameter in numeric]:
            raise UnsupportedGateError(
                f"the gate of weight {refused[0]} is defined for numbers only, so that it has no derivative. Write it "
                "by rx, ry, rz and cx, or make the parameter one of data."
            )
        network = _Network(
            circuit=circuit,
            observables=self.observables,
            input_params=list(data),
            weight_params=list(weights),
            # equal angles have equal shots, so that a resumed training ends in the same bits
            estimator=backend.estimator(seed=seed_option(backend)),
            gradient=backend.gradient(),
            # off by default; θ_c would not be trained. `AdjointConnector` refuses a gradient that is not there
            input_gradients=numeric.isdisjoint(data),
            # exact, or the own shots of a backend; the default adds noise of 1/64
            default_precision=None,
        )
        self.connector = AdjointConnector(network, backend, initial, self.registers)

    @property
    def n_values(self) -> int:
        """Return Q_m, the number of values of all registers."""
        return self.registers * len(self.observables)

    def extra_repr(self) -> str:
        """Return the sizes that torch prints of a module."""
        network = self.connector.neural_network
        return (
            f"n_inputs={self.registers * network.num_inputs}, n_values={self.n_values}, "
            f"n_weights={self.connector.weight.numel()}, registers={self.registers}"
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Return ⟨Z⟩ (..., Q_m) of latent angles (..., Q) in radians, those of register 0 first."""
        values: Tensor = self.connector(latent)
        return values


def exact_backend(
    circuit: QuantumCircuit, dtype: Literal["float32", "float64"] = "float32"
) -> Backend:
    """Return an exact backend: the engine, or ``aer_statevector`` if the engine lacks an operation."""
    if is_supported(circuit):
        return create("adjoint", {"dtype": dtype})
    return create("aer_statevector")


class _Network(EstimatorQNN):  # type: ignore[misc]
    """`EstimatorQNN` that passes on a backend's own error, which the library would wrap."""

    def _backward(self, input_data: Any, weights: Any) -> Any:
        try:
            return super()._backward(input_data, weights)
        except QiskitMachineLearningError as error:
            if isinstance(error.__cause__, BackendError):
                raise error.__cause__ from None
            raise
