"""The paper's formulas and its crossover, by two routes."""

import math
from dataclasses import replace

import numpy as np
import pytest

from qllmft.config import ModelConfig
from qllmft.energy.curve import crossing, crossover_qubits, energy_curve
from qllmft.energy.formula import (
    FORTE,
    PAPER,
    EnergyConstants,
    gpu_energy_kj,
    head_counts,
    qpu_energy_kj,
)
from qllmft.templates import head_template
from qllmft_base.errors import UserError
from qllmft_circuits import count
from qllmft_circuits.inspect import CircuitCounts

HEAD = ModelConfig()  # R = 4, N = 1, M = 2
# the readings of figure 1, as heads of so many layers: N between and M last, N after each then M, N
# + M after each
READINGS = [
    (HEAD, 5),
    (HEAD.model_copy(update={"main_layers": 3}), 6),
    (HEAD.model_copy(update={"reupload_layers": 3, "main_layers": 3}), 12),
]
EVERY_READING = pytest.mark.parametrize(
    ("head", "layers"), READINGS, ids=["between", "after each", "every"]
)


@EVERY_READING
@pytest.mark.parametrize("q", [3, 10, 17])
def test_counts_come_from_the_circuit_and_agree_with_the_layers_by_hand(head, layers, q):
    counts = head_counts(head, q)
    assert (counts.one_qubit_gates, counts.two_qubit_gates) == ((4 + layers) * q, layers * q)
    assert counts.n_qubits == q


def test_counting_between_is_the_trained_head():
    config = ModelConfig(
        n_qubits=7, reuploads=3, reupload_layers=2, main_layers=1, connectivity=3, ring=False
    )
    assert head_counts(config, 7) == count(head_template(config))


@EVERY_READING
def test_the_crossover_agrees_with_the_equation_solved_for_it(head, layers):
    """E_qpu = E_gpu with SQ = a·Q, TQ = b·Q is Q - log2 Q = const: a fixed point, no circuit in it."""
    watts_seconds = ((4 + layers) * 1e-4 + layers * 1e-5) * 8000 * 300
    const = math.log2(watts_seconds * 3.4e13 / (((4 + layers) * 4 + layers * 8) * 700))
    q = 40.0
    for _ in range(100):
        q = const + math.log2(q)
    assert math.ceil(q) == crossover_qubits(head) == 46
    at, _energy = crossing(energy_curve(head, range(40, 50)).points)
    assert at == pytest.approx(q, abs=2e-3)  # straight lines between whole numbers of qubits


def test_printed_p_qpu_in_e_gpu_would_not_give_the_published_46():
    printed = replace(PAPER, gpu_power_w=300.0)
    assert [crossover_qubits(head, printed) for head, _ in READINGS] == [48, 48, 47]


def test_constants_are_table_v_and_what_other_gate_times_would_give():
    assert EnergyConstants() == EnergyConstants(300.0, 1e-4, 1e-5, 8000, 700.0, 3.4e13)
    assert (
        crossover_qubits(HEAD, replace(PAPER, one_qubit_gate_s=1e-5, two_qubit_gate_s=1e-4)) == 46
    ), "exchanged"
    assert (FORTE.one_qubit_gate_s, FORTE.two_qubit_gate_s, crossover_qubits(HEAD, FORTE)) == (
        130e-6,
        970e-6,
        49,
    )


def test_energies_by_hand_at_three_qubits():
    counts = CircuitCounts(
        3, one_qubit_gates=20, two_qubit_gates=7, depth=9, weights=1, data_angles=1
    )
    # 20 × 100 µs + 7 × 10 µs = 2.07 ms a shot; 8,000 shots 16.56 s at 900 W
    assert qpu_energy_kj(counts) == pytest.approx(16.56 * 0.9)
    # 8 amplitudes × 136 operations = 1,088 at 3.4e13 a second: 32 ps at 700 W
    assert gpu_energy_kj(counts) == pytest.approx(32e-12 * 0.7)


def test_gpu_operations_agree_with_those_of_matrix_products():
    """A gate on n qubits is 2^(Q-n) products of a 2^n × 2^n matrix with a vector, 4^n products of numbers each."""
    counts = head_counts(HEAD, 5)
    multiplications = sum(
        n_gates * 2 ** (5 - n) * np.ones((2**n, 2**n)).size
        for n, n_gates in ((1, counts.one_qubit_gates), (2, counts.two_qubit_gates))
    )
    with_additions = 2 * multiplications  # the paper counts 2·4^n·2^(Q-n) = 2^(Q+n+1) of a gate
    assert (
        gpu_energy_kj(counts, replace(PAPER, gpu_flops=1.0, gpu_power_w=1000.0)) == with_additions
    )


def test_follow_up_is_linear_for_the_qpu_and_meets_at_34():
    curve = energy_curve(HEAD, range(10, 61), "follow-up")
    assert curve.crossover_qubits == 34
    qpu = np.array([p.qpu for p in curve.points])
    np.testing.assert_allclose(np.diff(qpu), 1 / 34)
    np.testing.assert_allclose(qpu[0] / qpu[10], 10 / 20)
    gpu = np.array([p.gpu for p in curve.points])
    paper = np.array([p.gpu for p in energy_curve(HEAD, range(10, 61)).points])
    np.testing.assert_allclose(gpu / gpu[0], paper / paper[0])  # the paper's shape
    assert curve.points[24].qpu == curve.points[24].gpu == 1.0
    assert "kJ" not in curve.unit
    assert "No watts" in curve.source


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (
            lambda: head_counts(ModelConfig(head="mlp", encoder="none"), 10),
            "the head is classical",
        ),
        (
            lambda: head_counts(ModelConfig(connectivity=3), 3),
            "Begin --qubits at 4 or more",
        ),
        (lambda: replace(PAPER, gpu_flops=0), "gpu_flops is 0, expected more than 0"),
        (
            lambda: energy_curve(ModelConfig(connectivity=2), [10], against="tensor-network"),
            r"C = 2. The operations of a tensor network.*64\^5",
        ),
    ],
    ids=["classical", "qubits", "constants", "network"],
)
def test_what_has_no_energy_is_refused(compute, message):
    with pytest.raises(UserError, match=message):
        compute()


def test_a_tensor_network_leaves_no_crossover_where_its_bond_is_small():
    assert crossover_qubits(HEAD, against="tensor-network") is None
    points = energy_curve(HEAD, [10, 46, 92], against="tensor-network").points
    assert points[0].gpu == gpu_energy_kj(points[0].counts)  # the state vector is cheaper
    assert points[2].gpu == pytest.approx(2 * points[1].gpu)
    # 16·(2^5)^5 operations per qubit
    assert points[1].gpu == pytest.approx(46 * 2**29 / 3.4e13 * 0.7)
    # with the twelve layers of the longest reading the bond is 4^12, and the crossover stays
    assert crossover_qubits(READINGS[2][0], against="tensor-network") == 46
    relative = energy_curve(HEAD, [34, 92], "follow-up", against="tensor-network").points
    assert relative[0].gpu == pytest.approx(34 * 2**29 / (2**34 * (9 * 34 * 4 + 5 * 34 * 8)))
