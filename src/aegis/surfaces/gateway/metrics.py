"""`GET /metrics`: counters in the Prometheus text format, made when somebody scrapes.

On the way of a request there are only additions to integers. Label sets are closed: routes of the
route table, status codes, and what the runtime's meter counts apart.
"""

from __future__ import annotations

from bisect import bisect_left
from time import perf_counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from ...kernel.runtime import Runtime
    from ...model import Principal
    from .turn import Turn
    from .watch import Watch

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
"""Upper bounds of the duration buckets, in seconds: half a millisecond to a long completion."""

CONTENT_TYPE = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


class Histogram:
    """Counts by bucket, and the sum."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.buckets[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def add(self, other: Histogram) -> None:
        """Count what another one did."""
        self.buckets = [one + two for one, two in zip(self.buckets, other.buckets, strict=True)]
        self.total += other.total

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound, count up to it) as the text format wants them."""
        running, pairs = 0, []
        for bound, count in zip((*SECONDS, "+Inf"), self.buckets, strict=True):
            running += count
            pairs.append((str(bound), float(running)))
        return pairs


class Measures:
    """What one server counts about its requests: how long they took, by route and status."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], Histogram] = {}
        self.overhead = Histogram()

    def ended(self, turn: Turn) -> None:
        """Count one request that ends now."""
        key = (turn.route, turn.status)
        histogram = self.requests.get(key)
        if histogram is None:
            histogram = self.requests[key] = Histogram()
        seconds = perf_counter() - turn.clock
        histogram.observe(seconds)
        if turn.upstream_seconds:
            self.overhead.observe(max(0.0, seconds - turn.upstream_seconds))

    def durations(self) -> dict[str, Histogram]:
        """How long requests took, by route."""
        routes: dict[str, Histogram] = {}
        for (route, _), histogram in sorted(self.requests.items()):
            routes.setdefault(route, Histogram()).add(histogram)
        return routes


class Collector:
    """Turns the counters of a server and its runtime into metric families."""

    def __init__(self, runtime: Runtime, measures: Measures, watch: Watch) -> None:
        self._runtime = runtime
        self._measures = measures
        self._watch = watch

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        yield from self._requests()
        yield from self._governance()
        yield from self._state()

    def _requests(self) -> Iterator[Metric]:
        measures = self._measures
        requests = CounterMetricFamily(
            "aegis_requests", "Requests answered.", labels=("route", "status")
        )
        for (route, status), histogram in sorted(measures.requests.items()):
            requests.add_metric((route, str(status)), sum(histogram.buckets))
        yield requests
        durations = HistogramMetricFamily(
            "aegis_request_duration_seconds", "Time to the end of the answer.", labels=("route",)
        )
        for route, histogram in measures.durations().items():
            durations.add_metric((route,), histogram.cumulative(), histogram.total)
        yield durations
        overhead = HistogramMetricFamily(
            "aegis_overhead_seconds", "Time of a whole completion not spent in the provider."
        )
        overhead.add_metric((), measures.overhead.cumulative(), measures.overhead.total)
        yield overhead
        yield GaugeMetricFamily(
            "aegis_in_flight_requests", "Requests under way.", len(self._watch.turns)
        )

    def _governance(self) -> Iterator[Metric]:
        meter = self._runtime.meter
        verdicts = CounterMetricFamily(
            "aegis_actions", "Actions decided.", labels=("protocol", "verdict")
        )
        for (protocol, verdict), count in meter.verdicts.items():
            if count:
                verdicts.add_metric((protocol, verdict), count)
        yield verdicts
        outcomes = CounterMetricFamily("aegis_outcomes", "Actions ended.", labels=("status",))
        for status, count in meter.statuses.items():
            outcomes.add_metric((status,), count)
        yield outcomes
        refusals = CounterMetricFamily("aegis_refusals", "Actions refused.", labels=("code",))
        for code, count in meter.refusals.items():
            if code:
                refusals.add_metric((code,), count)
        yield refusals
        findings = CounterMetricFamily(
            "aegis_findings", "Findings of guards.", labels=("category",)
        )
        for category, count in sorted(meter.findings.items()):
            findings.add_metric((category,), count)
        yield findings
        tokens = CounterMetricFamily("aegis_tokens", "Tokens used.", labels=("type",))
        tokens.add_metric(("input",), meter.input_tokens)
        tokens.add_metric(("output",), meter.output_tokens)
        yield tokens
        yield CounterMetricFamily(
            "aegis_guard_failures", "Guards that could not run.", meter.guard_failures
        )

    def _state(self) -> Iterator[Metric]:
        runtime = self._runtime
        yield GaugeMetricFamily(
            "aegis_ledger_records", "Records in the ledger.", runtime.journal.size
        )
        yield GaugeMetricFamily(
            "aegis_approvals_pending", "Approvals nobody has answered.", len(runtime.desk.pending())
        )
        ready = GaugeMetricFamily("aegis_ready", "Whether a part can work.", labels=("part",))
        for part, fine in runtime.ready().items():
            ready.add_metric((part,), float(fine))
        yield ready


class Scrape:
    """The handler of `GET /metrics`."""

    def __init__(self, runtime: Runtime, measures: Measures, watch: Watch) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(Collector(runtime, measures, watch))

    async def __call__(self, runtime: Runtime, turn: Turn, principal: Principal) -> None:
        """Everything, as text."""
        await turn.whole(200, [CONTENT_TYPE], generate_latest(self._registry))
