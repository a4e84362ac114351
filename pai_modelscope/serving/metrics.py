"""What a monitor asks for, in Prometheus' text format."""

import os

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Metrics:
    """Those of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.waiting = self._gauge("pai_jobs_waiting", "Jobs that wait.")
        self.model_bytes = Gauge("pai_model_bytes", "Weights in memory.", ["model"], registry=self.registry)
        self.model_loads = Counter("pai_model_loads", "How often it was opened.", ["model"], registry=self.registry)
        self.ended = Counter("pai_jobs_ended", "Jobs by how they ended.", ["model", "state"], registry=self.registry)
        self.flagged = Counter("pai_pictures_flagged", "By the safety check.", ["model"], registry=self.registry)
        refused = "Requests refused for a listed word, and jobs for their pictures."
        self.refused = Counter("pai_content_refused", refused, ["model", "by"], registry=self.registry)
        self.wait = self._histogram("pai_wait_seconds", "From acceptance to drawing.", _SECONDS)
        self.step = self._histogram("pai_step_seconds", "Of a step.", _SECONDS)
        self.batch = self._histogram("pai_batch_jobs", "Jobs drawn together.", (1, 2, 4, 8, 16, 32, 64))
        memory = self._gauge("pai_memory_bytes", "Resident memory.")
        memory.set_function(lambda: psutil.Process(os.getpid()).memory_info().rss)

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(name, what, registry=self.registry)

    def _histogram(self, name: str, what: str, bounds: tuple[float, ...]) -> Histogram:
        return Histogram(name, what, ["model"], registry=self.registry, buckets=bounds)
