"""Refusals of arguments that heads and encoders share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qllmft_backends import Backend
from qllmft_base.errors import UserError
from qllmft_circuits.ansatz import Ansatz


def check_ansatz(ansatz: Ansatz | None) -> None:
    """Raise if an ansatz is no function, for instance its name or a circuit."""
    if ansatz is None or callable(ansatz):
        return
    remedy = "Give the function itself."
    if isinstance(ansatz, str):
        remedy = (
            f"Names belong to settings: get the function by qllmft.templates.ANSATZE[{ansatz!r}]."
        )
    elif isinstance(ansatz, QuantumCircuit):
        remedy = "For a head with a circuit of your own, call QuantumHead.from_circuit."
    raise UserError(
        f"ansatz is of type {type(ansatz).__name__}, expected a function of n_qubits and n_layers that returns a "
        f"circuit. {remedy}"
    )


def check_backend(backend: Backend | None) -> None:
    """Raise if a backend has no estimator, for instance its name."""
    if backend is not None and not hasattr(backend, "estimator"):
        name = backend if isinstance(backend, str) else "adjoint"
        raise UserError(
            f"backend is of type {type(backend).__name__}, expected a backend of qllmft. Make it by "
            f"qllmft_backends.create({name!r})."
        )


def parameter_names(argument: str, parameters: Sequence[Parameter | str]) -> list[str]:
    """Return the names of an argument's parameters; others of equal names stand for the circuit's own."""
    if isinstance(parameters, str) or not isinstance(parameters, Iterable):
        raise UserError(
            f"{argument} is {parameters!r}, expected a list of parameters of the circuit or of their names. Without "
            f"any, it is {argument}=[]."
        )
    names = [getattr(parameter, "name", parameter) for parameter in parameters]
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise UserError(
            f"{argument} holds {wrong[0]!r}, expected parameters of the circuit or their names."
        )
    return names
