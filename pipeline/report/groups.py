"""Tasks in the order of the page: those of a group stand together."""

from collections.abc import Container, Mapping

from pipeline.report.inputs import TaskInfo


def group_tasks(
    infos: Mapping[str, TaskInfo], known: Container[str]
) -> tuple[tuple[str, ...], dict[str, range]]:
    """The known tasks task by task of each group, and each group's place among them.

    Args:
        infos: task -> kind and group.
        known: tasks that the page has numbers of.

    Example:
        >>> groups = {"a": "x", "b": "y", "c": "x"}
        >>> infos = {t: TaskInfo(kind="regression", group=g) for t, g in groups.items()}
        >>> group_tasks(infos, {"a", "b", "c"})
        (('a', 'c', 'b'), {'x': range(0, 2), 'y': range(2, 3)})
    """
    members: dict[str, list[str]] = {}
    for name, info in infos.items():
        if name in known:
            members.setdefault(info.group, []).append(name)
    names: list[str] = []
    ranges = {}
    for group, tasks in members.items():
        ranges[group] = range(len(names), len(names) + len(tasks))
        names += tasks
    return tuple(names), ranges
