"""Names of a circuit's parameters: the order of their numbers, and the parameters that a name stands for.

Programs write element 3 of a vector theta as ``theta[3]``, ``theta_3``, ``theta_03``, ``theta3`` or ``_theta_3_``, and
sort such names as text, which puts ``theta_10`` before ``theta_2``. Here a name is its words and numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from string import digits
from typing import Any, TypeAlias

from qiskit.circuit import Parameter

from qllmft_base.errors import UserError
from qllmft_circuits.names import listed_names

# vectors of the data angles in a circuit without ``data=``; argument0 is a QNode's first argument without a name
DATA_VECTORS = ("x", "inputs", "data", "argument0")
_NAME_PART = re.compile(r"\d+|[^\W\d_]+")

# number of digits and digits of a number without zeros in front, or -1 and a word
Part: TypeAlias = tuple[int, str]


def name_parts(name: str) -> tuple[Part, ...]:
    """Return the words and numbers of a name, which compare as words and numbers do.

    >>> name_parts("w[10][2]") > name_parts("w[9][3]"), name_parts("_x_3_") == name_parts("x[03]")
    (True, True)
    """
    return tuple(_part(text) for text in _NAME_PART.findall(name)) or ((-1, name),)


def _part(text: str) -> Part:
    if not text.isdecimal():
        return (-1, text)
    number = text.lstrip("0")
    return (len(number), number)


def vector_names(name: str) -> Iterator[str]:
    """Yield the vectors that a name may be an element of: the name without its last index, without two, and so on.

    >>> [*vector_names("theta[3]")], [*vector_names("_w_0_3_")], [*vector_names("phi")]
    (['theta'], ['w_0', 'w'], [])
    """
    stem = name.strip("_")
    while stem.rstrip("]")[-1:].isdecimal():
        stem = stem.rstrip("]").rstrip(digits).rstrip("[_")
        if stem:
            yield stem


def natural_order(parameters: Iterable[Parameter], argument: str) -> list[Parameter]:
    """Return parameters in the order of the words and numbers of their names.

    Args:
        parameters: of a circuit.
        argument: the argument that gives another order by names, for the message.

    Raises:
        UserError: if names with the same words and numbers, as ``w_1`` and ``w_01``, have two orders.
    """
    listed = list(parameters)
    by_text = sorted(listed, key=lambda parameter: (name_parts(parameter.name), parameter.name))
    # sorting keeps the order of texts among equal ones
    by_length = sorted(
        by_text, key=lambda parameter: (name_parts(parameter.name), len(parameter.name))
    )
    for first, second in zip(by_text, by_length, strict=True):
        if first.name != second.name:
            raise UserError(
                f"the order of the parameters {first.name} and {second.name} is not clear: their numbers are equal. "
                f"Give {argument} by names, or rename one of them."
            )
    return by_length


class ParameterIndex:
    """Parameters of a circuit by their names, and by the words and numbers of these.

    Args:
        parameters: of the circuit.
    """

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.by_name = {parameter.name: parameter for parameter in parameters}
        self._by_parts: dict[tuple[Part, ...], list[Parameter]] = {}
        for name, parameter in self.by_name.items():
            self._by_parts.setdefault(name_parts(name), []).append(parameter)

    def find(self, name: str) -> Parameter | None:
        """Return the parameter of a name, or the only one with the same words and numbers; None if there is none.

        Raises:
            UserError: if several parameters have the same words and numbers.
        """
        if name in self.by_name:
            return self.by_name[name]
        matches = self._by_parts.get(name_parts(name), [])
        if len(matches) > 1:
            raise UserError(
                f"the name {name} fits {parameter_names_text(matches)}. Give the whole name."
            )
        return matches[0] if matches else None


def find_parameters(names: Any, parameters: Sequence[Parameter], argument: str) -> list[Parameter]:
    """Return the parameters of several names, each once.

    Args:
        names: texts, or parameters of the circuit or with the names of those.
        parameters: of the circuit.
        argument: that has the names, for messages.

    Raises:
        UserError: for what is no list, and a name that the circuit does not have, or has twice here.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise UserError(
            f"{argument} is {names!r}, expected a list of parameters of the circuit or of their names: "
            f"{parameter_names_text(parameters)}."
        )
    index = ParameterIndex(parameters)
    selected_parameters: dict[str, Parameter] = {}
    for value in names:
        name = getattr(value, "name", value)
        if not isinstance(name, str):
            raise UserError(
                f"{argument} holds {value!r}, expected parameters of the circuit or their names: "
                f"{parameter_names_text(parameters)}."
            )
        parameter = index.find(name)
        if parameter is None:
            raise UserError(
                f"{argument} names {name}, which the circuit does not have. Its parameters are "
                f"{parameter_names_text(parameters)}."
            )
        if parameter.name in selected_parameters:
            raise UserError(
                f"{argument} names {parameter.name} twice, expected each parameter once."
            )
        selected_parameters[parameter.name] = parameter
    return list(selected_parameters.values())


def data_parameters(parameters: Sequence[Parameter], data: Any) -> list[Parameter]:
    """Return the parameters that a row fills, in the order of its columns.

    Args:
        parameters: of the circuit.
        data: parameters or names in this order, the name of a vector, or None for the vector of `DATA_VECTORS`.

    Raises:
        UserError: if there is no such vector, or its order is not clear.
    """
    vectors: dict[str, list[Parameter]] = {}
    for parameter in parameters:
        for vector in vector_names(parameter.name):
            vectors.setdefault(vector, []).append(parameter)
    if not parameters:
        raise UserError(
            "the circuit has no free parameters, so that a row of X fills nothing. Give the circuit with its data as "
            "parameters, such as those of a ParameterVector x."
        )
    if data is None:
        present = [vector for vector in DATA_VECTORS if vector in vectors]
        if len(present) != 1:
            problem = f"of the vectors {' and '.join(present)} each may be the data"
            if not present:
                problem = "none is of a vector x, inputs or data"
            raise UserError(
                f"the circuit's parameters are {parameter_names_text(parameters)}, and {problem}. Give data= the "
                "parameters that a row fills."
            )
        return natural_order(vectors[present[0]], "data")
    if isinstance(data, str):
        if data in vectors:
            return natural_order(vectors[data], "data")
        single = ParameterIndex(parameters).find(data)
        if single is None:
            raise UserError(
                f"data is {data!r}, expected a vector of the circuit's parameters: {', '.join(vectors) or 'none'}."
            )
        return [single]
    return find_parameters([data] if isinstance(data, Parameter) else data, parameters, "data")


def weights_by_name(weights: Mapping[Any, Any], parameters: Sequence[Parameter]) -> list[Any]:
    """Return values by names in the order of the parameters.

    Raises:
        UserError: unless each parameter has one value.
    """
    weight_parameters = find_parameters(weights, parameters, "weights")
    values = dict(
        zip((parameter.name for parameter in weight_parameters), weights.values(), strict=True)
    )
    if missing := [parameter.name for parameter in parameters if parameter.name not in values]:
        raise UserError(
            f"weights have no value of {listed_names(missing)}, expected each of "
            f"{parameter_names_text(parameters)} once."
        )
    return [values[parameter.name] for parameter in parameters]


def parameter_names_text(parameters: Iterable[Parameter]) -> str:
    """Return the names of the first parameters and the last one for a sentence."""
    return listed_names(parameter.name for parameter in parameters)
