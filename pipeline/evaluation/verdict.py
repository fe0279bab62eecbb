"""Thresholds -> verdict: blessed or refused, which threshold failed and by how much."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pipeline.evaluation.comparison import Comparison, Estimate
from pipeline.evaluation.figures import BaseFigures, Check, TaskFigures, Verdict
from pipeline.evaluation.options import Metric, Threshold

Rule = Literal["min_gain", "lower", "upper"]
Comparisons = Mapping[Metric, Comparison]
_NONE = Estimate(value=None)
_UNKNOWN = Comparison(direction="higher", candidate=_NONE, baseline=_NONE, difference=_NONE)


def judge(
    thresholds: Sequence[Threshold],
    tasks: Mapping[str, TaskFigures],
    mean: Comparisons,
    base: BaseFigures | str = "there is none yet",
) -> Verdict:
    """Applies every threshold.

    A threshold for `all` skips, with a warning, a task whose labels leave the metric
    undefined (no positives, say). A named task or a model whose predictions are not finite
    is not excused, and neither is an evaluation in which nothing could be checked.

    Args:
        thresholds: of the YAML.
        tasks: name -> its figures.
        mean: metric -> its mean over tasks.
        base: the same against the model that the candidate began from, or why there is nothing
            to compare; thresholds against it are then skipped, with a warning.
    """
    checks: list[Check] = []
    warnings: list[str] = []
    for threshold in thresholds:
        if threshold.against == "baseline":
            subjects = _subjects(threshold, tasks, mean)
        elif isinstance(base, str):
            warnings.append(f"nothing was checked against the base: {base}")
            continue
        else:
            subjects = _subjects(threshold, base.tasks, base.mean)
        for task, comparison, excuse in subjects:
            if excuse:
                warnings.append(f"task {task}: {threshold.metric} was not checked: {excuse}")
            else:
                checks += _check(threshold, task, comparison)
    failures = [check for check in checks if not check.passed]
    return Verdict(
        blessed=bool(checks) and not failures,
        summary=_summary(checks, failures),
        checks=tuple(checks),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _subjects(
    threshold: Threshold, tasks: Mapping[str, TaskFigures], mean: Comparisons
) -> Iterator[tuple[str, Comparison, str]]:
    """Yields task, comparison and the excuse for not checking it, if there is one."""
    metric = threshold.metric
    if threshold.task == "mean":
        if metric in mean:
            yield "mean", mean[metric], ""
    elif threshold.task == "all":
        for name, figures in tasks.items():
            if metric in figures.metrics:
                excuse = figures.unmeasured.get(metric, "")
                yield name, figures.metrics[metric], excuse
    elif threshold.task in tasks:
        yield threshold.task, tasks[threshold.task].metrics[metric], ""
    else:
        yield threshold.task, _UNKNOWN, "the base does not predict it"


def _check(threshold: Threshold, task: str, comparison: Comparison) -> Iterator[Check]:
    gain = comparison.gain.lower if threshold.confident else comparison.gain.value
    sides: tuple[tuple[Rule, float | None, float | None], ...] = (
        ("min_gain", gain, threshold.min_gain),
        ("lower", comparison.candidate.value, threshold.lower),
        ("upper", comparison.candidate.value, threshold.upper),
    )
    for rule, value, bound in sides:
        if bound is not None:
            yield _compare(threshold, task, rule, value, bound)


def _compare(
    threshold: Threshold, task: str, rule: Rule, value: float | None, bound: float
) -> Check:
    margin = None if value is None else (bound - value if rule == "upper" else value - bound)
    passed = margin is not None and margin >= 0
    confident = threshold.confident and rule == "min_gain"
    return Check(
        task=task,
        metric=threshold.metric,
        rule=rule,
        against=threshold.against,
        confident=confident,
        value=value,
        bound=bound,
        margin=margin,
        passed=passed,
        message=_message(task, _what(threshold, rule, confident), rule, value, bound),
    )


def _what(threshold: Threshold, rule: Rule, confident: bool) -> str:
    if rule != "min_gain":
        return threshold.metric
    what = f"{threshold.metric} gain"
    if threshold.against == "base":
        what += " over the base"
    return f"lower end of {what}'s 95% interval" if confident else what


def _message(task: str, what: str, rule: Rule, value: float | None, bound: float) -> str:
    subject = "mean over tasks" if task == "mean" else f"task {task}"
    if value is None:
        return f"{subject}: {what} is undefined, {rule} is {bound:g}"
    digits = _digits(value, bound)
    failed = value > bound if rule == "upper" else value < bound
    if failed:
        relation = "above" if rule == "upper" else "below"
        by = f" by {abs(value - bound):.{digits}f}"
    else:
        relation, by = ("at most" if rule == "upper" else "at least"), ""
    return f"{subject}: {what} {value:z.{digits}f} is {relation} {rule} {bound:z.{digits}f}{by}"


def _digits(value: float, bound: float) -> int:
    """Decimals that tell the two numbers apart: three, or as many as it takes."""
    for digits in range(3, 10):
        if round(value, digits) != round(bound, digits) or value == bound:
            return digits
    return 10


def _summary(checks: Sequence[Check], failures: Sequence[Check]) -> str:
    if not checks:
        return "refused: no threshold could be checked"
    if not failures:
        return f"blessed: all {len(checks)} checks hold"
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    return f"refused: {failures[0].message}{more}"
