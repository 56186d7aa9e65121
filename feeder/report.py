"""What happened, as text for people and as values for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from feeder.model import Status, Verdict
from feeder.pipeline.polling import Polled
from feeder.pipeline.publishing import Published


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one run came to."""

    polls: tuple[Polled, ...]
    published: Published
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[Polled, ...]:
        """The polls that did not succeed."""
        return tuple(polled for polled in self.polls if polled.error)


def summary_values(done: Summary) -> dict[str, object]:
    """Return *done* as JSON has it."""
    verdicts, statuses = _totals(done)
    return {
        "sources": len(done.polls),
        "failed": {polled.source: polled.error for polled in done.failed},
        **{verdict.value: verdicts[verdict] for verdict in Verdict if verdict is not Verdict.UNCHANGED},
        "held": sum(polled.held for polled in done.polls),
        "left_out": statuses[Status.LEFT_OUT],
        "rejected": statuses[Status.BROKEN] + statuses[Status.UNSETTLED],
        "feeds": done.published.nodes,
        "feeds_failed": {"/".join(node): reason for node, reason in done.published.failed.items()},
        "written": done.published.written,
        "removed": done.published.removed,
        "state": dict(done.counts),
    }


def summary(done: Summary) -> str:
    """Return *done* in a few lines."""
    values = summary_values(done)
    polled = (*(v.value for v in Verdict if v is not Verdict.UNCHANGED), "held", "left_out", "rejected")
    counted = [f"{values[name]} {name.replace('_', ' ')}" for name in polled if values[name]]
    lines = [f"{len(done.polls)} source(s) polled: {', '.join(counted) or 'nothing new'}"]
    lines += [f"  failed: {each.source}: {each.error}" for each in done.failed]
    written, removed = len(done.published.written), len(done.published.removed)
    lines.append(f"{done.published.nodes} categories published: {written} file(s) written, {removed} removed")
    lines += [f"  failed: {'/'.join(node)}: {reason}" for node, reason in done.published.failed.items()]
    return "\n".join(lines)


def _totals(done: Summary) -> tuple[Counter[Verdict], Counter[Status]]:
    verdicts: Counter[Verdict] = Counter()
    statuses: Counter[Status] = Counter()
    for polled in done.polls:
        verdicts.update(polled.verdicts)
        statuses.update(polled.statuses)
    return verdicts, statuses
