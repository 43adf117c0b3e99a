"""Head from one Python file of the user's own, which a command names: ``--head FILE.py:NAME``.

The file is run when it is named, and never because a run's folder, a model or a configuration does. Those hold the
name of the head and the hash of its file alone.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from qiskit import QuantumCircuit
from torch import nn

from qllmft.bounds import MAX_HEAD_FILE_BYTES
from qllmft.heads.classifier import Classifier
from qllmft.heads.layer import is_circuit_layer
from qllmft.heads.quantum import QuantumHead
from qllmft.heads.separable import is_entangling, separable_twin
from qllmft_base.errors import UserError, first_line
from qllmft_base.files import expand_home, read_bytes
from qllmft_base.randomness import derive_seed
from qllmft_base.text import error_text
from qllmft_circuits.parameter_names import data_parameters, natural_order

SEPARABLE = "separable"  # parameter of a function that makes the twin, and end of the twin's name
_NAME = re.compile(
    r"(?P<file>[\w-]+)\.(?P<name>\w+)(\.(separable|no_circuit))?(?P<hash>\.[0-9a-f]{8})?"
)


@dataclass(frozen=True)
class OwnHead:
    """Model of the user's own, before its sizes are known.

    Attributes:
        name: in settings and models: file, name and hash of the file, such as ``my_circuit.make.1f0c9a3b``.
        label: in tables.
        source: a class, a function of ``dimension`` and ``n_labels``, or an instance of a model.
        separable: it is the twin without gates on two qubits.
    """

    name: str
    label: str
    source: Any
    separable: bool = False

    @property
    def twin(self) -> OwnHead | None:
        """Return its separable twin, or None if the file does not say what that is."""
        if not (SEPARABLE in _parameters(self.source) or _has_entangling_layer(self.source)):
            return None
        front, _, digest = self.name.rpartition(".")
        return OwnHead(
            f"{front}.{SEPARABLE}.{digest}",
            f"{self.label}, {SEPARABLE}",
            self.source,
            separable=True,
        )

    def make(self, dimension: int, n_labels: int, seed: int) -> Any:
        """Return a new torch module or estimator.

        An instance is copied, with its own weights. A function draws its weights by the seed.

        Raises:
            UserError: if the file's function fails, or takes other parameters.
        """
        if not _is_maker(self.source):
            copy = deepcopy(self.source)
            if isinstance(copy, QuantumCircuit):
                copy = _as_layer(copy, derive_seed(seed, "own head"))
            if self.separable and isinstance(copy, nn.Module):
                return _make_separable(copy)
            if self.separable:
                copy.set_params(**{SEPARABLE: True})
            return copy
        parameters = _parameters(self.source)
        values = {"dimension": dimension, "n_labels": n_labels, SEPARABLE: self.separable}
        missing = [
            name
            for name, parameter in parameters.items()
            if name not in values and parameter.default is parameter.empty
        ]
        if missing:
            raise UserError(
                f"the head {self.label!r} has the parameters {', '.join(parameters)}, expected dimension and n_labels, "
                f"and separable for its twin. Give {', '.join(missing)} a default."
            )
        with _drawn_by(seed):
            try:
                made = self.source(**{name: values[name] for name in parameters if name in values})
            except UserError:
                raise
            except Exception as error:  # whatever the user's code may do
                raise UserError(
                    f"the head {self.label!r} cannot be made for embeddings of {dimension} values and {n_labels} "
                    f"labels: {error_text(error)}. Correct its file."
                ) from error
        if isinstance(made, QuantumCircuit):
            return _as_layer(made, derive_seed(seed, "own head"))
        return made


class MissingOwnHeadError(UserError):
    """A row of a user's file, and no command named that file."""


OWN_HEADS: dict[str, OwnHead] = {}  # by name, of the files that a command named


def load_own_head(choice: str) -> OwnHead:
    """Run a file of the user's own, and return the head that it names.

    Args:
        choice: ``FILE.py:NAME``.

    Raises:
        UserError: if there is no such file or name, or the file fails.
    """
    place, _, name = choice.rpartition(":")
    file = expand_home(place)
    if not name.isidentifier() or file.suffix != ".py":
        raise UserError(
            f"--head is {choice!r}, expected FILE.py:NAME. Example: --head my_circuit.py:make."
        )
    if not file.is_file():
        raise UserError(f"--head names the file {file}, which does not exist. Check its path.")
    if not re.fullmatch(r"[\w-]+", file.stem):
        raise UserError(
            f"--head names the file {file.name}, expected a name of letters, digits, '_' and '-'. Rename it."
        )
    content = read_bytes(file, MAX_HEAD_FILE_BYTES)
    module = _run_file(file, content)
    if not hasattr(module, name):
        raise UserError(f"{file} has no name {name!r}, which --head asks for. Check the name.")
    source = getattr(module, name)
    _check_source(f"{file.name}:{name}", source)
    digest = hashlib.sha256(content).hexdigest()[:8]
    label = (file.stem if name == "make" else name).replace("_", " ").strip()
    head = OwnHead(f"{file.stem}.{name}.{digest}", label, source)
    for own_head in filter(None, (head, head.twin)):
        OWN_HEADS[own_head.name] = own_head
    return head


def missing_head_remedy(name: str) -> str:
    """Return how the head of a name is used again, or "" if the name is not that of a user's file."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        return ""
    return (
        f"the row {name!r} is of a Python file of your own, which is run only if you name it. Add --head "
        f"{parts['file']}.py:{parts['name']}{', with the file as it was in training' if parts['hash'] else ''}."
    )


def check_own_head(name: str) -> None:
    """Raise UserError unless a command named the file of a head, with this content."""
    if name not in OWN_HEADS:
        raise MissingOwnHeadError(
            missing_head_remedy(name) or f"there is no head {name!r} of your own."
        )


def own_classifier(name: str, dimension: int, n_labels: int, seed: int = 0) -> Classifier:
    """Return the untrained torch module of a user's file as a classifier.

    Raises:
        UserError: if no command named that file, its content has changed, or it makes no such module.
    """
    check_own_head(name)
    head = OWN_HEADS[name]
    return as_classifier(
        head.label, head.make(dimension, n_labels, seed), dimension, n_labels, seed
    )


def as_classifier(
    label: str, module: nn.Module, dimension: int, n_labels: int, seed: int
) -> Classifier:
    """Return a torch module as a classifier, whose circuit has latent values if it is a layer of a sequence.

    A layer alone gets a linear layer before and after it.

    Args:
        label: of the head, for messages.
        module: maps embeddings (B, D) to logits (B, k), or a `QuantumHead`.
        dimension: D.
        n_labels: k.
        seed: of the weights of these linear layers.

    Raises:
        UserError: if its outputs have another shape.
    """
    if isinstance(module, QuantumHead):
        n_inputs = module.registers * module.connector.neural_network.num_inputs
        with _drawn_by(seed):
            before = nn.Linear(dimension, n_inputs)
            after = nn.Linear(module.n_values, n_labels)
        module = nn.Sequential(before, module, after)
    layers = list(module) if type(module) is nn.Sequential else [module]
    places = [i for i, layer in enumerate(layers) if is_circuit_layer(layer)]
    classifier = Classifier(None, module, _unchanged(n_labels))
    if len(places) == 1 and len(layers) > 1:
        encoder = nn.Sequential(*layers[: places[0]])
        circuit = layers[places[0]]
        readout = layers[places[0] + 1 :]
        if len(readout) == 1 and isinstance(readout[0], nn.Linear):
            classifier = Classifier(encoder, circuit, readout[0])
        elif not readout:
            classifier = Classifier(encoder, circuit, _unchanged(n_labels))
    try:
        with torch.no_grad():
            shape = tuple(classifier.eval()(torch.zeros(2, dimension)).shape)
    except UserError:
        raise
    except Exception as error:  # whatever the user's code may do
        raise UserError(
            f"the head {label!r} fails for embeddings of the shape (2, {dimension}): {first_line(error)}. Expected "
            "logits of the shape (2, "
            f"{n_labels}). Correct its file."
        ) from error
    if shape != (2, n_labels):
        raise UserError(
            f"the head {label!r} maps embeddings of the shape (2, {dimension}) to {shape}, expected logits of the "
            f"shape (2, {n_labels}). Correct its last layer."
        )
    return classifier


@contextmanager
def _drawn_by(seed: int) -> Iterator[None]:
    """Draw torch's random numbers by the seed of a run inside the block."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "own head"))
        yield


def _unchanged(width: int) -> nn.Linear:
    """Return a layer that returns its input, for the temperature of a head that ends with another one."""
    layer = nn.Linear(width, width)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(width))
        layer.bias.zero_()
    return layer.requires_grad_(requires_grad=False)


def _run_file(file: Path, content: bytes) -> ModuleType:
    """Return the module of a file's content."""
    module = ModuleType(f"own_head_{file.stem}")
    module.__file__ = str(file.absolute())
    sys.modules[module.__name__] = module  # dataclasses of the file look it up
    try:
        exec(compile(content, str(file), "exec"), module.__dict__)  # noqa: S102 - the user named it
    except (Exception, SystemExit) as error:  # whatever a file may do when it is run
        raise UserError(
            f"{file}, which --head names, does not run: {error_text(error)}. Correct it."
        ) from error
    return module


def _check_source(choice: str, source: Any) -> None:
    """Raise UserError unless a thing can make a model, or is one."""
    if hasattr(source, "func") and hasattr(source, "device"):
        raise UserError(
            f"{choice} is a QNode, whose sizes of data and weights are not known. Make a layer of it: "
            "QuantumHead.from_qnode(qnode, sample, weights)."
        )
    is_model = isinstance(source, nn.Module | QuantumCircuit) or is_estimator_like(source)
    if not is_model and not _is_maker(source):
        raise UserError(
            f"{choice} is an object of {type(source).__name__}, expected a function of dimension and n_labels. A torch "
            "module, a QuantumCircuit, or a class or an instance with fit and predict works too."
        )


def is_estimator_like(thing: Any) -> bool:
    """Return whether an instance has scikit-learn's methods ``fit`` and ``predict``."""
    return not isinstance(thing, type) and hasattr(thing, "fit") and hasattr(thing, "predict")


def _is_maker(source: Any) -> bool:
    """Return whether a thing is called to make a model, and is none itself."""
    if isinstance(source, nn.Module | QuantumCircuit) or is_estimator_like(source):
        return False
    return callable(source)


def _parameters(source: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of a maker by name, or the settings of an estimator as parameters."""
    if _is_maker(source):
        maker: Callable[..., Any] = source
        parameters = inspect.signature(maker).parameters.values()
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return {p.name: p for p in parameters if p.kind not in variadic}
    settings = source.get_params() if hasattr(source, "get_params") else {}
    return {name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in settings}


def _as_layer(circuit: QuantumCircuit, seed: int) -> QuantumHead:
    """Return a circuit as a layer: a vector x, inputs or data is the data, and all else is trained."""
    data = data_parameters(list(circuit.parameters), None)
    weights = natural_order([p for p in circuit.parameters if p not in data], "weights")
    generator = torch.Generator().manual_seed(seed)
    return QuantumHead.from_circuit(circuit, data=data, weights=weights, generator=generator)


def _has_entangling_layer(source: Any) -> bool:
    """Return whether an instance is or has a layer whose gates on two qubits can be left out."""
    if isinstance(source, QuantumCircuit):
        return any(len(instruction.qubits) > 1 for instruction in source.data)
    if not isinstance(source, nn.Module):
        return False
    layers = source.modules() if type(source) is nn.Sequential else [source]
    return any(isinstance(layer, QuantumHead) and is_entangling(layer) for layer in layers)


def _make_separable(module: nn.Module) -> nn.Module:
    """Return a layer, or a sequence of layers, with circuits without gates on two qubits."""
    if isinstance(module, QuantumHead):
        return separable_twin(module)
    if type(module) is nn.Sequential:
        return nn.Sequential(*map(_make_separable, module))
    return module
