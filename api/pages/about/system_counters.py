"""What the processes have counted since they began, out of the metrics that monitors read."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Measured:
    """Counters of all processes that gave theirs.

    Attributes:
        failures: failed items by code, the most frequent first.
        stages: how often a stage was passed, and its seconds on average, by its name.
        models: the same for the batches of each model.
        busy: stages and models, and the part of their capacity that was in use lately; of several workers the most.
        silent: processes that did not give their counters.
    """

    failures: list[tuple[str, int]]
    stages: dict[str, tuple[int, float]]
    models: dict[str, tuple[int, float]]
    busy: dict[str, float]
    silent: list[str]


def measured(metrics: bytes) -> Measured:
    """Read the text exposition format (Prometheus, version 0.0.4); samples of several processes add up."""
    failures: Counter[str] = Counter()
    sums: dict[tuple[str, str], float] = defaultdict(float)
    counts: Counter[tuple[str, str]] = Counter()
    busy: dict[str, float] = {}
    silent = []
    for family in text_string_to_metric_families(_each_family_once(metrics.decode())):
        for sample in family.samples:
            if sample.name == "tagline_item_errors_total":
                failures[sample.labels["code"]] += int(sample.value)
            elif sample.name == "tagline_metrics_peer_up" and not sample.value:
                silent.append(sample.labels["peer"])
            elif sample.name == "tagline_busy_share":
                stage = sample.labels["model"] or sample.labels["stage"]
                busy[stage] = max(busy.get(stage, 0.0), sample.value)
            for name, label in (("tagline_stage_seconds", "stage"), ("tagline_infer_seconds", "model")):
                if sample.name == f"{name}_sum":
                    sums[name, sample.labels[label]] += sample.value
                elif sample.name == f"{name}_count":
                    counts[name, sample.labels[label]] += int(sample.value)
    means: dict[str, dict[str, tuple[int, float]]] = defaultdict(dict)
    for (name, label), count in sorted(counts.items()):
        if count:
            means[name][label] = (count, sums[name, label] / count)
    shown = [(code, count) for code, count in failures.most_common(10) if count]
    return Measured(shown, means["tagline_stage_seconds"], means["tagline_infer_seconds"], busy, silent)


def _each_family_once(text: str) -> str:
    """Without the comments: each process has its own, and a parser takes a second one for the beginning of another."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
