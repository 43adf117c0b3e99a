"""`qllmft price`: price of a model's circuits on a device, without a request to a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from qllmft.cli.backend import BackendOptions, Options
from qllmft.cli.consent import Load, find_remote_backend, report_calibration_texts, show_estimate
from qllmft.cli.options import Count, Positive, Row, Run
from qllmft_base.errors import UserError

if TYPE_CHECKING:
    from qllmft_backends import Backend, Estimate

_SEED = 0  # of the vectors that stand for texts: a price does not depend on them
_MAX_VECTORS = 1000  # from which the price of more texts follows: each has the same circuits


def price(
    run: Run,
    *,
    model: Row = None,
    texts: Positive = 1,
    backend: str = "ionq_forte",
    shots: Count = None,
    known_texts: Annotated[int | None, typer.Option(min=0)] = None,
    backend_option: Options = None,
) -> None:
    """Estimate the price of a model's circuits on quantum hardware.

    For IonQ the price is computed from published prices, and their date is printed. No API key is needed, and nothing
    is sent. `qllmft predict --dry-run` asks the server instead, and leaves out circuits that are paid already.

    Args:
        texts: Number of texts to classify.
        backend: Backend of a device, from `qllmft backends`.
        shots: Number of measurements per circuit. [default: 1000]
        known_texts: Number of calibration texts, which are measured too. [default: 60 on a noisy backend from 240 texts
            on, else 0]
    """
    import numpy as np

    from qllmft.answers.decision import Decision
    from qllmft_backends import BACKENDS

    if not BACKENDS[backend.partition(":")[0]].keeps_ledger:
        raise UserError(_no_price_text(backend))
    backend_options = BackendOptions(backend, shots, backend_option, known_texts=known_texts)
    decision = Decision()
    predictor, measured_models = backend_options.open(run, model, decision, sends_circuits=False)
    (measured_model,) = measured_models.values()
    if find_remote_backend(measured_model.backend) is None:
        raise UserError(_no_price_text(backend))
    n_vectors = min(texts, _MAX_VECTORS)
    vectors = np.random.default_rng(_SEED).normal(size=(n_vectors, predictor.model.dimension))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    n_known = report_calibration_texts(measured_model, vectors, texts)
    # of the run's record alone, since these vectors are no texts
    load = Load.look_up(predictor, vectors[:0], decision)
    estimate = measured_model.estimate(vectors, offline=True)
    if texts > n_vectors:
        estimate = _extrapolate_estimate(
            estimate, measured_model.backend, n_vectors + n_known, texts + n_known
        )
    show_estimate(estimate, load)


def _no_price_text(backend: str) -> str:
    """Return the message about a backend that sends nothing."""
    return (
        f"--backend {backend} sends no circuits, so there is no price. Name the backend of a device, such as "
        "ionq_forte: `qllmft backends` lists them."
    )


def _extrapolate_estimate(
    estimate: Estimate, backend: Backend, measured: int, wanted: int
) -> Estimate:
    """Return the estimate for a wanted number of texts from that for a smaller, ``measured`` one.

    Raises:
        UserError: for a backend whose estimates do not tell how circuits are divided into jobs.
    """
    from qllmft_backends.protocol import ConsentBackend
    from qllmft_machines.cost import CostEstimate, extrapolate

    if not (
        isinstance(estimate, CostEstimate)
        and estimate.job_size
        and isinstance(backend, ConsentBackend)
    ):
        raise UserError(
            f"--texts is above {_MAX_VECTORS:,}, and {backend.name} prices single calls. Ask for {_MAX_VECTORS:,} "
            "texts, and multiply the price."
        )
    circuits_per_text = estimate.circuits // measured
    # with the limits of the options on the sum
    return backend.merge_estimates([extrapolate(estimate, circuits_per_text * wanted)])
