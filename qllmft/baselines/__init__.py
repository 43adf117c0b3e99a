"""Baselines: classical heads as peers of the quantum one, so that a comparison is a loop."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.baselines.checks import check_answers as check_answers
    from qllmft.baselines.checks import convert_settings as convert_settings
    from qllmft.baselines.grid import GridBaseline as GridBaseline
    from qllmft.baselines.grid import fitting_stage as fitting_stage
    from qllmft.baselines.head import BASELINES as BASELINES
    from qllmft.baselines.head import Baseline as Baseline
    from qllmft.baselines.head import FittedHead as FittedHead
    from qllmft.baselines.head import Head as Head
    from qllmft.baselines.head import check_baselines as check_baselines
    from qllmft.baselines.head import check_fitted as check_fitted
    from qllmft.baselines.head import collect_answers as collect_answers
    from qllmft.baselines.head import fit_and_score as fit_and_score
    from qllmft.baselines.head import left_out_baselines as left_out_baselines
    from qllmft.baselines.head import make_baselines as make_baselines
    from qllmft.baselines.head import score_answers as score_answers
    from qllmft.baselines.head import score_head as score_head
    from qllmft.baselines.own_rows import use_own_heads as use_own_heads
    from qllmft.baselines.stored_baseline import as_classifier as as_classifier
    from qllmft.baselines.stored_baseline import calibrate_baseline as calibrate_baseline
    from qllmft.baselines.stored_baseline import compute_stored_logits as compute_stored_logits
    from qllmft.baselines.vectors import OnLoadedVectors as OnLoadedVectors
    from qllmft.baselines.without_circuit import fit_without_circuit as fit_without_circuit
    from qllmft.baselines.words import WordBaseline as WordBaseline


if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
