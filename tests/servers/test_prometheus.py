"""Prometheus' own tool takes what it is given. It must be installed (Debian: the package prometheus), so this stands apart."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from desk import Desk

from feeder import config
from feeder.app import App
from feeder.metrics import Counts, Queues, State, exposition

DOCS = Path(__file__).parent.parent.parent / "docs"
NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
RULES = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: feeder_source_stale{{source="newsroom"}}
        values: 0x10 1x30
      - series: feeder_due_lag_seconds
        values: 0x10 1000x30
      - series: feeder_faults{{kind="feed"}}
        values: 0x10 2x30
      - series: feeder_documents_rejected
        values: 3x10 500x30
    alert_rule_test:
{cases}
"""
CASE = """
      - eval_time: {minute}m
        alertname: {name}
        exp_alerts: {alerts}
"""


def promtool(*words: str, told: bytes = b"") -> str:
    assert shutil.which("promtool"), "promtool is missing; Debian has it in the package prometheus"
    done = subprocess.run(["promtool", *words], input=told, capture_output=True, timeout=60, check=False)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def test_the_metrics_are_as_prometheus_wants_them(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.settle('newsroom\nalert_after = "1d"')
    desk.write("newsroom/one.md")
    counts = Counts()

    def work(app: App) -> None:
        app.observer = counts
        app.prepare(NOW)
        app.poll("newsroom", NOW)
        app.publish(NOW, settle=timedelta())

    with desk.daemon() as app:
        work(app)
    loaded = config.load(desk.config)
    text = exposition(State(lambda: loaded, lambda: NOW), counts, Queues(lambda: {"due": 0}))()
    assert promtool("check", "metrics", told=text) == ""


def test_the_rules_are_good() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(DOCS / "alerts.yml"))


def test_the_rules_are_quiet_while_all_is_well_and_then_not(tmp_path: Path) -> None:
    names = ("FeederSourceStale", "FeederStuck", "FeederCannotPublish", "FeederRejects")
    quiet = "".join(CASE.format(minute=9, name=name, alerts="[]") for name in names)
    path = tmp_path / "quiet.yml"
    path.write_text(RULES.format(rules=DOCS / "alerts.yml", cases=quiet), "utf-8")
    assert "SUCCESS" in promtool("test", "rules", str(path))
    loud = CASE.format(
        minute=12,
        name="FeederSourceStale",
        alerts="""
          - exp_labels: { severity: ticket, source: newsroom }
            exp_annotations:
              summary: The source newsroom fails, or brings nothing new, for longer than its alert_after
              description: The event `source_stale` has the reason.
""",
    )
    path.write_text(RULES.format(rules=DOCS / "alerts.yml", cases=loud), "utf-8")
    assert "SUCCESS" in promtool("test", "rules", str(path))


def test_the_dashboard_asks_in_words_that_prometheus_understands(tmp_path: Path) -> None:
    board = json.loads((DOCS / "grafana.json").read_text("utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    plain = [words.replace("$__rate_interval", "5m").replace("$instance", ".*") for words in asked]
    rules = [{"record": f"panel:{number}", "expr": words} for number, words in enumerate(plain)]
    file = tmp_path / "rules.json"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), "utf-8")
    assert f"{len(plain)} rules found" in promtool("check", "rules", str(file))
