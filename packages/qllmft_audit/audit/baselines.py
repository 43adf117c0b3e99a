"""Checks against baselines: a constant, one input, linear models, the own kernel, the circuit without entanglement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor, nn

from qllmft.training.adam import Adam
from qllmft_audit.audit.case import (
    AuditFinding,
    Case,
    Ints,
    fit_readout,
    linear_model,
    not_applicable,
)
from qllmft_audit.audit.circuit import Floats, TrainedCircuit, without_instructions
from qllmft_audit.kernels import fidelities, select_svm

LINEAR_R2 = 0.99  # R² of a linear map of the inputs
TWIN_STEPS = 120  # of the training of a twin by Adam
TWIN_LEARNING_RATE = 0.05
TWIN_BATCH_SIZE = 96
N_RANDOM_STARTS = 2  # random ones
N_WEIGHT_DRAWS = 9  # draws of random weights
COARSE_DIFFERENCE = 0.2  # least difference to a constant beyond which test rows are too few


def constant(case: Case) -> AuditFinding:
    """Check that the circuit is better than the most frequent training label."""
    label = int(np.bincount(case.train.y).argmax())
    comparison = case.compare_with_rival(np.full(len(case.test), label))
    if comparison.verdict == "better" or (
        comparison.verdict == "open" and comparison.detectable_difference > COARSE_DIFFERENCE
    ):
        return case.judge_against_rival(comparison, "The most frequent label alone", "")
    sentence = f"The most frequent label alone gets {comparison.rival} beside {case.accuracy}."
    remedy = " The circuit is not significantly better. Look at the readout's sign and order, and at the labels."
    return AuditFinding("issue", comparison.figure, sentence + remedy)


def one_input(case: Case) -> AuditFinding:
    """Check that the circuit is better than thresholds on a single input."""
    leaves = 2 * case.n_labels
    labels = case.train.y
    columns = [column[:, None] for column in case.train.inputs.T]
    tree = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0)
    best = int(np.argmax([tree.fit(column, labels).score(column, labels) for column in columns]))
    answers = tree.fit(columns[best], labels).predict(case.test.inputs[:, [best]])
    return case.judge_against_rival(
        case.compare_with_rival(answers),
        f"Input {best} alone, cut into {leaves} ranges,",
        "If the label or a copy of it is among the inputs, leave it out.",
    )


def same_inputs(case: Case) -> AuditFinding:
    """Check that the circuit is better than logistic regression on the same inputs."""
    return case.judge_against_rival(
        case.linear,
        "Logistic regression on the same inputs",
        "A linear model is enough for these rows.",
    )


def gain(case: Case) -> AuditFinding:
    """Check that the circuit is better than the best linear model of its gates' angles."""
    # in one call, because the columns and their order are those of its rows
    angles = case.circuit.latent(np.concatenate([case.train.x, case.test.x]))
    model = linear_model(angles[: len(case.train)], case.train.y, case.seed)
    comparison = case.compare_with_rival(model.predict(angles[len(case.train) :]))
    return case.judge_against_rival(
        comparison,
        f"Logistic regression on the {angles.shape[1]} angles that the gates get from a row",
        "The circuit is not better than its own angles.",
    )


def own_kernel(case: Case) -> AuditFinding:
    """Check that the readout is as good as a support vector machine on the fidelities of the states."""
    held_out_rows = np.arange(len(case.train)) % 4 == 3  # a quarter chooses C
    fit_rows = ~held_out_rows
    kernel = case.train_kernel
    labels = case.train.y
    if not held_out_rows.any() or len(np.unique(labels[fit_rows])) < 2:
        return not_applicable("The training rows are too few for a kernel.")
    fit_kernel = kernel[np.ix_(fit_rows, fit_rows)]
    held_out_kernel = kernel[np.ix_(held_out_rows, fit_rows)]
    machine = select_svm(fit_kernel, labels[fit_rows], held_out_kernel, labels[held_out_rows])[
        0
    ].fit(kernel, labels)
    comparison = case.compare_with_rival(
        machine.predict(fidelities(case.test_states, case.train_states))
    )
    sentence = (
        f"A support vector machine on the fidelities of the states gets {comparison.rival} beside "
        f"{case.accuracy}"
    )
    low, _ = comparison.discordant.interval
    if comparison.verdict == "open" and low <= -case.margin:
        margin = f"{100 * case.margin:g} points"
        sentence = (
            f"{sentence}. A difference of more than {margin} is possible. Give more test rows."
        )
        return AuditFinding("inconclusive", comparison.figure, sentence)
    remedy = (
        "The states hold more than the readout reads. Measure other operators, or train longer."
    )
    holds = comparison.verdict != "worse"
    return AuditFinding.from_condition(
        holds, comparison.figure, f"{sentence}.", f"{sentence}. {remedy}"
    )


def retrain_and_predict(
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
    trials = [_train_from(circuit, start, x, case) for start in starts]
    weights = min(trials, key=lambda trial: trial[0])[1]
    values = circuit.expectations(x, weights)
    readout = fit_readout(values, case.train.y, case.n_labels, case.seed)
    return readout.labels(circuit.expectations(case.test.x[:, columns], weights))


def _train_from(
    circuit: TrainedCircuit, start: Floats, x: Floats, case: Case
) -> tuple[float, Floats]:
    """Return the last loss and the weights (P,) after training by Adam from a start, its readout fitted first."""
    if not len(circuit.weights):
        return 0.0, start
    fitted_readout_at_start = fit_readout(
        circuit.expectations(x, start), case.train.y, case.n_labels, case.seed
    )
    linear = nn.Linear(len(circuit.observables), case.n_labels).double()
    head = circuit.head()
    generator = torch.Generator().manual_seed(case.seed)
    with torch.no_grad():
        head.connector.weight.copy_(torch.from_numpy(start))
        linear.weight.copy_(torch.from_numpy(fitted_readout_at_start.weight))
        linear.bias.copy_(torch.from_numpy(fitted_readout_at_start.bias))
    rows = torch.from_numpy(x)
    y = torch.from_numpy(case.train.y)
    optimizer = Adam([*head.parameters(), *linear.parameters()], lr=TWIN_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, TWIN_STEPS)

    def compute_loss(batch: Tensor) -> Tensor:
        return nn.functional.cross_entropy(linear(head(rows[batch])), y[batch])

    for _ in range(TWIN_STEPS):
        batch = torch.randperm(len(rows), generator=generator)[:TWIN_BATCH_SIZE]
        optimizer.zero_grad()
        compute_loss(batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        last_loss = float(compute_loss(torch.arange(len(rows))))
    return last_loss, head.connector.weight.detach().numpy().copy()


def separable_twin(case: Case) -> AuditFinding:
    """Check that the circuit is better than the same circuit without gates on two qubits, trained here.

    The control is the whole circuit, trained from random weights: if it is no better than the twin, the training may be
    the reason and not the gates.
    """
    product_circuit = without_instructions(
        case.circuit.circuit,
        lambda instruction, places: len(places) > 1 and instruction.operation.name != "barrier",
    )
    if len(product_circuit.data) == len(case.circuit.circuit.data):
        return not_applicable("The circuit has no gate on two qubits.")
    twin, columns = case.circuit.with_circuit(product_circuit)
    if not columns:
        return not_applicable(
            "All data enter through gates on two qubits, so that no twin reads them."
        )
    random = case.random("twin")
    starts = random.uniform(-np.pi, np.pi, (N_RANDOM_STARTS, len(twin.weights)))
    twin_comparison = case.compare_with_rival(
        retrain_and_predict(twin, columns, case, [twin.values, *starts])
    )
    if twin_comparison.verdict != "better":
        return case.judge_against_rival(
            twin_comparison,
            "The circuit without its gates on two qubits, trained here,",
            "Entanglement is not needed for these rows.",
        )
    starts = random.uniform(-np.pi, np.pi, (N_RANDOM_STARTS, len(case.circuit.weights)))
    control_comparison = case.compare_with_rival(
        retrain_and_predict(case.circuit, [*range(case.train.x.shape[1])], case, [*starts])
    )
    sentence = (
        f"Without gates on two qubits, trained here, it gets {twin_comparison.rival} beside {case.accuracy}. The "
        f"whole circuit, trained from random weights, gets {control_comparison.rival}"
    )
    if control_comparison.rival.right > twin_comparison.rival.right:
        return AuditFinding("holds", twin_comparison.figure, f"{sentence}.")
    sentence = f"{sentence}. So the training may be the reason, and not the gates."
    return AuditFinding("inconclusive", twin_comparison.figure, sentence)


def random_weights(case: Case) -> AuditFinding:
    """Check that the trained weights are better than random ones with a readout of their own."""
    if not len(case.circuit.weights):
        return not_applicable("The circuit has no weights.")
    random = case.random("weights")
    scores = []
    for _ in range(N_WEIGHT_DRAWS):
        weights = random.uniform(-np.pi, np.pi, len(case.circuit.weights))
        readout = fit_readout(
            case.circuit.expectations(case.train.x, weights), case.train.y, case.n_labels, case.seed
        )
        answers = readout.labels(case.circuit.expectations(case.test.x, weights))
        scores.append(int((answers == case.test.y).sum()))
    best = max(scores) / len(case.test)
    n_above = sum(score >= case.accuracy.right for score in scores)
    figure = f"{n_above} of {N_WEIGHT_DRAWS} draws"
    sentence = (
        f"Of {N_WEIGHT_DRAWS} draws of random weights, each with a fitted readout, the best gets "
        f"{100 * best:.1f} % beside {case.accuracy}"
    )
    remedy = "Trained weights should be better than all of them. Look at their order and unit, and at the training."
    return AuditFinding.from_condition(not n_above, figure, f"{sentence}.", f"{sentence}. {remedy}")


def linear_outputs(case: Case) -> AuditFinding:
    """Check that the expectation values are no linear map of the inputs."""
    total_variance = case.test_values.var(axis=0).sum()
    if total_variance < 1e-12:
        return not_applicable("The expectation values do not depend on the row.")
    model = LinearRegression().fit(case.train.inputs, case.train_values)
    residual = (case.test_values - model.predict(case.test.inputs)).var(axis=0).sum()
    share = 1 - float(residual / total_variance)
    return AuditFinding.from_condition(
        share <= LINEAR_R2,
        f"R² = {share:.3f}",
        "The expectation values are no linear map of the inputs.",
        "A linear map of the inputs gives the expectation values. Scale the angles up, or encode them more than once.",
    )
