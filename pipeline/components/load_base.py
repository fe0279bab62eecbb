"""LoadBase: the base of a role, as the artifact that its Trainer begins from."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from pipeline.bases import copy_base, copy_model
from pipeline.components.find_inputs import NO_BASE
from trainer.config import Role
from trainer.warm_start.bundle import BASE_FILE, NO_BASE_FILE


@component
def LoadBase(  # noqa: N802
    model: OutputArtifact[standard_artifacts.Model],
    role: Parameter[str],
    base: Parameter[str],
    bases: Parameter[str],
) -> None:
    """Copies a base out of the folder of bases.

    Args:
        model: gets the base, or a file that says that there is none.
        role: candidate or baseline.
        base: its name, of FindInputs.
        bases: the folder.
    """
    load_base(Path(model.uri), "candidate" if role == "candidate" else "baseline", base, bases)


def load_base(model: Path, role: Role, base: str, bases: str) -> None:
    """Copies a base; see `LoadBase`."""
    if base == NO_BASE:
        (model / NO_BASE_FILE).touch()
        return
    copy_base(Path(bases), base, role, Path(path_utils.eval_model_dir(str(model))) / BASE_FILE)
    if role == "candidate":
        copy_model(Path(bases), base, Path(path_utils.serving_model_dir(str(model))))
