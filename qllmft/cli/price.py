"""`qllmft price`: price of a model's circuits on a device, without a request to a server."""

from __future__ import annotations

from qllmft.cli.backend import BackendOptions, Options, report_calibration_texts
from qllmft.cli.consent import Load, show_estimate
from qllmft.cli.options import Count, Positive, Row, Run
from qllmft.errors import UserError

_SEED = 0  # of the vectors that stand for texts: a price does not depend on them


def price(
    run: Run,
    *,
    model: Row = None,
    texts: Positive = 1,
    backend: str = "ionq_forte",
    shots: Count = None,
    backend_option: Options = None,
) -> None:
    """Estimate the price of a model's circuits on quantum hardware.

    For IonQ the price is computed from published prices, and their date is printed. No API key is needed, and nothing
    is sent. `qllmft predict --dry-run` asks the server instead, and leaves out circuits that are paid already.

    Args:
        texts: Number of texts to classify.
        backend: Backend of a device, from `qllmft backends`.
        shots: Number of measurements per circuit. [default: 1000]
    """
    import numpy as np

    from qllmft.answers.decision import Decision
    from qllmft_backends import BACKENDS

    if not BACKENDS[backend.partition(":")[0]].keeps_ledger:
        raise UserError(
            f"--backend {backend} sends no circuits, so there is no price. Name the backend of a device, such as "
            "ionq_forte: `qllmft backends` lists them."
        )
    backend_options = BackendOptions(backend, shots, backend_option, dry_run=True, offline=True)
    decision = Decision()
    predictor, backends = backend_options.open(run, model, decision)
    (predictor.backend,) = backends.values()
    vectors = np.random.default_rng(_SEED).normal(size=(texts, predictor.model.dimension))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    mixed_texts = predictor.with_known_texts(vectors)
    report_calibration_texts(mixed_texts.known_mask, mixed_texts.shortage)
    # of the run's record alone, since these vectors are no texts
    load = Load.look_up(predictor, vectors[:0], decision)
    show_estimate(predictor.estimate(vectors, offline=True), load)
