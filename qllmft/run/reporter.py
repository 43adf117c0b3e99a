"""What a run tells whoever watches it; this one says nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from qllmft.data import Findings
from qllmft.training import EpochMetrics
from qllmft_backends import Backend


class Reporter:
    """Callbacks of a run. Override what is of interest."""

    def message(self, text: str) -> None:
        """One line about what happens next."""

    def findings(self, found: Findings) -> None:
        """What reading and splitting the texts found; by default the sentences are messages."""
        for sentence in found.sentences():
            self.message(sentence)

    def backend(self, backend: Backend) -> None:
        """What will run the head's circuit in training, before anything is sent through it."""

    def embedding(self, total: int, body: str) -> AbstractContextManager[Callable[[int], None]]:
        """Around the embedding of ``total`` texts by ``body``; gives what is called with the number newly done."""
        return nullcontext(lambda _: None)

    def training(self, epochs: int, done: int) -> AbstractContextManager[Callable[[EpochMetrics], None]]:
        """Around the training of ``epochs`` epochs, ``done`` of them earlier; gives what is called after each."""
        return nullcontext(lambda _: None)

    def contrastive(self, steps: int, done: int) -> AbstractContextManager[Callable[[int], None]]:
        """Around the contrastive step, ``done`` of its batches earlier; gives what is called after each batch."""
        return nullcontext(lambda _: None)

    def fitting(self, name: str) -> AbstractContextManager[None]:
        """Around the fitting of a baseline."""
        return nullcontext()


class PassingReporter(Reporter):
    """Passes everything on to another reporter. Override what is to be changed."""

    def __init__(self, watcher: Reporter) -> None:
        self._watcher = watcher

    def message(self, text: str) -> None:
        self._watcher.message(text)

    def findings(self, found: Findings) -> None:
        self._watcher.findings(found)

    def backend(self, backend: Backend) -> None:
        self._watcher.backend(backend)

    def embedding(self, total: int, body: str) -> AbstractContextManager[Callable[[int], None]]:
        return self._watcher.embedding(total, body)

    def training(self, epochs: int, done: int) -> AbstractContextManager[Callable[[EpochMetrics], None]]:
        return self._watcher.training(epochs, done)

    def contrastive(self, steps: int, done: int) -> AbstractContextManager[Callable[[int], None]]:
        return self._watcher.contrastive(steps, done)

    def fitting(self, name: str) -> AbstractContextManager[None]:
        return self._watcher.fitting(name)
