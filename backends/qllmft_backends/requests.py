"""Requests to a backend: values checked, gates opened, the seed that follows, and its precision as shots."""

from __future__ import annotations

from collections.abc import Set
from hashlib import blake2b
from math import ceil, inf
from typing import Any

import numpy as np
from numpy.random import Generator
from pydantic import BaseModel, ValidationError
from qiskit import QuantumCircuit
from qiskit.circuit import Gate
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.exceptions import QiskitError
from qiskit.primitives.containers.bindings_array import BindingsArray

from qllmft_backends.definitions import with_definitions
from qllmft_backends.errors import BackendError, UnsupportedGateError
from qllmft_backends.protocol import Evaluator, Expectations, Floats, Ints, Operators

# between the seeds, and the option ``repetition``, of two rounds of the same circuits
ROUND_SEED_STEP = 1_000_000
# with fewer, the noise of a good machine can turn a known answer on one qubit in 36
MIN_CHECKED_SHOTS = 20
_STANDARD_GATES = get_standard_gate_name_mapping()
_OWN_DEFINITION_NAME = "a gate with a definition of its own"


def check_values(circuit: QuantumCircuit, values: Floats) -> Floats:
    """Return ``values`` as (B, P) float64. Another shape, or a value that is no real number, is an error."""
    values = real_values(values)
    if values.ndim != 2 or values.shape[1] != circuit.num_parameters:
        raise BackendError(
            f"parameter values have shape {values.shape}, expected (B, {circuit.num_parameters}): "
            f"one column a parameter of circuit {circuit.name!r}, in the order of circuit.parameters."
        )
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise BackendError(
            f"the value of parameter {circuit.parameters[int(column)].name!r} in row {row} is {values[row, column]}, "
            "expected a finite angle in radians."
        )
    return values


def real_values(values: Any) -> Floats:
    """Return an array of numbers as float64, or raise `BackendError` for a complex one."""
    array = np.asarray(values)
    if np.iscomplexobj(array):
        if array.imag.any():
            raise BackendError(
                "parameter values are complex, expected real angles in radians. Give real and imaginary parts as "
                "angles of their own, or complex amplitudes by the gate StatePreparation."
            )
        array = array.real
    return np.asarray(array, np.float64)


def bound_values(circuit: QuantumCircuit, values: BindingsArray) -> Floats:
    """Return the parameter values of a pub as (B, P), its bindings flattened."""
    bound_array = real_values(values.as_array(circuit.parameters))
    return bound_array.reshape(values.size, circuit.num_parameters)


def request_seed(seed: int, circuit: QuantumCircuit, values: Floats) -> int:
    """Return a simulator's seed for one call, from the backend's seed and the call's content.

    The same request gets the same bits, in a resumed run too. Another training step has other values and so noise of
    its own; a constant seed would repeat the noise in every step.
    """
    gates = [
        (i.operation.name, *(circuit.find_bit(q).index for q in i.qubits)) for i in circuit.data
    ]
    digest = blake2b(repr((seed, circuit.num_qubits, gates, values.shape)).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(values).tobytes())
    # 62 bits: Aer adds to it in a signed 64-bit integer
    return int.from_bytes(digest.digest(), "little") >> 2


def inline_definitions(
    circuit: QuantumCircuit, supported_names: Set[str], machine: str
) -> QuantumCircuit:
    """Return a circuit whose gates are replaced by their definitions until ``supported_names`` has all names.

    Raises:
        UnsupportedGateError: for a gate without such a definition.
    """
    circuit = inline_misnamed_gates(circuit)
    while nested_names := [name for name in circuit.count_ops() if name not in supported_names]:
        refusal = (
            f"gate {nested_names[0]!r} of circuit {circuit.name!r} has no definition by gates that {machine} runs. "
            "Define it, or write it with standard gates."
        )
        try:
            inlined_circuit = with_definitions(circuit, nested_names).decompose(
                gates_to_decompose=nested_names
            )
        except QiskitError as error:
            raise UnsupportedGateError(refusal) from error
        if inlined_circuit.count_ops() == circuit.count_ops():
            raise UnsupportedGateError(refusal)
        circuit = inlined_circuit
    return circuit


def has_other_meaning(gate: Gate) -> bool:
    """Return whether a gate has the name of a standard one and a definition of its own."""
    standard = _STANDARD_GATES.get(gate.name)
    if standard is None or isinstance(gate, standard.base_class) or _is_qiskit_gate(gate):
        return False
    return gate.definition is not None


def _is_qiskit_gate(gate: Gate) -> bool:
    return str(gate.base_class.__module__).startswith("qiskit.circuit.library")


def inline_misnamed_gates(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return a circuit with the definitions of gates that `has_other_meaning` in their place, inside others too."""
    while misnamed_positions := [
        i for i, instruction in enumerate(circuit.data) if _is_misnamed(instruction.operation)
    ]:
        circuit = circuit.copy()
        for i in misnamed_positions:
            gate = circuit.data[i].operation.to_mutable()
            gate.name = _OWN_DEFINITION_NAME
            circuit.data[i] = circuit.data[i].replace(operation=gate)
        circuit = circuit.decompose(gates_to_decompose=_OWN_DEFINITION_NAME)
    return circuit


def _is_misnamed(operation: Any) -> bool:
    """Return whether a gate, or one inside it, `has_other_meaning`."""
    if (
        not isinstance(operation, Gate)
        or _is_qiskit_gate(operation)
        or operation.definition is None
    ):
        return False
    inner_operations = (instruction.operation for instruction in operation.definition.data)
    return has_other_meaning(operation) or any(map(_is_misnamed, inner_operations))


def number_of_shots(backend: Evaluator) -> int | None:
    """Return the option ``shots`` of a backend, None without shots."""
    shots: Any = getattr(getattr(backend, "options", None), "shots", None)
    return None if shots is None else int(shots)


def make_generator(backend: Evaluator) -> Generator:
    """Return random numbers by the option ``seed`` of a backend, 0 without one."""
    return np.random.default_rng(seed_option(backend) or 0)


def seed_option(backend: Evaluator) -> int | None:
    """Return the option ``seed`` of a backend, or None if it has none."""
    options: Any = getattr(backend, "options", None)
    has_seed = isinstance(options, BaseModel) and "seed" in type(options).model_fields
    return int(options.seed) if has_seed else None


def with_options(backend: Evaluator, **changes: Any) -> Evaluator:
    """Return a backend with other options, or raise `BackendError` if it has no such options."""
    options: Any = getattr(backend, "options", None)
    fields = type(options).model_fields if isinstance(options, BaseModel) else {}
    if unknown := sorted(set(changes) - set(fields)):
        raise BackendError(
            f"backend {backend.name!r} has no option {', '.join(unknown)}, which a precision, a seed or shots need. "
            "Leave them out of the request."
        )
    option_values = options.model_dump(exclude_unset=True) | changes
    # a backend of an object that it was given makes the other one itself
    make_backend: Any = getattr(backend, "with_options", type(backend))
    try:
        changed_options = type(options).model_validate(option_values)
    except ValidationError as error:
        fault = error.errors()[0]
        place = "".join(f"{part} = {fault['input']!r}: " for part in fault["loc"])
        reason = fault["msg"].removeprefix("Value error, ").rstrip(".")
        raise BackendError(
            f"backend {backend.name!r} does not take these options: {place}{reason}."
        ) from error
    changed_backend: Evaluator = make_backend(changed_options)
    return changed_backend


def with_precision(backend: Evaluator, precision: float) -> Evaluator:
    """Return a backend whose values have about the standard error ``precision`` of a Pauli string, by 1/ε² shots.

    Without shots it gets as many trajectories. A remote machine keeps the shots of its options, which have a price.

    Raises:
        BackendError: for 0, or if the shots of a remote machine are too few.
    """
    option_shots = number_of_shots(backend)
    if not 0 <= precision < inf:
        raise BackendError(f"precision is {precision}, expected a finite standard error from 0 on.")
    if precision == 0:
        raise BackendError(
            f"precision is 0, the exact values. Backend {backend.name!r} draws {option_shots or 'no'} shots and "
            "has a standard "
            "error. Give no precision, as in EstimatorQNN(default_precision=None), or use a backend without noise."
        )
    shots = max(2, ceil(1 / precision**2))
    if not backend.capabilities.remote:
        return with_options(backend, **{"trajectories" if option_shots is None else "shots": shots})
    if option_shots is None or shots > option_shots:
        raise BackendError(
            f"precision {precision} needs {shots} shots. The option shots of backend {backend.name!r} is "
            f"{option_shots}. Each shot has a price there: set shots, or give no precision, as in "
            "EstimatorQNN(default_precision=None)."
        )
    return backend


def check_expectations(
    backend: Evaluator, answer: Expectations, values: Floats, observables: Operators
) -> None:
    """Raise `BackendError` if a backend's answer cannot be expectation values (B, O).

    Args:
        backend: gave the answer.
        answer: of its method `expectations`, which may be of any type.
        values: (B, P) parameter values of the call.
        observables: O of the call.
    """
    remedy = "Correct its method expectations."
    if not isinstance(answer, Expectations):
        raise BackendError(
            f"backend {backend.name!r} answered a {type(answer).__name__}, expected Expectations. {remedy}"
        )
    expected_shape = (len(values), len(observables))
    if answer.values.shape != expected_shape:
        raise BackendError(
            f"backend {backend.name!r} answered values of shape {answer.values.shape}, expected {expected_shape}: a "
            f"row for each row of parameter values, a column for each observable. {remedy}"
        )
    for numbers in (answer.values, answer.standard_errors):
        if numbers.dtype.kind not in "fiu":
            raise BackendError(
                f"backend {backend.name!r} answered numbers of the type {numbers.dtype}, expected real ones. {remedy}"
            )
    if not np.isfinite(values).all():
        return
    if not np.isfinite(answer.values).all():
        raise BackendError(
            f"backend {backend.name!r} answered values that are no finite numbers, for finite parameter values. "
            f"{remedy}"
        )
    if not (answer.standard_errors >= 0).all():  # infinite for a single shot
        raise BackendError(
            f"backend {backend.name!r} answered standard errors that are negative or no numbers. {remedy}"
        )


def check_outcomes(
    backend: Evaluator, outcomes: Ints, expected_shape: tuple[int, int], n_qubits: int
) -> None:
    """Raise `BackendError` if a backend's answer cannot be outcomes of measurements.

    Args:
        backend: gave the answer.
        outcomes: of its method `outcomes`; bit q is qubit q.
        expected_shape: (B, S), rows of parameter values and shots.
        n_qubits: number of measured qubits.
    """
    remedy = "Correct its method outcomes."
    if outcomes.shape != expected_shape:
        raise BackendError(
            f"backend {backend.name!r} answered outcomes of shape {outcomes.shape}, expected {expected_shape}: a row "
            f"for each row of parameter values, a column for each shot. {remedy}"
        )
    if outcomes.dtype.kind not in "iu":
        raise BackendError(
            f"backend {backend.name!r} answered outcomes of the type {outcomes.dtype}, expected integers. {remedy}"
        )
    if outcomes.size and not 0 <= outcomes.min() <= outcomes.max() < 2**n_qubits:
        raise BackendError(
            f"backend {backend.name!r} answered outcomes from {outcomes.min()} to {outcomes.max()}, expected 0 to "
            f"{2**n_qubits - 1}, as {n_qubits} qubits have. {remedy}"
        )
