"""A graph for Airflow, of two components."""

from typing import Any


def graph(**changes: Any) -> dict[str, Any]:
    """As `gaterank compile` writes it, of two components."""
    numbers = ("wait", "poll", "retry_delay", "step_timeout", "deadline", "days_ahead", "retries")
    nodes = [
        {"id": "LogExampleGen", "upstream": [], "trains": False, "pushes": False},
        {"id": "CandidateTrainer", "upstream": ["LogExampleGen"], "trains": True, "pushes": False},
    ]
    return {
        "format": 1,
        "ranker": "demo",
        "gaterank": ["gaterank"],
        "config": "/srv/ranker.yaml",
        "workspace": "/srv/workspace",
        "logs": "/srv/logs",
        "start_date": "2026-01-07",
        "cron": "0 6 * * *",
        "catchup": True,
        "pool": "trainers",
        "alerts": "alerts",
        "nodes": nodes,
        **dict.fromkeys(numbers, 2),
        **changes,
    }
