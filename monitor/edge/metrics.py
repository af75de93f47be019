"""What Prometheus may know: how well we judge and reach, never whose order it was.

Every label takes its values from a list that is closed when the monitor starts (reasons,
detectors, roads, topics of the configuration); anything else counts as `other`.  So no
symbol, order, parent or host of the stream can become a series.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

import prometheus_client
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

OTHER: Final = "other"
SEVERITIES: Final = ("warn", "high", "halt")
PAGE_SEVERITIES: Final = ("halt", "high", "self")
STATUSES: Final = ("judging", "degraded", "blind")
ROADS: Final = ("kafka", "mqtt")
PAGE_ROADS: Final = ("alertmanager", "webhook")
GAPS: Final = ("retention", "truncated", "recreated", "partition_gone", "corrupt", "too_large")
OVER_BOUND: Final = ("unnamed", "forgotten")
LINKS: Final = ("kafka", "kafka_halts", "kafka_out", "mqtt", "mqtt_in")
TASKS: Final = (
    "kafka", "kafka_halts", "kafka_out", "mqtt", "dead_letters", "http", "pager", "reloading", "certificates",
    "metrics",
)  # fmt: skip
PARTITIONS_MAX: Final = 1_024  # of a topic with more the rest are one series
# A halt is to be readable within some milliseconds, and its publication gives up waiting after a second.
PUBLISH_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
LOOP_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class Closed:
    """A metric with labels of closed lists; all its series exist from the start, at zero."""

    def __init__(self, metric: Any, *lists: Iterable[str]) -> None:
        self._lists = [(*dict.fromkeys(values), OTHER) for values in lists]
        self._series = {labels: metric.labels(*labels) for labels in itertools.product(*self._lists)}

    def __call__(self, *values: str) -> Any:
        """The series of these values, or of `other` where one is not on its list."""
        known = self._series.get(values)
        if known is not None:
            return known
        closed = zip(values, self._lists, strict=True)
        return self._series[tuple(value if value in listed else OTHER for value, listed in closed)]


class PerPartition:
    """A gauge for each partition of the configured topics; partitions appear as they are heard of."""

    def __init__(self, metric: Gauge, topics: Iterable[str]) -> None:
        self._metric = metric
        self._topics = frozenset(topics)
        self._series: dict[tuple[str, int], Gauge] = {}

    def __call__(self, topic: str, partition: int) -> Gauge:
        known = self._series.get((topic, partition))
        if known is not None:
            return known
        is_ours, is_counted = topic in self._topics, 0 <= partition < PARTITIONS_MAX
        series = self._metric.labels(topic if is_ours else OTHER, str(partition) if is_counted else OTHER)
        if is_ours and is_counted:  # so that what is kept here is bounded as well
            self._series[topic, partition] = series
        return series


class Metrics:
    """All series of one monitor, in a registry of its own."""

    def __init__(
        self,
        *,
        detectors: Iterable[str],
        quarantine_reasons: Iterable[str],
        topics: Iterable[str],
        now_ns: Callable[[], int],
        version: str,
    ) -> None:
        families, topics = tuple(detectors), tuple(topics)
        self._now_ns = now_ns
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Gauge("knightwatch_build_info", "The running version.", ["version"], registry=registry).labels(
            version
        ).set(1)

        def counter(name: str, help_: str, *labels: str) -> Counter:
            return Counter(f"knightwatch_{name}", help_, labels, registry=registry)

        def gauge(name: str, help_: str, *labels: str) -> Gauge:
            return Gauge(f"knightwatch_{name}", help_, labels, registry=registry)

        def histogram(name: str, help_: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"knightwatch_{name}", help_, labels, buckets=buckets, registry=registry)

        # what comes in
        self.events = counter("events", "Events that the contract accepts.")
        self.passed_over = counter("events_passed_over", "Accepted events of a kind that is not known.")
        self.quarantined = Closed(
            counter("records_quarantined", "Records that break the contract.", "reason"), quarantine_reasons
        )
        self.dead_letters = Closed(
            counter(
                "dead_letters",
                "Broken records kept in the dead-letter topic, or lost: no room, or too large for a broker.",
                "outcome",
            ),
            ("sent", "lost"),
        )
        self.gaps = Closed(counter("gaps", "Runs of records that can never be read.", "why"), GAPS)
        self.lag_seconds = PerPartition(
            gauge("lag_seconds", "Age of the last record read while there are more.", "topic", "partition"),
            topics,
        )
        self.lag_records = PerPartition(
            gauge("lag_records", "Records that are there and not read.", "topic", "partition"), topics
        )
        self.messages_unheard = counter(
            "messages_unheard", "Acknowledgements that came over MQTT and found no room to wait in."
        )
        self.link_up = Closed(gauge("link_up", "1 while a broker answers.", "link"), LINKS)

        # what is decided
        self.breaches = Closed(
            counter("breaches", "Breaches, also those in shadow.", "detector", "severity"),
            families,
            SEVERITIES,
        )
        self.halts = Closed(counter("halts", "Halts decided.", "detector"), families)
        self.halts_open = gauge("halts_open", "Halts that nobody has resumed.")
        self.halts_unacknowledged = gauge(
            "halts_unacknowledged", "Open halts that a gateway has not applied for 250 ms or more."
        )
        self.status = Closed(
            gauge("judging_status", "1 at the status that the lease tells.", "status"), STATUSES
        )

        # what goes out
        self.publish_seconds = Closed(
            histogram(
                "halt_publish_seconds", "From the decision to the broker's answer.", PUBLISH_BUCKETS, "road"
            ),
            ROADS,
        )
        self.publish_failures = Closed(
            counter("halt_publish_failures", "Halts that a road did not take within its deadline.", "road"),
            ROADS,
        )
        self.outbox = Closed(gauge("outbox_messages", "Messages that wait for a road.", "road"), ROADS)
        self.pages = Closed(counter("pages", "Pages asked for.", "severity"), PAGE_SEVERITIES)
        self.page_deliveries = Closed(
            counter("page_deliveries", "Pages that a receiver took, or not.", "road", "outcome"),
            PAGE_ROADS,
            ("delivered", "failed"),
        )
        self.pages_waiting = Closed(
            gauge("pages_waiting", "Pages that nobody has taken.", "road"), PAGE_ROADS
        )

        # ourselves
        self.audit_lines = counter("audit_lines", "Lines of the audit trail.")
        self.audit_gaps = counter("audit_gaps", "Times that the audit trail could not be written.")
        self.snapshot_failures = counter("snapshot_failures", "Snapshots that could not be written.")
        self.loop_seconds = histogram("loop_latency_seconds", "How late the clock was read.", LOOP_BUCKETS)
        self.handle_seconds = histogram("handle_seconds", "Judging one chunk of records.", LOOP_BUCKETS)
        self.tasks = gauge("tasks", "Tasks of the loop: a number that only rises is a leak.")
        self._tables_bytes = gauge(
            "tables_bytes", "What the tables of the ledger and the detectors hold: up to [memory]'s bounds."
        )
        self._over_bound = Closed(
            gauge(
                "over_bound",
                "Over a bound of [memory]: what has no name of its own, executions that were forgotten.",
                "what",
            ),
            OVER_BOUND,
        )
        self.clock_skew = gauge("clock_skew_seconds", "Wall clock minus the time that we judge by.")
        self.task_failures = Closed(
            counter("task_failures", "Tasks that failed unforeseen and were begun again.", "task"), TASKS
        )
        self.config_broken = gauge("config_broken", "1 while the configuration's file cannot be in force.")
        self._certificates = gauge(
            "certificate_seconds_left",
            "Until a certificate of ours, or an authority that we believe, ends; below zero: it has.",
            "link",
            "role",
        )
        self._saved_ns = self._began_ns = now_ns()
        gauge("snapshot_age_seconds", "Since the last snapshot, or the start.").set_function(
            lambda: (now_ns() - self._saved_ns) / 1e9
        )

    def know_tables(self, size: Callable[[], float], over: Mapping[str, Callable[[], float]]) -> None:
        """Ask for them when somebody wants to know."""
        self._tables_bytes.set_function(size)
        for what, count in over.items():
            self._over_bound(what).set_function(count)

    def snapshot_saved(self, at_ns: int) -> None:
        self._saved_ns = at_ns

    def certificate_ends(self, link: str, role: str, at_ns: int) -> None:
        """Of files that the configuration names; zero of one that nobody needs would say that it ended."""
        self._certificates.labels(link, role).set_function(lambda: (at_ns - self._now_ns()) / 1e9)

    def say_status(self, status: str) -> None:
        """One status is 1, the others are 0."""
        for other in STATUSES:
            self.status(other).set(other == status)

    def exposition(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self.registry)
