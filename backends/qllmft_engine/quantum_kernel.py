"""Quantum kernels of the engine, for support vector machines of scikit-learn and of qiskit-machine-learning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from numbers import Real
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.kernels import BaseKernel
from sklearn.metrics.pairwise import rbf_kernel

from qllmft_backends import Backend, create
from qllmft_backends.definitions import bind_numeric_rows
from qllmft_backends.layouts import undo_layout
from qllmft_backends.pauli_expectations import run_expectations
from qllmft_backends.requests import real_values
from qllmft_base.errors import UserError, check_whole_number
from qllmft_circuits.names import listed_names
from qllmft_circuits.parameter_names import find_parameters, natural_order, parameter_names_text
from qllmft_engine import AdjointCapable, AdjointEngine, ComplexEngine

Floats = NDArray[np.float64]
States = NDArray[np.float64] | NDArray[np.complex128]
KernelKind = Literal["fidelity", "projected"]

# a block of fidelities has the states of `FIRST_PARTS` parts of rows and those of one part of columns
PART_BYTES = 1 << 23  # of the states of a part
PART_ROWS = 256  # at most
FIRST_PARTS = 32
BYTES_PER_AMPLITUDE = 16


class QuantumKernel(BaseKernel):  # type: ignore[misc]
    """Kernel of the states that a feature map prepares.

    It is a `BaseKernel` of qiskit-machine-learning, for `QSVC` and others, and gives `SVC(kernel=kernel.evaluate)`.

    - ``fidelity``: |⟨ψ(x)|ψ(y)⟩|².
    - ``projected``: exp(-γ Σ_q ‖ρ_q(x) - ρ_q(y)‖²) with the reduced density matrices ρ_q of the qubits and the
      Frobenius norm (Huang et al. 2021, arXiv:2011.01938).

    Each state is computed once, and a block of fidelities is one product of matrices. A projected kernel needs
    expectation values only.

    Args:
        feature_map: circuit without measurements whose parameters are the features. A transpiled one is read on its
            qubits before.
        kind: ``fidelity`` or ``projected``.
        features: parameters, or their names, in the order of the columns. None: the order of the words and numbers of
            their names, in which ``x2`` is before ``x10``. Qiskit sorts names of single parameters as text.
        gamma: γ of a projected kernel.
        shots: measurements per fidelity, of U(y)†U(x)|0⟩, or of a projected kernel per row in each of the bases of X, Y
            and Z. None: exact values.
        seed: of the shots; the same seed and rows give the same values.
        enforce_psd: replace a symmetric matrix with shots by the closest positive semidefinite one, as
            `FidelityStatevectorKernel` does.
        backend: runs the circuits of a projected kernel; the engine in float64 by default.

    Raises:
        UserError: for a circuit without parameters, features that are not each parameter once, and contradictions.

    >>> from qiskit.circuit.library import zz_feature_map
    >>> kernel = QuantumKernel(zz_feature_map(3))
    >>> kernel.evaluate([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]]).round(12).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """

    kind: KernelKind
    features: list[str]
    gamma: float
    shots: int | None
    seed: int

    def __init__(
        self,
        feature_map: QuantumCircuit,
        kind: KernelKind = "fidelity",
        *,
        features: Sequence[Parameter | str] | None = None,
        gamma: float | None = None,
        shots: int | None = None,
        seed: int = 0,
        enforce_psd: bool = True,
        backend: Backend | None = None,
    ) -> None:
        if not isinstance(feature_map, QuantumCircuit):
            raise UserError(
                f"feature_map is {type(feature_map).__name__}, expected a QuantumCircuit whose parameters are the "
                "features, such as zz_feature_map(5)."
            )
        if kind not in get_args(KernelKind):
            raise UserError(
                f"kind is {kind!r}, expected one of {listed_names(get_args(KernelKind))}."
            )
        if gamma is not None and kind == "fidelity":
            raise UserError(
                f"gamma is {gamma!r}, expected None for kind='fidelity', which has no width. Set kind='projected'."
            )
        gamma = 1.0 if gamma is None else gamma
        if not isinstance(gamma, Real) or not 0 < gamma < np.inf:
            raise UserError(f"gamma is {gamma!r}, expected a number above 0.")
        if backend is not None and not isinstance(backend, Backend):
            raise UserError(
                f"backend is {type(backend).__name__}, expected one that `qllmft_backends.create` returns."
            )
        if shots is not None:
            check_whole_number("shots", shots, 1, ", or None for exact values")
        check_whole_number("seed", seed, 0)
        if backend is not None and kind == "fidelity":
            raise UserError(
                f"backend is {backend.name!r}, expected None: the engine computes fidelities from states. Add "
                "kind='projected', or measure fidelities by FidelityQuantumKernel of qiskit-machine-learning with "
                "ComputeUncompute(sampler=backend.sampler())."
            )
        if backend is not None and shots is not None:
            raise UserError(
                f"got backend {backend.name!r} and shots={shots}, expected one of them. Set the option shots of the "
                "backend."
            )
        feature_map, _ = undo_layout(feature_map)
        super().__init__(feature_map=feature_map, enforce_psd=enforce_psd)
        self.kind = kind
        self.gamma = gamma
        self.shots = shots
        self.seed = seed
        self.features = _order_features(feature_map, features)
        options: dict[str, Any] = {"dtype": "float64"}
        if kind == "projected" and shots is not None:
            options |= {"shots": shots, "seed": seed}
        self._backend: Backend = backend or create("adjoint", options)

    def evaluate(self, x_vec: ArrayLike, y_vec: ArrayLike | None = None) -> Floats:
        """Return the kernel matrix (N, M).

        Args:
            x_vec: (N, F) rows of features, or one row (F,).
            y_vec: (M, F) rows; None: ``x_vec``.

        Raises:
            UserError: for another number of columns, and for values that are no finite real numbers.
            UnsupportedGateError: if the engine cannot run the circuit.
        """
        x = self._check_rows(x_vec, "x_vec")
        y = x if y_vec is None else self._check_rows(y_vec, "y_vec")
        is_symmetric = y is x or np.array_equal(x, y)
        if self.kind == "projected":
            vectors = self._project(x)
            y_vectors = vectors if is_symmetric else self._project(y)
            # ‖ρ - σ‖² is half the squared distance of the Bloch vectors
            return _rbf(vectors, y_vectors, self.gamma / 2)
        kernel = self._fidelities(x, y, is_symmetric=is_symmetric)
        if self.shots is not None and kernel.size:
            self._draw_frequencies(kernel, x, y, self.shots, is_symmetric=is_symmetric)
            if is_symmetric and self._enforce_psd:
                return _nearest_semidefinite(kernel)
        return kernel

    def _check_rows(self, rows: ArrayLike, argument: str) -> Floats:
        """Return rows (N, F) as float64."""
        try:
            array = real_values(rows)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{argument} holds values that are no real numbers ({error}). Encode them as numbers."
            ) from None
        array = np.atleast_2d(array)
        n_features = len(self.features)
        if array.ndim != 2 or array.shape[1] != n_features:
            raise UserError(
                f"{argument} has shape {array.shape}, expected (N, {n_features}): a column for each of the features "
                f"{listed_names(self.features)} of circuit {self.feature_map.name!r}."
            )
        if not np.isfinite(array).all():
            row, column = np.argwhere(~np.isfinite(array))[0]
            raise UserError(
                f"{argument} is {array[row, column]} in row {row}, column {column}, expected finite numbers. Fill or "
                "drop missing values."
            )
        return array

    def _bind(self, rows: Floats) -> Floats:
        """Return rows with their columns in the order of the circuit's parameters."""
        names = [parameter.name for parameter in self.feature_map.parameters]
        columns = np.array([self.features.index(name) for name in names])
        return rows[:, columns]

    # --- fidelities

    def _fidelities(self, x: Floats, y: Floats, *, is_symmetric: bool) -> Floats:
        """Return |⟨ψ(x)|ψ(y)⟩|² (N, M), in blocks."""
        kernel = np.empty((len(x), len(y)))
        for rows in _slices(0, len(x), FIRST_PARTS * self._part_rows):
            states = self._states(x[rows])
            for columns in _slices(rows.start if is_symmetric else 0, len(y), self._part_rows):
                # of a symmetric matrix, the rows above the diagonal
                stop = min(rows.stop, columns.stop) if is_symmetric else rows.stop
                upper_states = states[: stop - rows.start]
                if is_symmetric and columns.stop <= rows.stop:
                    column_states = upper_states[columns.start - rows.start :]
                else:
                    column_states = self._states(y[columns])
                block = kernel[rows.start : stop, columns]
                overlaps = upper_states @ column_states.conj().T
                np.square(overlaps.real, out=block)
                if np.iscomplexobj(overlaps):
                    block += np.square(overlaps.imag)
                np.minimum(block, 1.0, out=block)  # rounding
        if is_symmetric:
            np.fill_diagonal(kernel, 1.0)
            _mirror(kernel)
        return kernel

    @property
    def _part_rows(self) -> int:
        """Return the rows of a part."""
        state_bytes = BYTES_PER_AMPLITUDE << int(self.feature_map.num_qubits)
        return max(1, min(PART_ROWS, PART_BYTES // state_bytes))

    def _states(self, rows: Floats) -> States:
        """Return states (N, 2^Q) of rows, up to their phases."""
        identity = SparsePauliOp("I" * self.feature_map.num_qubits)
        backend = cast("AdjointCapable", self._backend)
        states: States | None = None
        for group, circuit, values in bind_numeric_rows(self.feature_map, self._bind(rows)):
            engine = cast("AdjointEngine | ComplexEngine", backend.compile(circuit, [identity])[0])
            compute = engine.amplitudes if isinstance(engine, ComplexEngine) else engine.states
            angles = engine.program.angles(values)
            for part in _slices(0, len(group), self._part_rows):
                part_states = compute(angles[part])
                if states is None:
                    states = np.empty((len(rows), part_states.shape[1]), part_states.dtype)
                states[group[part]] = part_states
        assert states is not None
        return states

    def _draw_frequencies(
        self, kernel: Floats, x: Floats, y: Floats, shots: int, *, is_symmetric: bool
    ) -> None:
        """Replace fidelities by the frequencies of outcome 0 in shots, in place."""
        digest = blake2b(repr((self.seed, x.shape, y.shape)).encode(), digest_size=8)
        digest.update(np.ascontiguousarray(x).tobytes())
        digest.update(np.ascontiguousarray(y).tobytes())
        rng = np.random.default_rng(int.from_bytes(digest.digest(), "little"))
        for i, row in enumerate(kernel):
            columns = slice(i + 1 if is_symmetric else 0, None)
            row[columns] = rng.binomial(shots, row[columns]) / shots
        if is_symmetric:
            _mirror(kernel)

    # --- projections

    def _project(self, rows: Floats) -> Floats:
        """Return the Bloch vectors (N, 3Q) of the qubits, one after the other."""
        if not len(rows):
            return np.empty((0, 3 * self.feature_map.num_qubits))
        n_qubits = self.feature_map.num_qubits
        paulis = [
            SparsePauliOp.from_sparse_list([(letter, [qubit], 1)], n_qubits)
            for qubit in range(n_qubits)
            for letter in "XYZ"
        ]
        return run_expectations(self._backend, self.feature_map, self._bind(rows), paulis).values


def _order_features(
    circuit: QuantumCircuit, features: Sequence[Parameter | str] | None
) -> list[str]:
    """Return the names of the circuit's parameters in the order of the columns."""
    parameters = list(circuit.parameters)
    if not parameters:
        raise UserError(
            f"circuit {circuit.name!r} has no parameters, expected one for each feature. Give the circuit before its "
            "parameters are bound."
        )
    if features is None:
        return [parameter.name for parameter in natural_order(parameters, "features")]
    names = [parameter.name for parameter in find_parameters(features, parameters, "features")]
    if missing := [parameter for parameter in parameters if parameter.name not in names]:
        raise UserError(
            f"features lack {parameter_names_text(missing)}, expected each parameter of the circuit once. Bind the "
            "others first (assign_parameters)."
        )
    return names


def _slices(start: int, stop: int, rows: int) -> Iterator[slice]:
    """Yield slices of ``rows`` rows."""
    for first in range(start, stop, rows):
        yield slice(first, min(first + rows, stop))


def _mirror(kernel: Floats) -> None:
    """Copy the values above the diagonal below it."""
    for i, row in enumerate(kernel):
        kernel[i + 1 :, i] = row[i + 1 :]


def _rbf(vectors: Floats, others: Floats, gamma: float) -> Floats:
    """Return exp(-γ ‖u - v‖²) of vectors, also of none."""
    if not len(vectors) or not len(others):
        return np.empty((len(vectors), len(others)))
    kernel: Floats = rbf_kernel(vectors, others, gamma=gamma)
    return kernel


def _nearest_semidefinite(kernel: Floats) -> Floats:
    """Return the closest positive semidefinite matrix: the negative eigenvalues become 0."""
    values, vectors = np.linalg.eigh(kernel)
    if values[0] >= 0:
        return kernel
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)
