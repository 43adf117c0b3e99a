"""Batches: requests of many clients, answered together by the one thread that uses the model."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from qllmft.inference.items import Item
from qllmft_backends.errors import BackendError, CostRefusedError
from qllmft_doors.bounds import MAX_BATCH_S, MAX_LAST_BATCH_S, MAX_RETRY_S
from qllmft_doors.serving.model import ServedModel


class NotTakenError(Exception):
    """Request that is not answered, because too many wait or the server ends."""

    def __init__(self, retry_s: int | None = None) -> None:
        full = f"too many texts wait. Ask again in {retry_s} s"
        super().__init__("the server ends" if retry_s is None else full)
        self.retry_s = retry_s  # until about all that wait are answered; None: the server ends


@dataclass(eq=False)
class _Request:
    items: Sequence[Item]
    name: str = ""  # of the model that answers, "" for the server's own
    explained: bool = False  # asks for an explanation of its one text
    done: Future[Any] = field(default_factory=Future)

    @property
    def weight(self) -> int:
        """Return the number of answers that the request needs."""
        words = sum(len(str(item).split()) for item in self.items) if self.explained else 0
        return len(self.items) + words


class Batches(Collector):
    """Queue of requests in front of a model, a context manager around its thread.

    While the model computes, requests wait; all that wait are its next batch, up to ``most`` texts. So a single request
    is answered at once, and under load the batches grow.

    Args:
        model: the model.
        most: number of texts in one batch.
        waiting: number of texts that may wait; an explained text counts as one and its words.
    """

    def __init__(self, model: ServedModel, most_texts: int, waiting: int) -> None:
        self._model = model
        self._most_texts = most_texts
        self._most_waiting = waiting
        self._queue: deque[_Request] = deque()
        self._queue_changed = threading.Condition()
        self._stopped = False
        self._seconds_per_text = 0.01  # of one text, from the last batches
        self._batch_start: float | None = None  # start of the batch in work
        self.batches = 0  # begun so far
        self.texts = 0  # of these batches
        self.seconds = 0.0  # of finished ones
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    def __enter__(self) -> Batches:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._queue_changed:
            self._stopped = True
            unanswered_requests = list(self._queue)
            self._queue.clear()
            self._queue_changed.notify()
        for request in unanswered_requests:
            if request.done.set_running_or_notify_cancel():
                request.done.set_exception(NotTakenError())
        self._thread.join(MAX_LAST_BATCH_S)

    @property
    def status(self) -> Literal["ok", "stuck", "stopped"]:
        """Return "stuck" if texts wait for a batch that takes far too long; batches of a remote backend may."""
        if self._stopped or not self._thread.is_alive():
            return "stopped"
        backend = self._model.backend
        remote = backend is not None and backend.capabilities.remote
        is_late = self.stuck_s > max(MAX_BATCH_S, 10 * self._most_texts * self._seconds_per_text)
        return "stuck" if is_late and self.waiting and not remote else "ok"

    @property
    def waiting(self) -> int:
        """Return the number of texts that wait."""
        with self._queue_changed:
            return sum(request.weight for request in self._queue)

    @property
    def stuck_s(self) -> float:
        """Return the seconds since the model began its batch, or 0 if it has none."""
        batch_start = self._batch_start
        return 0.0 if batch_start is None else time.monotonic() - batch_start

    def answer(self, items: Sequence[Item], name: str = "") -> Future[list[dict[str, Any]]]:
        """Return the coming answers for texts or pairs, by the model of a name, or raise NotTakenError."""
        return self._put(_Request(items, name))

    def explain(self, text: str, name: str = "") -> Future[dict[str, Any]]:
        """Return the coming explanation of a text, by the model of a name, or raise NotTakenError."""
        return self._put(_Request([text], name, explained=True))

    def collect(self) -> Iterator[Metric]:
        """Yield each number of the queue with its meaning, for Prometheus."""
        yield CounterMetricFamily("qllmft_texts", "Texts that the model got.", self.texts)
        yield CounterMetricFamily("qllmft_batches", "Batches of the model.", self.batches)
        yield CounterMetricFamily("qllmft_model_seconds", "Seconds of the model.", self.seconds)
        yield GaugeMetricFamily("qllmft_waiting_texts", "Texts that wait.", self.waiting)
        age = "Seconds since the model began its batch."
        yield GaugeMetricFamily("qllmft_batch_age_seconds", age, self.stuck_s)
        up = self.status == "ok"
        yield GaugeMetricFamily("qllmft_up", "1 if requests are answered.", int(up))

    def _put(self, request: _Request) -> Future[Any]:
        with self._queue_changed:
            if self._stopped:
                raise NotTakenError
            n_waiting = self.waiting
            if self._queue and n_waiting + request.weight > self._most_waiting:
                seconds = math.ceil((n_waiting + self._most_texts) * self._seconds_per_text)
                raise NotTakenError(min(max(seconds, 1), MAX_RETRY_S))
            self._queue.append(request)
            self._queue_changed.notify()
        return request.done

    def _run(self) -> None:
        while batch := self._next_batch():
            running = [request for request in batch if request.done.set_running_or_notify_cancel()]
            if not running:
                continue
            batch_start = self._batch_start = time.monotonic()
            self.batches += 1
            self.texts += sum(len(request.items) for request in running)
            self._answer(running)
            self._batch_start = None
            batch_seconds = time.monotonic() - batch_start
            self.seconds += batch_seconds
            seconds_per_text = batch_seconds / sum(request.weight for request in running)
            self._seconds_per_text = 0.5 * (self._seconds_per_text + seconds_per_text)

    def _next_batch(self) -> list[_Request]:
        """Wait for requests and return the next batch, one explanation or texts for one model; none at the end."""
        with self._queue_changed:
            self._queue_changed.wait_for(lambda: self._queue or self._stopped)
            batch: list[_Request] = []
            texts = 0
            while self._queue:
                next_request = self._queue[0]
                texts += len(next_request.items)
                needs_own_batch = next_request.explained or any(
                    request.explained for request in batch
                )
                names_other_model = any(request.name != next_request.name for request in batch)
                if batch and (texts > self._most_texts or needs_own_batch or names_other_model):
                    break
                batch.append(self._queue.popleft())
            return batch

    def _answer(self, requests: list[_Request]) -> None:
        """Answer requests together; after an error that one of them may have caused, one at a time."""
        first = requests[0]
        items = [item for request in requests for item in request.items]
        try:
            if first.explained:
                first.done.set_result(self._model.explain(str(items[0]), first.name))
                return
            answers = self._model.answer(items, first.name)
        except Exception as error:
            fails_all = isinstance(error, BackendError) and not isinstance(error, CostRefusedError)
            for request in requests:
                if fails_all or len(requests) == 1:
                    request.done.set_exception(error)
                else:
                    self._answer([request])
            return
        for request in requests:
            request.done.set_result(answers[: len(request.items)])
            answers = answers[len(request.items) :]
