"""The backends by name, and their list. A backend's packages are imported when it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ValidationError

from qllmft_backends.availability import Availability
from qllmft_backends.errors import MissingExtraError, UnknownBackendError
from qllmft_base.plugins import BUILT_IN, Registry
from qllmft_base.text import error_text
from qllmft_base.validation import InvalidValue, faults
from qllmft_base.versions import install_command

if TYPE_CHECKING:  # it imports Qiskit, which takes a second
    from qllmft_backends.backend import Backend


@dataclass(frozen=True)
class Entry:
    """Module and properties of a backend."""

    summary: str  # one line for people
    module: str
    backend: str  # class in it
    options: str  # its pydantic class
    extra: str | None = None  # see `install_command`
    # module and function that return its availability, or None, without its packages; "": they say nothing
    look_up: str = ""
    packages: tuple[str, ...] = ()  # modules of its extra
    device: str = "CPU"
    noise: str = "none"  # with its convention
    limits: str = ""
    price: Literal["free", "paid"] = "free"  # of a circuit
    # its option ``ledger`` is a folder that records all circuits sent
    keeps_ledger: bool = False
    # it computes in this process and states `Capabilities.adjoint`
    adjoint: bool = False
    # `create` passes it a `BackendV2` or a V2 primitive
    takes_object: bool = False
    # it takes the options of `CircuitNoise`, which a run sets in its section ``noise``
    noise_section: bool = False


_IONQ_PACKAGES = ("qiskit_ionq", "requests", "tenacity")
_BUILT_IN = {
    "adjoint": Entry(
        summary="the project's own simulator: exact, batched, gradients in one reverse sweep (default)",
        module="qllmft_engine.backend",
        backend="AdjointBackend",
        options="AdjointOptions",
        device="CPU, devices of torch (device=...)",
        noise="none. Options: depolarizing_error(r, n) after every gate, readout error, shots",
        limits="30 qubits. Gates ry, cx, x, z, h, cz, swap",
        adjoint=True,
        noise_section=True,
    ),
    "aer_statevector": Entry(
        summary="Qiskit Aer: exact or with shots, any unitary circuit, gradients by parameter shift",
        module="qllmft_backends.aer.statevector",
        backend="AerStatevectorBackend",
        options="AerStatevectorOptions",
        extra="aer",
        look_up="qllmft_backends.aer.wheels:look_up_statevector",
        packages=("qiskit_aer",),
        device="CPU or NVIDIA GPU",
        noise="none. Option: shots",
        limits="memory: 16 bytes x 2^qubits",
    ),
    "aer_forte": Entry(
        summary="Qiskit Aer with the gate noise of IonQ's Forte, and shots",
        module="qllmft_backends.aer.noisy",
        backend="AerForteBackend",
        options="AerForteOptions",
        extra="aer",
        packages=("qiskit_aer",),
        noise="depolarizing_error(r, n) after every gate: r(1Q) = 2.667e-4, r(2Q) = 4.949e-3. Shots",
        limits="gates on 1 and 2 qubits. Memory: 16 x 4^qubits bytes, with trajectories 16 x 2^qubits",
    ),
    "ionq_simulator": Entry(
        summary="IonQ's simulator in the cloud: free, ideal or with a device's noise model",
        module="qllmft_machines.ionq.backend",
        backend="IonQSimulator",
        options="IonQSimulatorOptions",
        extra="ionq",
        look_up="qllmft_machines.ionq.token:look_up",
        packages=_IONQ_PACKAGES,
        device="IonQ's cloud",
        noise="none, forte1, or IonQ's model of another device (noise_model)",
        limits="29 qubits",
        keeps_ledger=True,
    ),
    "ionq_forte": Entry(
        summary="IonQ's devices, Forte's 36 ions by default (target=...): paid, priced before it sends, resumable",
        module="qllmft_machines.ionq.backend",
        backend="IonQForte",
        options="IonQForteOptions",
        extra="ionq",
        look_up="qllmft_machines.ionq.token:look_up",
        packages=_IONQ_PACKAGES,
        device="IonQ Forte, trapped ions",
        noise="the device's own",
        limits="36 qubits on Forte, 10,000 shots, 50 circuits a job",
        price="paid",
        keeps_ledger=True,
    ),
    "pennylane": Entry(
        summary="devices of PennyLane: qllmft.adjoint, default.qubit, lightning.qubit (device=...)",
        module="qllmft_engine.pennylane_device.backend",
        backend="PennyLaneBackend",
        options="PennyLaneOptions",
        extra="pennylane",
        packages=("pennylane",),
        noise="none. Option: shots",
        limits="memory: 16 bytes x 2^qubits",
    ),
    "qiskit": Entry(
        summary="any Qiskit backend or V2 primitive: IBM, Braket, snapshots of devices in Aer (provider=...)",
        module="qllmft_machines.qiskit_machines.backend",
        backend="QiskitBackend",
        options="QiskitOptions",
        extra="aer",
        look_up="qllmft_machines.qiskit_machines.packages:look_up",
        device="this CPU: generic, ibm-fake, aer-from-backend, braket-local. The device: ibm, braket (paid)",
        noise="the device's, or the noise of its snapshot. None on braket-local",
        limits="those of the device. Remote: max_circuits, or the price per circuit or shot, must be set",
        keeps_ledger=True,
        takes_object=True,
    ),
}
BACKENDS: Registry[Entry] = Registry("backend", Entry, _BUILT_IN, UnknownBackendError)


def _describe_faults(found_faults: Sequence[InvalidValue], options_class: type[BaseModel]) -> str:
    """Return sentences about invalid options, with the names of all options if one of them is unknown."""
    fault_text = ". Also ".join(
        f"option {fault.place} = {fault.shown_value}: {fault.message}"
        if fault.path
        else fault.message
        for fault in found_faults
    )
    if not any(fault.kind == "extra_forbidden" for fault in found_faults):
        return f"{fault_text}."
    option_names = [field.alias or key for key, field in options_class.model_fields.items()]
    return f"{fault_text}. Its options are: {', '.join(option_names) or 'none'}."


def create(
    name: str, options: Mapping[str, Any] | None = None, *, backend: object = None
) -> Backend:
    """Make a backend.

    Args:
        name: one of `BACKENDS`.
        options: its typed options; see the options class of the entry.
        backend: for ``qiskit``, a `BackendV2` or a V2 primitive of Qiskit to run on.

    Raises:
        UnknownBackendError: for a name or an option that does not exist, or a value that does not fit.
        MissingExtraError: if its packages are not installed.
    """
    entry = BACKENDS[name]
    options_class = load_options_class(name)
    if backend is not None and not entry.takes_object:
        raise UnknownBackendError(
            f"backend {name!r} takes no object, expected create('qiskit', backend=...)."
        )
    try:
        typed_options = options_class.model_validate(dict(options or {}))
    except ValidationError as error:
        raise UnknownBackendError(
            f"backend {name!r}: {_describe_faults(faults(error), options_class)}"
        ) from None
    backend_arguments = () if backend is None else (backend,)
    backend_class: Any = load_backend_class(entry, name)
    new_backend: Backend = backend_class(typed_options, *backend_arguments)
    return new_backend


def load_backend_class(entry: Entry, name: str) -> type[Backend]:
    """Return the class of a backend, or raise `MissingExtraError` if its module has none with the methods of one."""
    from qllmft_backends.backend import Backend  # it imports Qiskit, which takes a second

    thing = getattr(import_module(entry.module), entry.backend, None)
    place = f"backend {name!r} ({BACKENDS.source(name)}): {entry.module}.{entry.backend}"
    if not (isinstance(thing, type) and issubclass(thing, Backend)):
        raise MissingExtraError(
            f"{place} is {thing!r:.60}, expected a subclass of qllmft_backends.Backend. Repair that package."
        )
    if missing := sorted(thing.__abstractmethods__):
        raise MissingExtraError(f"{place} has no {', '.join(missing)}. Add what is missing.")
    return thing


def load_options_class(name: str) -> type[BaseModel]:
    """Return the options class of a backend, with the errors of `create` for its packages."""
    entry = BACKENDS[name]
    try:
        options_class: type[BaseModel] = getattr(import_module(entry.module), entry.options)
    except Exception as error:
        source = BACKENDS.source(name)
        if isinstance(error, ModuleNotFoundError) and entry.extra:
            raise MissingExtraError.from_import_error(
                f"backend {name!r}", error, entry.extra
            ) from error
        if source == BUILT_IN:
            raise
        raise MissingExtraError(
            f"backend {name!r} ({source}) does not load: {error_text(error)}."
        ) from error
    return options_class


@dataclass(frozen=True)
class BackendRow:
    """Backend in the list of `describe`."""

    name: str  # argument of `qllmft_backends.create`
    summary: str
    available: bool  # it can run here by its default options
    # the reason and the remedy if it cannot; else a remark on an option
    note: str
    device: str  # this and the rest: see `Entry`
    noise: str
    limits: str
    price: Literal["free", "paid"]
    source: str  # see `plugins.PluginRow`


def describe(*, imports: bool = True) -> list[BackendRow]:
    """Describe every backend of the registry, in its order, sending nothing.

    Packages are imported, which shows whether they load. Without ``imports``, those of the project's own backends are
    looked up, which takes a tenth of the time.
    """
    rows = []
    for name in BACKENDS:
        try:
            entry = BACKENDS[name]
            availability = None if imports else _look_up(entry, name)
            if availability is None:
                availability = load_backend_class(entry, name).availability()
            available = availability.available
            note = availability.note
        except UnknownBackendError as error:
            unloadable_text = "a plug-in that does not load"
            entry = Entry(unloadable_text, "", "", "", device="unknown", noise="unknown")
            available = False
            note = str(error)
        except Exception as error:  # a broken package is a reason, not a traceback
            available = False
            note = f"its packages are installed and do not load: {error}"
            if isinstance(error, ModuleNotFoundError) and entry.extra:
                note = _missing_note(str(error.name), entry.extra)
        shared_fields = {key: getattr(entry, key) for key in ("device", "noise", "limits", "price")}
        source = BACKENDS.source(name)
        rows.append(
            BackendRow(name, entry.summary, available, note, source=source, **shared_fields)
        )
    return rows


def _look_up(entry: Entry, name: str) -> Availability | None:
    """Return the availability of a backend without its packages, or None if they have to be asked."""
    if BACKENDS.source(name) != BUILT_IN:
        return None
    for package in entry.packages:
        if find_spec(package) is None:
            return Availability(False, _missing_note(package, entry.extra or ""))
    if not entry.look_up:
        return Availability(True)
    module, _, function = entry.look_up.partition(":")
    availability: Availability | None = getattr(import_module(module), function)()
    return availability


def _missing_note(package: str, extra: str) -> str:
    return f"{package!r} is not installed: {install_command(extra)}"
