"""Names of parameters, which OpenQASM writes as identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector

from qllmft_circuits.bounds import MAX_CHARACTERS, MAX_PARAMETERS

# the name that Qiskit gives to an element of a vector
ELEMENT_PATTERN = re.compile(r"(?P<vector>.+)\[(?P<index>\d+)\]")
_SHOWN = 4  # names in a sentence


def check_names(names: Mapping[str, str]) -> None:
    """Raise ValueError unless the names are texts of ordinary length, in vectors of ordinary length.

    >>> check_names({"x[30000000]": "a"})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: the names are of vectors with 30,000,001 elements, expected at most 100,000. Number the ...
    """
    if not isinstance(names, Mapping):
        raise ValueError(
            f"the names are of type {type(names).__name__}, expected a map of parameters' names to identifiers"
        )
    for text in (*names, *names.values()):
        if not isinstance(text, str):
            raise ValueError(
                f"a name is of type {type(text).__name__}, expected text. The names are a map of parameters' names to "
                "identifiers"
            )
        if len(text) > MAX_CHARACTERS:
            raise ValueError(
                f"a name has {len(text):,} characters ({text[:20]}...), expected at most {MAX_CHARACTERS}"
            )
    n_elements = sum(vector_sizes(names).values())
    if n_elements > MAX_PARAMETERS:
        raise ValueError(
            f"the names are of vectors with {n_elements:,} elements, expected at most {MAX_PARAMETERS:,}. Number the "
            "elements from 0 without gaps"
        )


def vector_sizes(names: Iterable[str]) -> dict[str, int]:
    """Return the number of elements of each vector that has a name in ``names``.

    >>> vector_sizes(["x[0]", "x[3]", "theta"])
    {'x': 4}
    """
    sizes: dict[str, int] = {}
    for name in names:
        if element := ELEMENT_PATTERN.fullmatch(name):
            vector = element["vector"]
            sizes[vector] = max(sizes.get(vector, 0), int(element["index"]) + 1)
    return sizes


def rename_inputs(circuit: QuantumCircuit, names: Mapping[str, str] | None) -> QuantumCircuit:
    """Return the circuit with the parameters of ``names`` in place of its inputs, or as it is without names.

    Parameters named ``vector[index]`` are elements of vectors, ordered by index.

    Raises:
        ValueError: if the identifiers in ``names`` are not those of the inputs.
    """
    if names is None:
        return circuit
    inputs = {parameter.name: parameter for parameter in circuit.parameters}
    if sorted(inputs) != sorted(names.values()):
        raise ValueError(
            f"the text's inputs are {listed_names(inputs)}. The identifiers in names are "
            f"{listed_names(names.values())}. They must be the same: give the map that was written with this text."
        )
    vectors = {name: ParameterVector(name, size) for name, size in vector_sizes(names).items()}
    parameters = {}
    for name, identifier in names.items():
        element = ELEMENT_PATTERN.fullmatch(name)
        parameters[inputs[identifier]] = (
            vectors[element["vector"]][int(element["index"])] if element else Parameter(name)
        )
    return circuit.assign_parameters(parameters)


def listed_names(names: Iterable[str]) -> str:
    """Return the first names of many, and the last one if there are more.

    >>> listed_names(f"x_{i}" for i in range(12))
    'x_0, x_1, x_2, …, x_11'
    """
    listed = list(names)
    if len(listed) > _SHOWN:
        listed = [*listed[: _SHOWN - 1], "…", listed[-1]]
    return ", ".join(listed) or "none"
