"""The fixed table of providers. A provider's packages are imported when it is named, and by no name of a user's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from math import inf
from typing import Any

from qiskit.primitives import BaseEstimatorV2, BaseSamplerV2
from qiskit.providers import BackendV2
from qiskit.transpiler import Target

from qllmft_backends.errors import BackendError, MissingExtraError
from qllmft_backends.remote.machines.options import QiskitOptions
from qllmft_backends.remote.machines.runners import BackendRunner, Runner, SamplerRunner
from qllmft_backends.text import error_text

_FAKE = "fake_montreal"  # 27 qubits; larger snapshots take Aer minutes
_LOCAL = (  # beginnings of classes that run in this process
    *("qiskit_aer.", "qllmft_backends.", "qiskit.providers.", "qiskit.primitives.statevector"),
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
        runner: way to run circuits; None for an estimator.
        estimator: V2 estimator that computes expectation values itself; None otherwise.
        target: gates and qubits; None if unknown, and circuits are then sent as they are.
        remote: circuits leave this machine.
        properties: returns what IBM's machines state of their readouts beside the target; None for others.
        max_circuits: limit of the machine on a job.
        fewest_shots: limit of the machine on a circuit.
        thing: object of Python that the machine was made of; None for a provider's.
    """

    name: str
    address: str
    runner: Runner | None
    target: Target | None
    remote: bool
    estimator: BaseEstimatorV2 | None = None
    properties: Callable[[], Any] | None = None
    max_circuits: float = inf
    fewest_shots: int = 1
    thing: object = None


@dataclass(frozen=True)
class Provider:
    """Provider of machines."""

    open: Callable[[QiskitOptions], Machine]
    extra: str
    package: str
    remote: bool = False


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
            f"provider {options.provider!r} has no default; name a machine with the option machine."
        )
    try:
        return provider.open(options)
    except ModuleNotFoundError as error:
        user = f"provider {options.provider!r}"
        raise MissingExtraError.of(user, error, provider.extra) from error
    except BackendError:
        raise
    # a provider's own error: no account, no credentials, no such machine
    except Exception as error:
        raise BackendError(
            f"provider {options.provider!r} does not open {options.machine or 'its machine'}: "
            f"{error_text(error).rstrip('.')}. Save the account as the provider says, or name a machine of it."
        ) from error


def installed(provider: Provider) -> bool:
    """Return whether the package of a provider is installed. Nothing is imported."""
    return find_spec(provider.package) is not None


def machine_of(thing: object, *, local: bool, name: str | None = None) -> Machine:
    """Return a machine of a `BackendV2` or of a V2 primitive. An unknown class is remote, unless ``local``.

    Its ``name`` is the object's own by default.
    """
    kind = f"{type(thing).__module__}.{type(thing).__qualname__}"
    inner = (
        getattr(thing, "_backend", thing)
        if isinstance(thing, BaseSamplerV2 | BaseEstimatorV2)
        else thing
    )
    here = local or f"{type(inner).__module__}.{type(inner).__qualname__}".startswith(_LOCAL)
    target = getattr(inner, "target", None)
    name = name or str(getattr(inner, "name", None) or type(inner).__name__)
    shared: dict[str, Any] = {
        "name": name,
        "address": f"object:{kind}:{name}",
        "target": target,
        "remote": not here,
        "properties": getattr(inner, "properties", None),
        "max_circuits": _most_circuits(inner),
        "fewest_shots": _fewest_shots(inner),
        "thing": inner,
    }
    if isinstance(thing, BaseEstimatorV2):
        if not here:
            raise BackendError(
                f"{kind} is a remote estimator, whose results have no counts to keep in the ledger. Give its backend, "
                "or a sampler; or local=True if it runs in this process."
            )
        return Machine(**shared, runner=None, estimator=thing)
    if isinstance(thing, BaseSamplerV2):
        return Machine(**shared, runner=SamplerRunner(thing))
    if isinstance(thing, BackendV2):
        return Machine(**shared, runner=BackendRunner(thing))
    raise BackendError(
        f"got {kind}; expected a BackendV2, a BaseSamplerV2 or a BaseEstimatorV2 of Qiskit."
    )


def _machine(backend: BackendV2, provider: str, runner: Runner, *, remote: bool = False) -> Machine:
    limit = _most_circuits(backend)
    address = f"{provider}:{backend.name}"
    stated = getattr(backend, "properties", None)
    return Machine(
        backend.name,
        address,
        runner,
        backend.target,
        remote,
        max_circuits=limit,
        fewest_shots=_fewest_shots(backend),
        properties=stated,
    )


def _most_circuits(backend: object) -> float:
    """Return the limit of a backend on the circuits of a job."""
    limit = getattr(backend, "max_circuits", None)
    return limit if isinstance(limit, int) and limit > 0 else inf


def _fewest_shots(backend: object) -> int:
    """Return the least shots of a circuit that a device of Amazon Braket states, 1 for others."""
    service: Any = backend
    for name in ("_device", "properties", "service", "shotsRange"):
        service = getattr(service, name, None)
    return int(service[0]) if isinstance(service, tuple | list) and service else 1


def _in_aer(backend: BackendV2, provider: str) -> Machine:
    from qiskit_aer import AerSimulator

    return _machine(backend, provider, BackendRunner(AerSimulator.from_backend(backend)))


def _generic(options: QiskitOptions) -> Machine:
    from qiskit.providers.fake_provider import GenericBackendV2

    given = options.machine or "12"
    if not given.isdecimal() or not 1 <= int(given) <= 40:
        raise BackendError(
            f"machine is {given!r}; expected the number of qubits of a generic machine, 1 to 40."
        )
    return _in_aer(GenericBackendV2(int(given), seed=0), "generic")


def _fake_backend(options: QiskitOptions) -> BackendV2:
    from qiskit_ibm_runtime.fake_provider import FakeProviderForBackendV2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about snapshots that no setting names
        known = {backend.name: backend for backend in FakeProviderForBackendV2().backends()}
    name = options.machine or _FAKE
    if name not in known:
        raise BackendError(
            f"there is no snapshot {name!r}; qiskit-ibm-runtime has {', '.join(sorted(known))}."
        )
    return known[name]


def _aer_from_backend(options: QiskitOptions) -> Machine:
    return _in_aer(_fake_backend(options), "aer-from-backend")


def _ibm_fake(options: QiskitOptions) -> Machine:
    backend = _fake_backend(options)
    return _machine(backend, "ibm-fake", SamplerRunner(_ibm_sampler(backend)))


def _ibm_sampler(backend: BackendV2) -> BaseSamplerV2:
    from qiskit_ibm_runtime import SamplerV2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its successor has no local mode
        return SamplerV2(mode=backend)


def _ibm(options: QiskitOptions) -> Machine:
    from qiskit_ibm_runtime import QiskitRuntimeService

    service = QiskitRuntimeService()  # the account that the user saved, or the environment's
    backend = service.backend(options.machine)
    return _machine(backend, "ibm", SamplerRunner(_ibm_sampler(backend), service), remote=True)


def _braket_local(options: QiskitOptions) -> Machine:
    from qiskit_braket_provider import BraketLocalBackend

    name = options.machine or "default"
    if name not in ("default", "braket_sv", "braket_dm"):
        raise BackendError(
            f"machine is {name!r}; Braket's local simulators are default, braket_sv and braket_dm."
        )
    if "seed" in options.model_fields_set:
        raise BackendError("Braket's local simulator takes no seed; omit seed.")
    backend = BraketLocalBackend(name)
    return Machine(
        f"braket {name}",
        f"braket-local:{name}",
        BackendRunner(backend),
        backend.target,
        remote=False,
    )


def _braket(options: QiskitOptions) -> Machine:
    from qiskit_braket_provider import BraketProvider

    backend = BraketProvider().get_backend(options.machine)  # by the credentials that boto3 finds
    return _machine(backend, "braket", BackendRunner(backend), remote=True)


PROVIDERS: dict[str, Provider] = {
    "generic": Provider(_generic, "aer", "qiskit_aer"),
    "ibm-fake": Provider(_ibm_fake, "ibm", "qiskit_ibm_runtime"),
    "aer-from-backend": Provider(_aer_from_backend, "ibm", "qiskit_ibm_runtime"),
    "braket-local": Provider(_braket_local, "braket", "qiskit_braket_provider"),
    "ibm": Provider(_ibm, "ibm", "qiskit_ibm_runtime", remote=True),
    "braket": Provider(_braket, "braket", "qiskit_braket_provider", remote=True),
}
