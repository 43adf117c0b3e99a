"""Counters of a server in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from qllmft.serving.batches import Batches


class _OfBatches(Collector):
    """Numbers of the queue, read when they are asked for."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def collect(self) -> Iterator[Metric]:
        """Yield each number with its meaning."""
        seen = self._batches
        yield CounterMetricFamily("qllmft_texts", "Texts that the model got.", seen.texts)
        yield CounterMetricFamily("qllmft_batches", "Batches of the model.", seen.batches)
        yield CounterMetricFamily("qllmft_model_seconds", "Seconds of the model.", seen.seconds)
        yield GaugeMetricFamily("qllmft_waiting_texts", "Texts that wait.", seen.waiting)
        yield GaugeMetricFamily(
            "qllmft_batch_age_seconds", "Seconds since the model began its batch.", seen.stuck_s
        )
        yield GaugeMetricFamily(
            "qllmft_up", "1 if requests are answered.", int(seen.status == "ok")
        )


def metrics_of(batches: Batches) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of the numbers of a queue, without texts of requests."""
    registry = CollectorRegistry()
    registry.register(_OfBatches(batches))

    async def endpoint(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return endpoint
