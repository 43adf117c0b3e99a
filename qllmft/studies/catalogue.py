"""The studies that there are: tables II to IV, figure 8, the ablations, figure 11; and their quick versions."""

from __future__ import annotations

from dataclasses import replace

from qllmft.studies.plan import Classical, Published, Row, Side, Study

QUICK_EPOCHS = 40  # on 435 texts validation accuracy has passed its peak by then, at epochs 5 to 30

_SINGLE = {10: ("II", 90.21, 353), 12: ("II", 90.99, 423), 14: ("III", 91.45, 493), 18: ("II", 91.75, 633)}
_MULTI = {10: ("II", 92.04, 858), 14: ("II", 92.70, 886), 18: ("II", 92.18, 914)}
_NN_HEAD = {0: (91.05, 1538), 48: (91.22, 37010), 96: (91.36, 74018), 144: (91.36, 111026), 192: (91.44, 148034)}
_NN_ENCODER = {0: (91.92, 10866), 48: (92.08, 37698), 96: (91.46, 75282), 144: (92.13, 112866), 192: (91.93, 150450)}
_CLASSICAL: dict[Classical, tuple[str, float, int]] = {
    "svc": ("SVC", 89.56, 296),
    "logistic_regression": ("Logistic regression", 89.06, 769),
}


def _single(n_qubits: int, side: Side = "subject") -> Row:
    found = _SINGLE.get(n_qubits)
    published = Published(found[1], found[2], found[0]) if found else None
    return Row(f"Single sQE {n_qubits}Q", f"single-{n_qubits}q", side, published)


def _multi(n_qubits: int) -> Row:
    found = _MULTI.get(n_qubits)
    published = Published(found[1], found[2], found[0]) if found else None
    return Row(f"Multi sQE {n_qubits}Q", f"multi-{n_qubits}q", "subject", published)


def _layers(hidden: int) -> str:
    return "0/0" if not hidden else f"1/{hidden}"


def _nn_heads() -> tuple[Row, ...]:
    return tuple(
        Row(f"NN head ({_layers(hidden)})", f"nn-head-{hidden}", "rival", Published(*found, "II"))
        for hidden, found in _NN_HEAD.items()
    )


def _nn_encoders() -> tuple[Row, ...]:
    return tuple(
        Row(f"NN encoder ({_layers(hidden)})", f"nn-encoder-{hidden}", "rival", Published(*found, "III"))
        for hidden, found in _NN_ENCODER.items()
    )


def _classical() -> tuple[Row, ...]:
    """SVC and logistic regression on the grids of tables VIII and IX, read from the runs of the smallest NN head."""
    return tuple(
        Row(label, "nn-head-0", "rival", Published(accuracy, parameters, "II"), classical=name)
        for name, (label, accuracy, parameters) in _CLASSICAL.items()
    )


def _noise(qubits: tuple[int, ...]) -> tuple[Row, ...]:
    """Figure 11: at each number of qubits without noise, and at the paper's two rates with 8192 shots."""
    rows = []
    for n in qubits:
        rows.append(Row(f"{n}Q, no noise", f"single-{n}q", "rival", group=f"{n}Q"))
        rows += [Row(f"{n}Q, {name} noise", f"noise-{name}-{n}q", "subject", group=f"{n}Q") for name in ("low", "high")]
    return tuple(rows)


_NO_LINEAR = Row("Single sQE 14Q, no final linear", "single-14q-no-linear", "rival", Published(91.70, 479, "IV"))

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
