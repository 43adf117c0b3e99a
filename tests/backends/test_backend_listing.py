"""The list behind `qllmft backends`."""

import sys
from types import SimpleNamespace

import pytest

from qllmft_backends import BACKENDS, Availability, MissingExtraError, create, describe
from qllmft_backends.aer.simulator import gpu_obstacle
from qllmft_machines.ionq.token import TOKEN_VARIABLES

AER_MODULES = (
    "qllmft_backends.aer.statevector",
    "qllmft_backends.aer.noisy",
    "qllmft_backends.aer.simulator",
)


def rows():
    return {row.name: row for row in describe()}


def test_every_backend_is_listed_with_its_facts():
    listed = rows()
    assert list(listed) == list(BACKENDS)
    for name, row in listed.items():
        assert all((row.summary, row.device, row.noise, row.limits)), name
    assert listed["adjoint"].available
    assert listed["aer_forte"].available
    assert "2.667e-4" in listed["aer_forte"].noise
    assert listed["aer_statevector"].available
    assert "GPU" in listed["aer_statevector"].note
    assert "NVIDIA GPU" in listed["aer_statevector"].device


@pytest.mark.skipif(gpu_obstacle() is None, reason="Aer finds a GPU here")
def test_a_missing_gpu_is_said():
    assert "Aer finds no GPU" in rows()["aer_statevector"].note


def test_both_packages_of_aer_side_by_side_are_said(monkeypatch):
    wheels = [SimpleNamespace(version="0.15.1")]
    monkeypatch.setattr("qllmft_backends.aer.wheels.distributions", lambda name: wheels)
    note = (
        "qiskit-aer and qiskit-aer-gpu are both installed and overwrite each other: pip uninstall"
    )
    assert rows()["aer_statevector"].note.startswith(note)


def test_the_price_class_is_what_the_backends_say():
    for name in ("adjoint", "aer_statevector", "aer_forte"):
        assert (rows()[name].price == "paid") == create(name).capabilities.paid


def test_a_missing_extra_is_a_reason_and_not_a_crash(monkeypatch):
    monkeypatch.setitem(sys.modules, "qiskit_aer", None)
    for module in AER_MODULES:
        monkeypatch.delitem(sys.modules, module, raising=False)
    listed = rows()
    for name in ("aer_statevector", "aer_forte"):
        assert not listed[name].available
        assert listed[name].note == "'qiskit_aer' is not installed: pip install 'qllmft[aer]'"
        with pytest.raises(MissingExtraError, match=r"pip install 'qllmft\[aer\]'"):
            create(name)
    assert listed["adjoint"].available


def test_looking_up_says_what_importing_says(monkeypatch):
    for variable in TOKEN_VARIABLES[:2]:
        assert describe(imports=False) == describe()
        monkeypatch.setenv(variable, "a-key")
    monkeypatch.setattr("qllmft_backends.registry.find_spec", lambda name: None)
    notes = {row.name: row.note for row in describe(imports=False) if not row.available}
    assert notes.keys() == {name for name in BACKENDS if BACKENDS[name].packages}
    for name, note in notes.items():
        entry = BACKENDS[name]
        assert (
            note == f"{entry.packages[0]!r} is not installed: pip install 'qllmft[{entry.extra}]'"
        )


def test_a_package_that_does_not_load_is_a_reason_too(monkeypatch):
    reason = "libcustatevec.so.1: cannot open shared object file"

    def broken(name: str) -> None:
        raise ImportError(reason)

    monkeypatch.setattr("qllmft_backends.registry.import_module", broken)
    assert rows()["aer_forte"].note.endswith(f"do not load: {reason}")


def test_a_backend_s_own_reason_is_shown(monkeypatch):
    from qllmft_engine.backend import AdjointBackend

    state = classmethod(lambda cls: Availability(False, "no token"))
    monkeypatch.setattr(AdjointBackend, "availability", state)
    row = rows()["adjoint"]
    assert (row.available, row.note) == (False, "no token")
