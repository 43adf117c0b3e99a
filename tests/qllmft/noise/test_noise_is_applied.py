"""Backends apply their noise, and the checks find one that drops it."""

from dataclasses import replace

import pytest
from noise_checks import check_noise

from qllmft_backends import MissingExtraError, create

QUIET = {"one_qubit_rate": 0.0, "two_qubit_rate": 0.0, "noise": "explicit"}
ANSWERS = {}  # by backend, options and question; the seed and these decide an answer


class AskedOnce:
    """A backend that computes its answer to a question once: a defect leaves most checks as they were."""

    def __init__(self, name, options):
        self._backend = create(name, options)
        self._key = name, *sorted(options.items())

    def expectations(self, circuit, values, observables):
        key = *self._key, circuit.num_qubits, values.tobytes(), values.shape, str(observables)
        if key not in ANSWERS:
            ANSWERS[key] = self._backend.expectations(circuit, values, observables)
        return ANSWERS[key]


@pytest.fixture(scope="module")
def checks():
    return check_noise(AskedOnce)


def test_noise_is_applied_here(checks):
    assert len(checks) == 10
    assert {check.backend.split(",")[0] for check in checks} == {"adjoint", "aer_forte"}
    assert all(check.passed for check in checks)


def without_gate_noise(name, options):
    """Backends that drop gate noise and say nothing, as Aer's EstimatorV2 does."""
    if name == "aer_forte":
        return AskedOnce(name, options | QUIET)
    return AskedOnce(name, {key: value for key, value in options.items() if key != "noise"})


def twice_the_noise(name, options):
    strong = {"paper_low": "paper_high"}
    return AskedOnce(
        name,
        options | ({"noise": strong[options["noise"]]} if options.get("noise") in strong else {}),
    )


def without_shots(name, options):
    if name == "aer_forte":
        return AskedOnce(name, options | {"shots": None, "method": "density_matrix"})
    return AskedOnce(
        name, {key: value for key, value in options.items() if key not in ("shots", "shot_model")}
    )


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (without_gate_noise, lambda check: "rotations" in check.quantity),
        (twice_the_noise, lambda check: "paper_low" in check.backend),
        (without_shots, lambda check: "variance" in check.quantity),
    ],
)
def test_a_backend_that_drops_its_noise_is_found(make, wrong):
    noise_checks = check_noise(make)
    assert [check.passed for check in noise_checks] == [not wrong(check) for check in noise_checks]


def test_what_is_not_installed_is_not_checked():
    def make(name, options):
        if name == "aer_forte":
            raise MissingExtraError("backend 'aer_forte' needs the package 'qiskit_aer'")
        return AskedOnce(name, options)

    noise_checks = check_noise(make)
    assert sum(bool(check.note) for check in noise_checks) == 5
    assert not any(check.passed for check in noise_checks if check.note)


def test_a_value_between_noise_and_none_proves_nothing(checks):
    assert not replace(checks[0], tolerance=1.0).passed
