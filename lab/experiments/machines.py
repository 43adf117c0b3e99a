"""The default head on noisy machines, as several experiments measure it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qllmft
from qllmft.inference import LabelledTexts, Subset
from qllmft_backends import Backend, create
from qllmft_backends.noise import PRESETS
from qllmft_machines.sandbox import MockServer, Store

TEXTS = 300  # test texts, and shots of a circuit
SHOTS = 1000
FORTE = PRESETS["forte1"]
RATES = {"one_qubit_rate": FORTE.one_qubit_rate, "two_qubit_rate": FORTE.two_qubit_rate}
TIMES_3 = {"noise": "explicit"} | {name: 3 * rate for name, rate in RATES.items()}
SNAPSHOT = {"provider": "ibm-fake", "shots": SHOTS}
GENERIC = "generic, 8 qubits"
BACKENDS: dict[str, tuple[str, dict[str, Any]]] = {
    "aer_forte": ("aer_forte", {"shots": SHOTS}),
    "aer_forte, errors times 3": ("aer_forte", TIMES_3 | {"shots": SHOTS}),
    "fake_nairobi": ("qiskit", SNAPSHOT | {"machine": "fake_nairobi"}),
    "fake_guadalupe": ("qiskit", SNAPSHOT | {"machine": "fake_guadalupe"}),
    GENERIC: ("qiskit", {"provider": "generic", "machine": "8", "shots": SHOTS}),
}
MOCK = "mock server, forte-1"
MOCK_KEY = "a-key"


def train_head(sst2: str, run: Path, **settings: Any) -> qllmft.Predictor:
    """Return the default head after training on 100 sentences of each label of SST-2 with `minilm`.

    ``settings`` are those of `qllmft.train`. A finished run is read.
    """
    default_settings: dict[str, Any] = {
        "data__n_per_label": 100,
        "baselines__names": [],
        "train__ridge_c": "auto",  # of the kept records
    }
    qllmft.train(
        sst2, out=run, body="minilm", on_event=lambda _: None, **(default_settings | settings)
    )
    return qllmft.load(run)


def draw_test_texts(predictor: qllmft.Predictor, run: Path) -> LabelledTexts:
    """Return drawn test texts of a run."""
    return LabelledTexts.load(predictor, run, subset=Subset(TEXTS, 0))


def mock_machine(kind: str, ledger: Path, seed: int, **options: Any) -> Backend:
    """Return a backend of IonQ on a mock server, which has the noise of Forte. Its key is in a file by the ledger."""
    server = MockServer(token=MOCK_KEY, store=Store(qpu_noise="forte-1", seed=seed)).__enter__()
    token_file = ledger.with_name(f"{ledger.name}.key")
    token_file.parent.mkdir(parents=True, exist_ok=True)
    token_file.write_text(MOCK_KEY, encoding="utf-8")
    settings = {"url": server.url, "ledger": ledger, "token_file": token_file}
    return create(kind, settings | options)
