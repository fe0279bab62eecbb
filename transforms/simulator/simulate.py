"""Writes simulated logs, day by day and part by part, and their known answer."""

import shutil
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np

from transforms.errors import InputError, write_error
from transforms.examples import POSITION
from transforms.simulator.catalogue import Catalogue, draw_catalogue, renew_catalogue
from transforms.simulator.feedback import DUPLICATES, draw_feedback
from transforms.simulator.files import FileFormat, LogWriter
from transforms.simulator.outcomes import draw_outcomes, labels_of
from transforms.simulator.plan import Part, Plan, check_plan, parts_of
from transforms.simulator.requests import draw_impressions
from transforms.simulator.responses import FACTORS, RESPONSES
from transforms.simulator.tally import Tallies
from transforms.simulator.truth import TRUTH_FILE, Counts, TaskTruth, Truth
from transforms.simulator.world import best_of, locations, remaining_b

_PARTIAL = ".partial"
_TABLES = ("impressions", "feedback")
_CATALOGUE_STREAM, _PART_STREAM, _LAST_STREAM, _CHURN_STREAM = range(4)

Progress = Callable[[int], None]


def simulate(
    out: Path,
    impressions: int,
    seed: int,
    file_format: FileFormat = "parquet",
    days: int = 7,
    first_day: date = date(2026, 1, 5),
    progress: Progress | None = None,
    broken: float = 0.0,
    drift: float = 0.0,
    churn: float = 0.0,
) -> Truth:
    """Writes canonical logs of a world whose best predictions are known (see `world`).

    `out` gets `impressions/<date>/part-*`, `feedback/<date>/part-*` by the date of the
    feedback, which may be days after the last impression, and, last, `truth.json`. The
    same arguments give the same bytes.

    Args:
        out: a new or empty folder.
        impressions: distinct impressions, spread evenly over the days.
        seed: of the users, the items and all that happens; the world stays the same.
        file_format: `parquet` or `csv` (gzipped).
        days: of impressions.
        first_day: UTC.
        progress: is told after each part how many impressions are written.
        broken: how many broken lines to add, as a share of the rows (CSV only).
        drift: share of factor B that fades each day.
        churn: share of the users and of the items that leave each day; as many new ones come.

    Returns:
        The known answer, as in `truth.json`.

    Raises:
        InputError: if an argument is out of its range, `out` is not empty or cannot be
            written.
        DiskFullError: if there is no room.
    """
    plan = Plan(impressions, seed, file_format, days, first_day, broken, drift, churn)
    check_plan(plan)
    out = Path(out)
    partial = out / _PARTIAL
    try:
        _prepare(out, partial)
        truth = _run(plan, partial, progress or (lambda _: None))
        for name in (*_TABLES, TRUTH_FILE):
            (partial / name).rename(out / name)
    except OSError as error:
        raise write_error(out, error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return truth


def _prepare(out: Path, partial: Path) -> None:
    """Makes `out` with an empty `.partial`; what an interrupted run left there is removed."""
    out.mkdir(parents=True, exist_ok=True)
    if partial.is_dir():
        # It may have been cut short while it moved its files up.
        for name in _TABLES:
            shutil.rmtree(out / name, ignore_errors=True)
        (out / TRUTH_FILE).unlink(missing_ok=True)
    taken = sorted(path.name for path in out.iterdir() if path != partial)
    if taken:
        raise InputError(f"{out}: must be a new or empty folder. It holds: {taken[0]!r}")
    shutil.rmtree(partial, ignore_errors=True)
    for name in _TABLES:
        (partial / name).mkdir(parents=True)


def _run(plan: Plan, folder: Path, progress: Progress) -> Truth:
    catalogue = draw_catalogue(_rng(plan, _CATALOGUE_STREAM), plan.impressions)
    writer = LogWriter(folder, plan.file_format, plan.broken)
    tallies = Tallies(plan.impressions)
    counts: Counter[str] = Counter()
    for part in parts_of(plan):
        if plan.churn and part.number == 0 and part.first_request:
            catalogue = renew_catalogue(_rng(plan, _CHURN_STREAM, part.day), catalogue, plan.churn)
        rng = _rng(plan, _PART_STREAM, part.day, part.number)
        counts += _write_part(plan, part, rng, catalogue, writer, tallies)
        progress(counts["impressions"])
    counts["broken_feedback"] += writer.write_carried(_rng(plan, _LAST_STREAM))
    truth = Truth(
        seed=plan.seed,
        impressions=plan.impressions,
        days=plan.days,
        first_day=plan.first_day,
        drift=plan.drift,
        churn=plan.churn,
        factor_weights={
            event: dict(zip(FACTORS, response.weights, strict=True))
            for event, response in RESPONSES.items()
        },
        tasks={task: TaskTruth.of(task, figures) for task, figures in tallies.results().items()},
        counts=Counts.model_validate(counts),
    )
    (folder / TRUTH_FILE).write_text(truth.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return truth


def _rng(plan: Plan, *stream: int) -> np.random.Generator:
    """Independent randomness for each part, so that no part depends on how others went."""
    return np.random.default_rng([plan.seed, *stream])


def _write_part(
    plan: Plan,
    part: Part,
    rng: np.random.Generator,
    catalogue: Catalogue,
    writer: LogWriter,
    tallies: Tallies,
) -> Counter[str]:
    shown = draw_impressions(rng, catalogue, part.first_request, part.size, part.day, part.slot)
    remaining = remaining_b(shown.timestamp, plan.first_day, plan.drift)
    eta = locations(shown.columns, remaining)
    outcomes = draw_outcomes(rng, shown.columns, eta)
    feedback = draw_feedback(rng, shown, outcomes)
    first = {**shown.columns, POSITION: np.ones_like(shown.columns[POSITION])}
    best_first = best_of(locations(first, remaining))
    tallies.add(rng, labels_of(outcomes), best_of(eta), best_first)
    repeated = np.flatnonzero(rng.random(len(shown)) < DUPLICATES)
    rows = np.sort(np.concatenate([np.arange(len(shown)), repeated]))
    return Counter(
        impressions=len(shown),
        duplicate_impressions=len(repeated),
        broken_impressions=writer.write_impressions(rng, part.day, part.number, shown, rows),
        feedback=len(feedback.rows) - feedback.duplicates - feedback.orphans,
        duplicate_feedback=feedback.duplicates,
        orphan_feedback=feedback.orphans,
        broken_feedback=writer.write_feedback(rng, part.day, part.number, feedback.rows),
        late_feedback=feedback.late,
        lost_feedback=feedback.lost,
    )
