"""Answers of models: probabilities, decisions, agreement, labels that are likely wrong, and texts to label next."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.answers.next_texts import margins as margins
    from qllmft.answers.next_texts import select_next as select_next

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
