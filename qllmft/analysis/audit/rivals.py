"""Checks against rivals: a constant, one input, linear models, the own kernel, the circuit without entanglement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor, nn

from qllmft.analysis.audit.case import (
    AuditFinding,
    Case,
    Ints,
    fitted_readout,
    linear_model,
    not_applicable,
)
from qllmft.analysis.audit.circuit import Floats, TrainedCircuit, without
from qllmft.analysis.kernels import chosen_svm, fidelities

LINEAR = 0.99  # R² of a linear map of the inputs
STEPS, RATE, BATCH = 120, 0.05, 96  # of the training of a twin by Adam
STARTS = 2  # random ones
RANDOM = 9  # draws of random weights
VAGUE = 0.2  # least difference to a constant beyond which test rows are too few


def constant(case: Case) -> AuditFinding:
    """Check that the circuit is better than the most frequent training label."""
    label = int(np.bincount(case.train.y).argmax())
    found = case.compared(np.full(len(case.test), label))
    if found.verdict == "better" or (found.verdict == "open" and found.least > VAGUE):
        return case.against(found, "The most frequent label alone", "")
    sentence = f"The most frequent label alone gets {found.rival} beside {case.accuracy}. The circuit's labels hold no "
    remedy = "more than that; look at the readout's sign and order, and at the labels."
    return AuditFinding("issue", found.figure, sentence + remedy)


def one_input(case: Case) -> AuditFinding:
    """Check that the circuit is better than thresholds on a single input."""
    leaves, labels = 2 * case.n_labels, case.train.y
    columns = [column[:, None] for column in case.train.inputs.T]
    tree = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0)
    best = int(np.argmax([tree.fit(column, labels).score(column, labels) for column in columns]))
    answers = tree.fit(columns[best], labels).predict(case.test.inputs[:, [best]])
    return case.against(
        case.compared(answers),
        f"Input {best} alone, cut into {leaves} ranges,",
        "If the label or a copy of it is among the inputs, leave it out.",
    )


def same_inputs(case: Case) -> AuditFinding:
    """Check that the circuit is better than logistic regression on the same inputs."""
    return case.against(
        case.linear,
        "Logistic regression on the same inputs",
        "A linear model is enough for these rows.",
    )


def gain(case: Case) -> AuditFinding:
    """Check that the circuit is better than the best linear model of its gates' angles."""
    train, test = case.circuit.latent(case.train.x), case.circuit.latent(case.test.x)
    both = np.concatenate([train, test])
    if train.shape[1] != test.shape[1]:  # an angle that is constant in one part
        both = case.circuit.latent(np.concatenate([case.train.x, case.test.x]))
    model = linear_model(both[: len(case.train)], case.train.y, case.seed)
    found = case.compared(model.predict(both[len(case.train) :]))
    return case.against(
        found,
        f"Logistic regression on the {both.shape[1]} angles that the gates get from a row",
        "The gain of the circuit over its own angles is not there.",
    )


def own_kernel(case: Case) -> AuditFinding:
    """Check that the readout is as good as a support vector machine on the fidelities of the states."""
    folds = np.arange(len(case.train)) % 4 == 3  # a quarter chooses C
    shown, kernel, labels = ~folds, case.train_kernel, case.train.y
    if len(np.unique(labels[shown])) < 2:
        return not_applicable("The training rows are too few for a kernel.")
    known, held = kernel[np.ix_(shown, shown)], kernel[np.ix_(folds, shown)]
    machine = chosen_svm(known, labels[shown], held, labels[folds])[0].fit(kernel, labels)
    found = case.compared(machine.predict(fidelities(case.test_states, case.train_states)))
    sentence = f"A support vector machine on the fidelities of the states gets {found.rival} beside {case.accuracy}"
    if found.verdict == "open" and found.difference.value < -case.margin:
        return AuditFinding("inconclusive", found.figure, f"{sentence}.")
    remedy = (
        "The states hold more than the readout reads; measure other operators, or train longer."
    )
    holds = found.verdict != "worse"
    return AuditFinding.of(holds, found.figure, f"{sentence}.", f"{sentence}. {remedy}")


def retrained(
    circuit: TrainedCircuit, columns: list[int], case: Case, starts: Sequence[Floats]
) -> Ints:
    """Return the answers (N,) on the test rows after training a circuit with a linear readout.

    Args:
        circuit: the circuit.
        columns: those of a row that it reads.
        case: rows and labels.
        starts: initial weights (P,); of several trainings, the one with the least loss on the training rows is taken.
    """
    x = case.train.x[:, columns]
    trials = [_trained(circuit, start, x, case) for start in starts]
    weights = min(trials, key=lambda trial: trial[0])[1]
    values = circuit.expectations(x, weights)
    readout = fitted_readout(values, case.train.y, case.n_labels, case.seed)
    return readout.labels(circuit.expectations(case.test.x[:, columns], weights))


def _trained(circuit: TrainedCircuit, start: Floats, x: Floats, case: Case) -> tuple[float, Floats]:
    """Return the last loss and the weights (P,) after training by Adam from a start, its readout fitted first."""
    if not len(circuit.weights):
        return 0.0, start
    first = fitted_readout(circuit.expectations(x, start), case.train.y, case.n_labels, case.seed)
    linear = nn.Linear(len(circuit.observables), case.n_labels).double()
    head, generator = circuit.head(), torch.Generator().manual_seed(case.seed)
    with torch.no_grad():
        head.connector.weight.copy_(torch.from_numpy(start))
        linear.weight.copy_(torch.from_numpy(first.weight))
        linear.bias.copy_(torch.from_numpy(first.bias))
    rows, y = torch.from_numpy(x), torch.from_numpy(case.train.y)
    optimizer = torch.optim.Adam([*head.parameters(), *linear.parameters()], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)

    def loss_of(batch: Tensor) -> Tensor:
        return nn.functional.cross_entropy(linear(head(rows[batch])), y[batch])

    for _ in range(STEPS):
        batch = torch.randperm(len(rows), generator=generator)[:BATCH]
        optimizer.zero_grad()
        loss_of(batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        last = float(loss_of(torch.arange(len(rows))))
    return last, head.connector.weight.detach().numpy().copy()


def separable_twin(case: Case) -> AuditFinding:
    """Check that the circuit is better than the same circuit without gates on two qubits, trained here.

    The control is the whole circuit, trained from random weights: if it is no better than the twin, the training may be
    the reason and not the gates.
    """
    plain = without(case.circuit.circuit, lambda _, places: len(places) > 1)
    if len(plain.data) == len(case.circuit.circuit.data):
        return not_applicable("The circuit has no gate on two qubits.")
    twin, columns = case.circuit.with_circuit(plain)
    if not columns:
        return not_applicable(
            "All data enter through gates on two qubits, so that no twin reads them."
        )
    random = case.random("twin")
    starts = random.uniform(-np.pi, np.pi, (STARTS, len(twin.weights)))
    found = case.compared(retrained(twin, columns, case, [twin.values, *starts]))
    if found.verdict != "better":
        return case.against(
            found,
            "The circuit without its gates on two qubits, trained here,",
            "Entanglement is not needed for these rows.",
        )
    starts = random.uniform(-np.pi, np.pi, (STARTS, len(case.circuit.weights)))
    again = case.compared(retrained(case.circuit, [*range(case.train.x.shape[1])], case, [*starts]))
    sentence = (
        f"Without gates on two qubits, trained here, it gets {found.rival} beside {case.accuracy}; the whole circuit, "
        f"trained from random weights, {again.rival}"
    )
    if again.rival.right > found.rival.right:
        return AuditFinding("holds", found.figure, f"{sentence}.")
    sentence = f"{sentence}. So the training may be the reason, and not the gates."
    return AuditFinding("inconclusive", found.figure, sentence)


def random_weights(case: Case) -> AuditFinding:
    """Check that the trained weights are better than random ones with a readout of their own."""
    if not len(case.circuit.weights):
        return not_applicable("The circuit has no weights.")
    random, scores = case.random("weights"), []
    for _ in range(RANDOM):
        weights = random.uniform(-np.pi, np.pi, len(case.circuit.weights))
        readout = fitted_readout(
            case.circuit.expectations(case.train.x, weights), case.train.y, case.n_labels, case.seed
        )
        answers = readout.labels(case.circuit.expectations(case.test.x, weights))
        scores.append(int((answers == case.test.y).sum()))
    best = max(scores) / len(case.test)
    above = sum(score >= case.accuracy.right for score in scores)
    figure = f"{above} of {RANDOM} draws"
    sentence = (
        f"Of {RANDOM} draws of random weights, each with a fitted readout, the best gets {100 * best:.1f} % beside "
        f"{case.accuracy}"
    )
    remedy = (
        "The trained weights are worth nothing; look at their order and unit, and at the training."
    )
    return AuditFinding.of(not above, figure, f"{sentence}.", f"{sentence}. {remedy}")


def linear_outputs(case: Case) -> AuditFinding:
    """Check that the expectation values are no linear map of the inputs."""
    spread = case.test_values.var(axis=0).sum()
    if spread < 1e-12:
        return not_applicable("The expectation values do not depend on the row.")
    model = LinearRegression().fit(case.train.inputs, case.train_values)
    residual = (case.test_values - model.predict(case.test.inputs)).var(axis=0).sum()
    share = 1 - float(residual / spread)
    return AuditFinding.of(
        share <= LINEAR,
        f"R² = {share:.3f}",
        "The expectation values are no linear map of the inputs.",
        "A linear map of the inputs gives the expectation values. Scale the angles up, or encode them more than once.",
    )
