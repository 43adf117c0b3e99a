"""The fixed table of providers. A provider's packages are imported when it is named, and by no name of a user's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qiskit.primitives import BaseEstimatorV2, BaseSamplerV2
from qiskit.providers import BackendV2
from qiskit.transpiler import Target

from qllmft_backends.errors import BackendError, MissingExtraError
from qllmft_base.text import error_text
from qllmft_machines.qiskit_machines.options import QiskitOptions
from qllmft_machines.qiskit_machines.packages import is_installed
from qllmft_machines.qiskit_machines.route import BackendRunner, Runner, SamplerRunner

_DEFAULT_FAKE_NAME = "fake_montreal"  # 27 qubits; larger snapshots take Aer minutes
_LOCAL_CLASS_PREFIXES = (  # beginnings of classes that run in this process
    *(
        "qiskit_aer.",
        "qllmft_backends.",
        "qllmft_engine.",
        "qiskit.providers.",
        "qiskit.primitives.statevector",
    ),
    *(
        "qiskit_ibm_runtime.fake_provider.",
        "qiskit_braket_provider.providers.braket_backend.BraketLocalBackend",
    ),
)


@dataclass(frozen=True)
class Machine:
    """Machine that runs circuits.

    Attributes:
        name: for people and the ledger.
        address: its provider and name, so that results of one machine never pass for those of another.
        qiskit_object: object of Python that describes it, a `BackendV2` or a primitive.
        runner: way to run circuits; None for an estimator.
        remote: circuits leave this machine.
        estimator: V2 estimator that computes expectation values itself; None otherwise.
        checked: numbers and places of the qubits whose check circuit came back right.
    """

    name: str
    address: str
    qiskit_object: Any
    runner: Runner | None
    remote: bool = False
    estimator: BaseEstimatorV2 | None = None
    checked: set[tuple[int, tuple[int, ...]]] = field(default_factory=set, compare=False)

    @property
    def target(self) -> Target | None:
        """Return its gates and qubits; None if unknown, and circuits are then sent as they are."""
        return getattr(self.qiskit_object, "target", None)


@dataclass(frozen=True)
class Provider:
    """Provider of machines."""

    open: Callable[[QiskitOptions], Machine]
    extra: str
    remote: bool = False

    @property
    def installed(self) -> bool:
        """Return whether its package is installed. Nothing is imported."""
        return is_installed(self.extra)


def open_machine(options: QiskitOptions) -> Machine:
    """Return the machine of the options."""
    provider = PROVIDERS.get(options.provider)
    if provider is None:
        raise BackendError(
            "provider is 'object' and no object is given. In Python: create('qiskit', backend=...). Otherwise name one "
            f"of {', '.join(PROVIDERS)}."
        )
    if provider.remote and options.machine is None:
        raise BackendError(
            f"provider {options.provider!r} has no default. Name a device with the option machine."
        )
    try:
        return provider.open(options)
    except ModuleNotFoundError as error:
        user = f"provider {options.provider!r}"
        raise MissingExtraError.from_import_error(user, error, provider.extra) from error
    except BackendError:
        raise
    # a provider's own error: no account, no credentials, no such machine
    except Exception as error:
        raise BackendError(
            f"provider {options.provider!r} does not open {options.machine or 'its machine'}: "
            f"{error_text(error).rstrip('.')}. Save the account as the provider says, or name a device of it."
        ) from error


def wrap_machine(qiskit_object: object, *, local: bool, name: str | None = None) -> Machine:
    """Return a machine of a `BackendV2` or of a V2 primitive. An unknown class is remote, unless ``local``.

    Its ``name`` is the object's own by default.
    """
    is_primitive = isinstance(qiskit_object, BaseSamplerV2 | BaseEstimatorV2)
    inner_object = (
        getattr(qiskit_object, "_backend", qiskit_object) if is_primitive else qiskit_object
    )
    class_name, inner_class_name = (
        f"{type(instance).__module__}.{type(instance).__qualname__}"
        for instance in (qiskit_object, inner_object)
    )
    remote = not (local or inner_class_name.startswith(_LOCAL_CLASS_PREFIXES))
    name = name or str(getattr(inner_object, "name", None) or type(inner_object).__name__)
    address = f"object:{class_name}:{name}"
    estimator = None
    runner: Runner | None = None
    if isinstance(qiskit_object, BaseEstimatorV2):
        if remote:
            raise BackendError(
                f"{class_name} is a remote estimator, whose results have no counts to keep in the ledger. Give its "
                "backend or a sampler, or local=True if it runs in this process."
            )
        estimator = qiskit_object
    elif isinstance(qiskit_object, BaseSamplerV2):
        runner = SamplerRunner(qiskit_object)
    elif isinstance(qiskit_object, BackendV2):
        runner = BackendRunner(qiskit_object)
    else:
        raise BackendError(
            f"got {class_name}, expected a BackendV2, a BaseSamplerV2 or a BaseEstimatorV2 of Qiskit."
        )
    return Machine(name, address, inner_object, runner, remote, estimator)


def _wrap_in_aer(backend: BackendV2, provider: str) -> Machine:
    from qiskit_aer import AerSimulator

    runner = BackendRunner(AerSimulator.from_backend(backend))
    return Machine(backend.name, f"{provider}:{backend.name}", backend, runner)


def _generic(options: QiskitOptions) -> Machine:
    from qiskit.providers.fake_provider import GenericBackendV2

    size_text = options.machine or "12"
    if not size_text.isdecimal() or not 1 <= int(size_text) <= 40:
        raise BackendError(
            f"machine is {size_text!r}, expected the number of qubits of a generic device, 1 to 40."
        )
    return _wrap_in_aer(GenericBackendV2(int(size_text), seed=0), "generic")


def _fake_backend(options: QiskitOptions) -> BackendV2:
    from qiskit_ibm_runtime.fake_provider import FakeProviderForBackendV2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about snapshots that no setting names
        backends_by_name = {
            backend.name: backend for backend in FakeProviderForBackendV2().backends()
        }
    name = options.machine or _DEFAULT_FAKE_NAME
    if name not in backends_by_name:
        raise BackendError(
            f"there is no snapshot {name!r}. Qiskit-ibm-runtime has {', '.join(sorted(backends_by_name))}."
        )
    return backends_by_name[name]


def _with_ibm_sampler(backend: BackendV2, provider: str, service: Any = None) -> Machine:
    from qiskit_ibm_runtime.executor_sampler import Sampler  # the class SamplerV2 is deprecated

    runner = SamplerRunner(Sampler(mode=backend), service)
    address = f"{provider}:{backend.name}"
    return Machine(backend.name, address, backend, runner, remote=service is not None)


def _ibm(options: QiskitOptions) -> Machine:
    from qiskit_ibm_runtime import QiskitRuntimeService

    service = QiskitRuntimeService()  # the account that the user saved, or the environment's
    return _with_ibm_sampler(service.backend(options.machine), "ibm", service)


def _braket_local(options: QiskitOptions) -> Machine:
    from qiskit_braket_provider import BraketLocalBackend

    name = options.machine or "default"
    if name not in ("default", "braket_sv", "braket_dm"):
        raise BackendError(
            f"machine is {name!r}, expected one of Braket's local simulators: default, braket_sv or braket_dm."
        )
    if "seed" in options.model_fields_set:
        raise BackendError("Braket's local simulator takes no seed. Omit seed.")
    backend = BraketLocalBackend(name)
    return Machine(f"braket {name}", f"braket-local:{name}", backend, BackendRunner(backend))


def _braket(options: QiskitOptions) -> Machine:
    from qiskit_braket_provider import BraketProvider

    backend = BraketProvider().get_backend(options.machine)  # by the credentials that boto3 finds
    address = f"braket:{backend.name}"
    runner = BackendRunner(backend)
    return Machine(backend.name, address, backend, runner, remote=True)


PROVIDERS: dict[str, Provider] = {
    "generic": Provider(_generic, "aer"),
    "ibm-fake": Provider(
        lambda options: _with_ibm_sampler(_fake_backend(options), "ibm-fake"),
        "ibm",
    ),
    "aer-from-backend": Provider(
        lambda options: _wrap_in_aer(_fake_backend(options), "aer-from-backend"),
        "ibm",
    ),
    "braket-local": Provider(_braket_local, "braket"),
    "ibm": Provider(_ibm, "ibm", remote=True),
    "braket": Provider(_braket, "braket", remote=True),
}
