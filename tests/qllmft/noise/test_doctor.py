"""`qllmft doctor --noise` passes here, and finds a backend that drops its noise."""

import json
from dataclasses import replace

import pytest
from noisy_training import ended

from qllmft_backends import MissingExtraError, create, noise_check
from qllmft_backends.noise_check import check_noise

QUIET = {"one_qubit_rate": 0.0, "two_qubit_rate": 0.0, "noise": "explicit"}


@pytest.fixture(scope="module")
def checks():
    return check_noise()


def test_noise_is_applied_here(checks):
    assert len(checks) == 10
    assert {check.backend.split(",")[0] for check in checks} == {"adjoint", "aer_forte"}
    assert all(check.passed for check in checks)


def test_the_command_says_so(checks, monkeypatch, capsys):
    monkeypatch.setattr(noise_check, "check_noise", lambda: checks)
    assert ended(["doctor", "--noise"]) == 0
    out = capsys.readouterr().out
    assert out.count("ok  ") == 10
    assert "WRONG" not in out
    assert ended(["doctor", "--noise", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert all(row["passed"] and row["got"] != row["without"] for row in rows)


def without_gate_noise(name, options):
    """Backends that drop gate noise and say nothing, as Aer's EstimatorV2 does."""
    if name == "aer_forte":
        return create(name, options | QUIET)
    return create(name, {key: value for key, value in options.items() if key != "noise"})


def twice_the_noise(name, options):
    strong = {"paper_low": "paper_high"}
    return create(
        name,
        options | ({"noise": strong[options["noise"]]} if options.get("noise") in strong else {}),
    )


def without_shots(name, options):
    if name == "aer_forte":
        return create(name, options | {"shots": None, "method": "density_matrix"})
    return create(
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
def test_a_backend_that_drops_its_noise_is_found(make, wrong, monkeypatch, capsys):
    found = check_noise(make)
    assert [check.passed for check in found] == [not wrong(check) for check in found]
    monkeypatch.setattr(noise_check, "check_noise", lambda: found)
    assert ended(["doctor", "--noise"]) == 1
    assert capsys.readouterr().out.count("WRONG") == sum(map(wrong, found))


def test_what_is_not_installed_is_not_checked(checks, monkeypatch, capsys):
    def make(name, options):
        if name == "aer_forte":
            raise MissingExtraError("backend 'aer_forte' needs the package 'qiskit_aer'")
        return create(name, options)

    found = check_noise(make)
    assert sum(bool(check.note) for check in found) == 5
    assert not any(check.passed for check in found if check.note)
    monkeypatch.setattr(noise_check, "check_noise", lambda: found)
    assert ended(["doctor", "--noise"]) == 0
    assert capsys.readouterr().out.count("not checked") == 5
    assert ended(["doctor", "--noise", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[3]["got"] is None


def test_a_value_between_noise_and_none_proves_nothing(checks):
    check = replace(checks[0], tolerance=1.0)
    assert not check.passed
