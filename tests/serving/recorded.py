"""The recorded answers of the real TensorFlow Serving, where they lie beside the project."""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "tfserving"


def recorded_cases(file: str) -> list[Any]:
    """The recorded cases as parameters, or one that is skipped because there are none."""
    path = FOLDER / file
    if not path.is_file():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no {file} beside the project"))]
    cases = json.loads(path.read_text())
    return [pytest.param(case, id=str(case.get("id", case.get("case")))) for case in cases]
