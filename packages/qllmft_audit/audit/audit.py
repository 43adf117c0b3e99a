"""The audit: its numbered checks, and their run on a circuit."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from numbers import Real
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit
from rich.console import Console

from qllmft.events import Message, OnEvent, stage
from qllmft.progress import LineListener
from qllmft.tasks.accuracy import Accuracy
from qllmft_audit.audit import baselines, data, states
from qllmft_audit.audit.case import AuditFinding, Case, LinearReadout, split_rows
from qllmft_audit.audit.circuit import Floats, TrainedCircuit, as_rows, trained_circuit
from qllmft_audit.audit.files import read_circuit
from qllmft_audit.bounds import MAX_AMPLITUDES, MAX_QUBITS
from qllmft_base.errors import UserError, check_whole_number
from qllmft_base.native_threads import one_thread
from qllmft_base.text import format_count
from qllmft_circuits.names import listed_names

PAGE = "docs/audit.md"


@dataclass(frozen=True)
class AuditCheck:
    """Numbered check."""

    code: str
    title: str  # what holds
    function: Callable[[Case], AuditFinding]

    @property
    def page(self) -> str:
        """Return the section of the documentation."""
        return f"{PAGE}#{self.code.lower()}"


CHECKS = (
    AuditCheck("QA101", "no test row is a training row", data.copies),
    AuditCheck("QA102", "at most 1 % of equal rows have other labels", data.conflicts),
    AuditCheck("QA103", "no input of the test rows is seen to be shifted", data.shift),
    AuditCheck("QA104", "the test rows can show ten points", data.power),
    AuditCheck("QA105", "test accuracy is within 5 points of training", data.gap),
    AuditCheck("QA201", "significantly better than a constant", baselines.constant),
    AuditCheck("QA202", "better than one input alone", baselines.one_input),
    AuditCheck("QA203", "better than logistic regression", baselines.same_inputs),
    AuditCheck("QA204", "better than its angles alone (gain)", baselines.gain),
    AuditCheck("QA205", "no linear map of the inputs", baselines.linear_outputs),
    AuditCheck("QA206", "readout as good as its own kernel", baselines.own_kernel),
    AuditCheck("QA207", "better than its separable twin", baselines.separable_twin),
    AuditCheck("QA208", "better than nine draws of random weights", baselines.random_weights),
    AuditCheck("QA301", "truncation to product states changes labels (χ*)", states.least_bond),
    AuditCheck("QA302", "the gates put no bound on entanglement", states.certificate),
    AuditCheck("QA303", "each weight has an effect", states.idle_weights),
    AuditCheck("QA304", "each input has an effect", states.idle_inputs),
    AuditCheck("QA305", "each qubit has an effect", states.idle_qubits),
    AuditCheck("QA306", "at most 1 % of different rows share a state", states.collisions),
    AuditCheck("QA401", "5 % of labels or more need the circuit", states.circuit_dependence),
    AuditCheck("QA402", "a gradient is above shot noise", states.gradient),
    AuditCheck("QA403", "95 % of labels or more stay at these shots", states.labels_at_shots),
)


@dataclass(frozen=True, repr=False)
class Audit:
    """Findings of all checks on one circuit. Printed, it is a table of them with the sentence of each issue."""

    n_qubits: int
    weights: int  # number
    rows: tuple[int, int]  # training and test
    shots: int
    readout: str
    accuracy: Accuracy  # on the test rows
    data_names: tuple[str, ...]  # parameters that the columns of X fill
    weight_names: tuple[str, ...]  # parameters of the weights, in their order
    findings: dict[str, AuditFinding]  # by code

    @property
    def issues(self) -> list[str]:
        """Return the codes of the checks that found an issue."""
        return [code for code, finding in self.findings.items() if finding.status == "issue"]

    @property
    def sentence(self) -> str:
        """Return the number of checks by status in one sentence."""
        statuses = [finding.status for finding in self.findings.values()]
        order = ("issue", "holds", "inconclusive", "not applicable")
        count_texts = [
            f"{statuses.count(status)} {status}" for status in order if status in statuses
        ]
        return f"{len(statuses)} checks: {', '.join(count_texts)}."

    @property
    def summary(self) -> str:
        """Return what was audited, in one sentence."""
        train, test = self.rows
        return (
            f"{format_count(self.n_qubits, 'qubit')}, {format_count(self.weights, 'weight')}, {train:,} training and "
            f"{test:,} test rows. Readout: {self.readout}"
        )

    def __repr__(self) -> str:
        """Return the test accuracy, and the checks that found an issue, in one line."""
        issues = f": {', '.join(self.issues)}" if self.issues else ""
        return (
            f"<Audit of {format_count(self.n_qubits, 'qubit')}: {self.accuracy} accuracy on the test rows, "
            f"{format_count(len(self.issues), 'issue')} in {format_count(len(self.findings), 'check')}{issues}>"
        )

    def __str__(self) -> str:
        """Return a line for each check, then the sentences of issues and inconclusive checks."""
        width = max(len(check.title) for check in self._checks)
        lines = [
            f"{check.code}  {finding.status:<14}  {check.title:<{width}}  {finding.figure}".rstrip()
            for check, finding in self._checks.items()
        ]
        return "\n".join(
            [
                self.summary,
                f"accuracy on the test rows: {self.accuracy}",
                *lines,
                *self.remarks,
                self.sentence,
            ]
        )

    def _repr_html_(self) -> str:
        """Return the table of checks for a notebook."""
        rows = "".join(
            f"<tr><td>{check.code}</td><td>{finding.status}</td><td>{escape(check.title)}</td>"
            f"<td>{escape(finding.figure)}</td><td>{escape(finding.sentence)}</td></tr>"
            for check, finding in self._checks.items()
        )
        head = "".join(
            f"<th>{title}</th>" for title in ("check", "finding", "statement", "figure", "")
        )
        return f"<p>{escape(self.summary)}</p><table><tr>{head}</tr>{rows}</table>"

    @property
    def remarks(self) -> list[str]:
        """Return the sentences of issues and inconclusive checks."""
        return [
            f"{check.code}: {finding.sentence} ({check.page})"
            for check, finding in self._checks.items()
            if finding.status in ("issue", "inconclusive")
        ]

    @property
    def _checks(self) -> dict[AuditCheck, AuditFinding]:
        return {check: self.findings[check.code] for check in CHECKS if check.code in self.findings}

    def as_dict(self) -> dict[str, Any]:
        """Return values for JSON."""
        checks = [
            {"code": check.code, "title": check.title, "page": check.page}
            | asdict(self.findings[check.code])
            for check in CHECKS
        ]
        return {
            **{name: value for name, value in vars(self).items() if name != "findings"},
            "accuracy": self.accuracy.as_dict(),
            "checks": checks,
        }


def audit(
    circuit: Any,
    X: ArrayLike,  # noqa: N803  (scikit-learn's name)
    y: ArrayLike,
    *,
    test: tuple[ArrayLike, ArrayLike] | None = None,
    data: Sequence[Any] | str | None = None,
    weights: Any = None,
    observables: Sequence[Any] | None = None,
    readout: Literal["sign", "argmax"] | tuple[ArrayLike, ArrayLike] | None = None,
    inputs: ArrayLike | None = None,
    test_inputs: ArrayLike | None = None,
    shots: int = 1000,
    margin: float = 0.02,
    seed: int = 0,
    on_event: OnEvent | None = None,
) -> Audit:
    """Audit a trained circuit with numbered checks.

    Args:
        circuit: a `QuantumCircuit`, a QNode of PennyLane, or the path of a file in OpenQASM 3 or QPY, with 14 qubits at
            most.
        X: (N, D) training rows, the angles or amplitudes that the circuit reads.
        y: (N,) their labels.
        test: rows (M, D) and labels (M,) that trained nothing; None holds back 30 % of each label.
        data: parameters that a row fills, in the order of the columns of X, their names, or the name of their vector;
            None for a vector ``x``, ``inputs`` or ``data``.
        weights: trained values of the other parameters by name, or in the order of their names, in which numbers count
            as numbers; of a QNode, its arguments after the row.
        observables: measured operators or Pauli strings; None for Z of every qubit. A QNode returns its own.
        readout: labels from T expectation values: ``sign`` (positive is the larger label), ``argmax`` (operator i is
            label i), or weights (k, T) and biases (k,) of a linear layer; None fits one on the training rows.
        inputs: (N, M) inputs of classical baselines, such as embeddings; None for X.
        test_inputs: (M, ·) those of the test rows.
        shots: number of measurements per circuit on a machine.
        margin: difference of accuracies within which two models are equal.
        seed: seed of all draws.
        on_event: receives progress; if None, each check is a line on standard error, or at a Python prompt and in a
            notebook on standard output. `qllmft.events.ignore` prints nothing.

    Raises:
        UserError: if the arguments do not fit together, or the rows' states are too many numbers.
        UnsupportedGateError: if the engine does not run a gate.

    >>> import numpy as np
    >>> from qllmft_circuits import head_circuit
    >>> x = np.random.default_rng(0).normal(size=(80, 3))
    >>> found = audit(head_circuit(3), x, (x[:, 0] > 0).astype(int), weights=np.ones(15))
    >>> "QA203" in found.issues  # logistic regression is better
    True
    """
    check_whole_number("shots", shots, 1)
    check_whole_number("seed", seed, 0)
    if not isinstance(margin, Real) or not 0 <= margin < 1:
        raise UserError(f"margin is {margin!r}, expected a number from 0 to below 1.")
    train_x = as_rows(X, "X")
    train_labels = _as_labels(y, "y")
    test_set = (
        None if test is None else (as_rows(test[0], "test[0]"), _as_labels(test[1], "test[1]"))
    )
    _check_lengths(train_x, train_labels, test_set)
    source_circuit = read_circuit(Path(circuit)) if isinstance(circuit, str | Path) else circuit
    audited_circuit = trained_circuit(
        source_circuit, train_x[0], observables=observables, data=data, weights=weights
    )
    if isinstance(circuit, QuantumCircuit) and not isinstance(weights, Mapping):
        _warn_of_order(circuit, [parameter.name for parameter in audited_circuit.weights])
    _check_size(audited_circuit, len(train_x) + (0 if test_set is None else len(test_set[0])))
    classes, y_train = np.unique(train_labels, return_inverse=True)
    if len(classes) < 2:
        raise UserError(f"all rows have the label {classes[0]}, expected two labels or more.")
    test_rows = None
    if test_set is not None:
        if unknown := sorted(set(test_set[1].tolist()) - set(classes.tolist())):
            raise UserError(f"test rows have the labels {unknown[:3]}, which no training row has.")
        test_rows = test_set[0], np.searchsorted(classes, test_set[1]).astype(np.int64)
    rival_inputs = train_x if inputs is None else as_rows(inputs, "inputs")
    rival_test_inputs = None if test_inputs is None else as_rows(test_inputs, "test_inputs")
    is_incomplete = test_set is not None and (inputs is None) != (test_inputs is None)
    if len(rival_inputs) != len(train_x) or is_incomplete:
        raise _wrong_inputs(len(rival_inputs), len(train_x))
    train_and_test = split_rows(
        train_x, y_train.astype(np.int64), test_rows, rival_inputs, rival_test_inputs, seed
    )
    case = Case(
        audited_circuit,
        *train_and_test,
        split_here=test_set is None,
        given_readout=_make_readout(readout, len(classes), len(audited_circuit.observables)),
        shots=shots,
        margin=margin,
        seed=seed,
    )
    return _run_checks(case, _line_listener() if on_event is None else on_event)


def _wrong_inputs(n_inputs: int, n_rows: int) -> UserError:
    """Return the error for inputs that are not those of the rows."""
    return UserError(
        f"inputs have {n_inputs} rows and X {n_rows}. Give inputs= of every row, and "
        "test_inputs= beside test=."
    )


def _line_listener() -> OnEvent:
    """Return what prints a line for each check."""
    is_prompt = hasattr(sys, "ps1")
    return LineListener(console=None if is_prompt else Console(stderr=True))


def _compile_engine(case: Case, on_event: OnEvent) -> None:
    """Compile the engine in a stage of an installation's first audit, which may take a minute."""
    if not case.circuit.is_compiled:
        with stage(on_event, "compiling", "the CPU, once after an installation"):
            case.circuit.expectations(case.train.x[:1])


def _run_checks(case: Case, on_event: OnEvent) -> Audit:
    findings = {}
    _compile_engine(case, on_event)
    with one_thread():  # of many small fits: threads cost more; the engine has its own
        for number, check in enumerate(CHECKS, 1):
            on_event(Message(f"{check.code} ({number} of {len(CHECKS)}): {check.title}"))
            findings[check.code] = check.function(case)
    return Audit(
        case.circuit.n_qubits,
        len(case.circuit.weights),
        (len(case.train), len(case.test)),
        case.shots,
        case.readout.words,
        case.accuracy,
        tuple(parameter.name for parameter in case.circuit.data),
        tuple(parameter.name for parameter in case.circuit.weights),
        findings,
    )


def _warn_of_order(circuit: QuantumCircuit, names: Sequence[str]) -> None:
    """Warn if a list of weights is read in another order than that of `QuantumCircuit.parameters`."""
    weight_names = set(names)
    qiskit_order = [
        parameter.name for parameter in circuit.parameters if parameter.name in weight_names
    ]
    # without qiskits, the weights are numbers that the audit made parameters
    if qiskit_order and qiskit_order != list(names):
        warnings.warn(
            f"weights are read in the order {listed_names(names)}, and circuit.parameters has "
            f"{listed_names(qiskit_order)}. "
            "Give them by name if they have Qiskit's order: dict(zip(parameters, weights)).",
            stacklevel=3,
        )


def _as_labels(values: ArrayLike, name: str) -> Any:
    labels = np.asarray(values)
    if labels.ndim != 1 or labels.dtype.kind not in "biufUS":
        raise UserError(
            f"{name} is {labels.shape} of {labels.dtype}, expected (N,) labels that are numbers or texts."
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        rows = format_count(int((~np.isfinite(labels)).sum()), "label", ("is", "are"))
        raise UserError(f"{name}: {rows} no finite number. Leave these rows out of it and of X.")
    return labels


def _check_lengths(x: Floats, y: Any, test: Any) -> None:
    pairs = [("X", x, "y", y)]
    if test is not None:
        pairs.append(("test[0]", test[0], "test[1]", test[1]))
    for rows_name, rows, labels_name, labels in pairs:
        if len(rows) != len(labels):
            raise UserError(
                f"{rows_name} has {len(rows)} rows and {labels_name} {len(labels)} labels, expected as many."
            )
    if test is not None and test[0].shape[1] != x.shape[1]:
        raise UserError(f"test[0] has {test[0].shape[1]} columns, expected the {x.shape[1]} of X.")


def _check_size(circuit: TrainedCircuit, rows: int) -> None:
    if circuit.n_qubits > MAX_QUBITS:
        raise UserError(
            f"the circuit has {circuit.n_qubits} qubits, expected at most {MAX_QUBITS}. Audit a narrower one of the "
            "same structure."
        )
    if rows << circuit.n_qubits > MAX_AMPLITUDES:
        raise UserError(
            f"{rows:,} rows on {circuit.n_qubits} qubits are {rows << circuit.n_qubits:,} amplitudes, expected at most "
            f"{MAX_AMPLITUDES:,}. Give {MAX_AMPLITUDES >> circuit.n_qubits:,} rows or fewer."
        )


def _make_readout(readout: Any, k: int, values: int) -> LinearReadout | None:
    if readout is None:
        return None
    if isinstance(readout, str):
        sizes_by_name = {"sign": (2, 1), "argmax": (values, values)}
        if readout not in sizes_by_name or (k, values) != sizes_by_name[readout]:
            raise UserError(
                f"readout is {readout!r} for {k} labels and {values} operators, expected 'sign', 'argmax' or (weights, "
                "biases) of a linear layer. 'sign' is for two labels and one operator, 'argmax' for as many of both."
            )
        weight = np.array([[0.0], [1.0]]) if readout == "sign" else np.eye(k)
        return LinearReadout(weight, np.zeros(k), readout)
    weight, bias = (np.asarray(array, np.float64) for array in readout)
    if weight.shape != (k, values) or bias.shape != (k,):
        raise UserError(
            f"readout has weights {weight.shape} and biases {bias.shape}, expected ({k}, {values}) and ({k},): labels "
            "by operators."
        )
    return LinearReadout(weight, bias, "a linear layer, as given")
