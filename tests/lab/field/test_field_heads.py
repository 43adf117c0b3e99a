"""Heads of the field's bench: their circuits are Qiskit's, their classes are certified, and every row runs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector
from sklearn.metrics import roc_auc_score

from lab.field import paper
from lab.field.bench import count_numbers, least_bond, run_head
from lab.field.certificates import class_residual
from lab.field.head import Head, find_heads
from lab.field.plan import Training, read_plan
from lab.field.reuploading import (
    Reuploading,
    reuploading_circuit,
    short_words,
    trigonometric_products,
)
from lab.field.square import Square, ring_order, square_circuit
from lab.field.tasks import draw_bits, draw_texts, interaction_score
from lab.field.training import Ensemble, auc
from lab.field.words import LearnedBits, LearnedWords, basis_circuit, word_observable
from qllmft import QuantumHead, UserError

HEADS = find_heads()
PLAN = read_plan()
SMALL = replace(
    PLAN,
    seeds=(9200, 9201),
    bits={**PLAN.bits, "training": 100, "validation": 50, "test": 50},
    training=Training(batch=32, steps=6, check=3, rates=(0.02,)),
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def texts_split():
    """Return 200 texts in place of real ones: 100 for training and 100 others."""
    return draw_texts(np.random.default_rng(0).normal(size=(200, 24)), None, SMALL, (100, 50, 50))


@pytest.fixture(scope="module")
def row_record(texts_split):
    """Return a function that gives the record of a row on the 200 texts, which is trained once."""
    records = {}

    def give(name):
        if name not in records:
            records[name] = run_head(HEADS[name], "task", texts_split, SMALL, {})
        return records[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper, "STEPS", 4)
        patch.setattr(paper, "RATES", paper.RATES[:2])
        patch.setattr("qllmft.training.linear_start.MAX_ENCODER_STEPS", 5)
        yield give


@pytest.mark.parametrize("entangled", [True, False])
def test_squares_probabilities_are_those_of_qiskits_state(entangled):
    module = Square(generator(), entangled=entangled).double()
    x = torch.randn(5, 16, dtype=torch.float64, generator=generator(1))
    angles = module.angles.detach().numpy()
    states = [Statevector(square_circuit(z, angles, entangled=entangled)) for z in x.numpy()]
    probabilities = np.array([state.probabilities() for state in states])
    assert module.values(x).detach().numpy() == pytest.approx(probabilities, abs=1e-10)


def test_the_ring_maps_1000_to_0111_as_the_paper_says():
    assert ring_order()[0b0111] == 0b1000


def test_square_has_157_numbers_and_145_without_its_angles():
    assert count_numbers(Square(generator())) == 157
    assert count_numbers(Square(generator(), trained=False)) == 145


@pytest.mark.parametrize("entangled", [True, False])
def test_reuploaded_words_are_those_of_qiskits_state(entangled):
    module = Reuploading(3, generator(), entangled=entangled).double()
    x = torch.randn(4, 3, dtype=torch.float64, generator=generator(1))
    latent = module.latent(x).tolist()
    angles = module.angles.tolist()
    words = short_words().numpy()
    values = [
        Statevector(reuploading_circuit(row, angles, entangled=entangled)).probabilities() @ words
        for row in latent
    ]
    assert module.values(x).detach().numpy() == pytest.approx(np.array(values), abs=1e-10)


def test_words_of_bits_are_qiskits_expectation_values():
    module = LearnedWords(5, generator())
    bits = np.array([[1.0, -1.0, -1.0, 1.0, -1.0], [-1.0, -1.0, 1.0, 1.0, 1.0]])
    expected = [
        [
            Statevector(basis_circuit(row)).expectation_value(word_observable(word)).real
            for word in module.words()
        ]
        for row in bits
    ]
    values = module.values(torch.tensor(bits, dtype=torch.float32))
    assert values.detach().numpy() == pytest.approx(np.array(expected), abs=1e-6)


@pytest.mark.parametrize("name", [head.name for head in HEADS.values() if head.family])
def test_a_circuits_values_are_in_its_class(name):
    head = HEADS[name]
    module = head.module(16, generator())
    x = torch.randn(1600, 16, generator=generator(1))
    assert class_residual(module, x, head.family) < 1e-10


def test_a_value_outside_a_class_has_a_residual():
    module = Reuploading(16, generator())
    x = torch.randn(400, 16, generator=generator(1))
    assert class_residual(module, x, "normalised quadratic") > 1e-3


def test_a_trigonometric_polynomial_has_every_product_of_five_functions_an_angle():
    angles = [0.3, -0.7]
    factors = [[1, np.cos(a), np.cos(2 * a), np.sin(a), np.sin(2 * a)] for a in angles]
    products = trigonometric_products(torch.tensor(angles, dtype=torch.float64))
    assert products.numpy() == pytest.approx(np.kron(*factors))


@pytest.mark.parametrize(("entangled", "bond"), [(True, 4), (False, 1)])
def test_states_are_truncated_as_far_as_all_answers_stay(entangled, bond):
    module = Reuploading(16, generator(), entangled=entangled)
    with torch.no_grad():
        module.readout.bias.fill_(-module(torch.randn(2000, 16, generator=generator(2))).median())
    assert least_bond(module, torch.randn(2000, 16, generator=generator(1))) == bond


def test_a_head_without_words_reads_the_bits():
    module = LearnedBits(16, generator())
    x = torch.randn(3, 16, generator=generator(1))
    assert set(module.values(x).unique().tolist()) == {-1.0, 1.0}
    assert count_numbers(module) == 16 * 8 + 8 + 8 + 1


def test_planted_scores_are_the_sum_of_equation_22():
    ones = np.ones((1, 16))
    expected = 1.2 * np.sin(1.4) + 0.9 + 0.8 - 0.55 + 0.45 * np.sin(2) - 0.35 + 0.25 * np.cos(1)
    assert interaction_score(ones) == pytest.approx([expected])


def test_auc_is_scikit_learns_with_ties():
    random = np.random.default_rng(0)
    scores = random.integers(0, 4, (3, 40)).astype(np.float32)
    labels = random.integers(0, 2, (3, 40)).astype(np.float32)
    expected = [roc_auc_score(y, s) for y, s in zip(labels, scores, strict=True)]
    areas = auc(torch.from_numpy(scores), torch.from_numpy(labels))
    assert areas.numpy() == pytest.approx(expected, abs=1e-6)


def test_an_ensemble_is_its_modules_with_and_without_vmap():
    modules = [Square(generator(seed)) for seed in range(3)]
    x = torch.randn(3, 7, 16, generator=generator(4))
    expected = torch.stack([module(rows) for module, rows in zip(modules, x, strict=True)])
    for vectorised in (True, False):
        torch.testing.assert_close(Ensemble(modules, vectorised=vectorised)(x), expected)


@pytest.mark.parametrize("name", HEADS)
def test_every_row_runs_on_200_texts(name, row_record):
    record = row_record(name)
    assert len(record["right"]) == len(SMALL.seeds)
    assert all(0 <= right <= 50 for right in record["right"])
    assert record["numbers"] > 0


@pytest.mark.parametrize(("first", "controls"), PLAN.tables["others"].controls.items())
def test_an_mlp_of_equal_size_has_as_many_numbers(first, controls, row_record):
    mlp = row_record(controls["MLP of equal size"])
    assert mlp["numbers"] == pytest.approx(row_record(first)["numbers"], rel=0.06)


def test_the_same_words_give_the_answers_of_a_refitted_layer():
    split = draw_bits(5, SMALL)
    modules = {}
    learned = run_head(HEADS["learned words"], "5 bits", split, SMALL, modules)
    shared = run_head(HEADS["the same words, products"], "5 bits", split, SMALL, modules)
    alone = run_head(HEADS["the same words, products"], "5 bits", split, SMALL, {})
    assert shared["answers"] == alone["answers"]
    assert learned["residual"] < 1e-10


def test_a_circuit_of_qiskit_is_a_row(texts_split):
    def module(features, generator):
        circuit = QuantumCircuit(3)
        head = QuantumHead.from_circuit(
            _encode(circuit),
            [SparsePauliOp("ZII")],
            data=["a", "b", "c"],
            weights=["d"],
            generator=generator,
        )
        return torch.nn.Sequential(torch.nn.Linear(features, 3), head, torch.nn.Flatten(0))

    head = Head("mine", "a test", (), module=module, vectorised=False)
    record = run_head(head, "task", texts_split, SMALL, {})
    assert record["numbers"] == 16 * 3 + 3 + 1


def _encode(circuit):
    from qiskit.circuit import Parameter

    for qubit, name in enumerate("abc"):
        circuit.ry(Parameter(name), qubit)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.ry(Parameter("d"), 2)
    return circuit


def test_a_head_without_a_model_says_what_is_expected():
    with pytest.raises(UserError, match="has none of module and estimators, expected one"):
        Head("empty", "a test", ())
