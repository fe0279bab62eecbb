"""Whether a run has pushed, and why not."""

from pipeline.workspace import Run
from transforms.errors import NotBlessedError


def check_pushed(run: Run) -> None:
    """Tells of a run whose Pusher has ended that nothing was pushed.

    Raises:
        NotBlessedError: with the reason, unless it has pushed.
    """
    if run.pushed_version is not None:
        return
    if run.blessed:
        raise NotBlessedError("nothing was pushed: the model of a later day is served")
    raise NotBlessedError(run.document("ModelEvaluation", "figures.json")["verdict"]["summary"])
