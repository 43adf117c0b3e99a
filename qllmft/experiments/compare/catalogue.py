"""The studies that there are: tables II to IV, figure 8, the ablations, figure 11; and their quick versions."""

from __future__ import annotations

from dataclasses import replace

from qllmft.experiments.compare.plan import Classical, Published, Row, Side, Study
from qllmft.published import published

QUICK_EPOCHS = 40  # on 435 texts validation accuracy has passed its peak by then, at epochs 5 to 30

_CLASSICAL: dict[Classical, tuple[str, str]] = {
    "svc": ("SVC", "svc"),
    "logistic_regression": ("Logistic regression", "logistic-regression"),
}
_HIDDEN = (0, 48, 96, 144, 192)


def _printed(preset: str) -> Published | None:
    """What the paper prints of a preset's row; None where it has none."""
    accuracy, parameters = published().accuracy(preset), published().parameters(preset)
    if accuracy is None:
        return None
    count = None if parameters is None else int(parameters.value)
    return Published(accuracy.value, count, accuracy.where.removeprefix("Table "))


def _row(label: str, preset: str, side: Side) -> Row:
    return Row(label, preset, side, _printed(preset))


def _single(n_qubits: int, side: Side = "subject") -> Row:
    return _row(f"Single sQE {n_qubits}Q", f"single-{n_qubits}q", side)


def _multi(n_qubits: int) -> Row:
    return _row(f"Multi sQE {n_qubits}Q", f"multi-{n_qubits}q", "subject")


def _layers(hidden: int) -> str:
    return "0/0" if not hidden else f"1/{hidden}"


def _nn_heads() -> tuple[Row, ...]:
    return tuple(_row(f"NN head ({_layers(hidden)})", f"nn-head-{hidden}", "rival") for hidden in _HIDDEN)


def _nn_encoders() -> tuple[Row, ...]:
    return tuple(_row(f"NN encoder ({_layers(hidden)})", f"nn-encoder-{hidden}", "rival") for hidden in _HIDDEN)


def _classical() -> tuple[Row, ...]:
    """SVC and logistic regression on the grids of tables VIII and IX, read from the runs of the smallest NN head."""
    return tuple(
        Row(label, "nn-head-0", "rival", _printed(preset), classical=name)
        for name, (label, preset) in _CLASSICAL.items()
    )


def _noise(qubits: tuple[int, ...]) -> tuple[Row, ...]:
    """Figure 11: at each number of qubits without noise, and at the paper's two rates with 8192 shots."""
    rows = []
    for n in qubits:
        rows.append(Row(f"{n}Q, no noise", f"single-{n}q", "rival", group=f"{n}Q"))
        rows += [Row(f"{n}Q, {name} noise", f"noise-{name}-{n}q", "subject", group=f"{n}Q") for name in ("low", "high")]
    return tuple(rows)


_NO_LINEAR = _row("Single sQE 14Q, no final linear", "single-14q-no-linear", "rival")

STUDIES = {
    study.name: study
    for study in (
        Study(
            "table2",
            "Table II: quantum heads by number of qubits and encoders beside classical ones",
            "quantum head",
            "classical head",
            (*map(_single, (10, 12, 18)), *map(_multi, (10, 14, 18)), *_classical(), *_nn_heads()),
        ),
        Study(
            "table3",
            "Table III: the simulated quantum encoder replaced by a neural network, quantum head of 14 qubits",
            "model with quantum encoders",
            "model with a classical encoder",
            (_single(14), _multi(14), *_nn_encoders()),
        ),
        Study(
            "table4",
            "Table IV: the final linear layer left out",
            "model with a final linear layer",
            "model without it",
            (_single(14), _NO_LINEAR),
        ),
        Study(
            "figure8",
            "Figure 8: accuracy against the number of qubits, one encoder and two",
            "model with two encoders",
            "model with a single encoder",
            tuple(
                replace(row, group=f"{n}Q") for n in (10, 12, 14, 16, 18) for row in (_single(n, "rival"), _multi(n))
            ),
        ),
        Study(
            "ablations",
            "Ablations of section V-B: each part replaced or left out, and the classical rivals",
            "whole quantum model",
            "rival or ablation",
            (_single(14), _multi(14), *_nn_encoders(), _NO_LINEAR, *_nn_heads(), *_classical()),
        ),
        Study(
            "fig11",
            "Figure 11: training and inference with the paper's gate noise and 8192 shots",
            "head with noise",
            "head without noise",
            _noise((10, 12, 14, 16, 18)),
            seeds=3,
        ),
        Study(
            "fig11-small",
            "Figure 11 at 10 and 12 qubits: training and inference with the paper's gate noise and 8192 shots",
            "head with noise",
            "head without noise",
            _noise((10, 12)),
            seeds=3,
            epochs=300,
        ),
    )
}

_QUICK_PRESETS = {
    "table2": {"single-10q", "single-12q", "multi-10q", "multi-14q"},
    "figure8": {"single-10q", "single-12q", "single-14q", "multi-10q", "multi-12q", "multi-14q"},
    "fig11": {f"{kind}-{n}q" for kind in ("single", "noise-low", "noise-high") for n in (10, 12)},
}


def quick(study: Study) -> Study:
    """The same shape for two processor cores and well under an hour: fewer epochs, and no more than 14 qubits."""
    kept = _QUICK_PRESETS.get(study.name)
    rows = tuple(row for row in study.rows if kept is None or row.preset in kept or row.preset.startswith("nn-"))
    left_out = [row.label for row in study.rows if row not in rows]
    reduced = f"quick: without {', '.join(left_out)}" if left_out else "quick"
    return replace(study, rows=rows, epochs=QUICK_EPOCHS, reduced=reduced)
