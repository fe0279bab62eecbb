"""Servers that the tests of one session share."""

from collections.abc import Iterator
from typing import Any

import pytest
from recorded import FOLDER

from serving.server import Latest, ModelConfig, ServerOptions, running_server


@pytest.fixture(scope="session")
def recorded_server() -> Iterator[Any]:
    """The two models that the real server was recorded with, served alike."""
    models = FOLDER / "models"
    if not models.is_dir():
        pytest.skip("no recorded models beside the project")
    options = ServerOptions(
        models=(
            ModelConfig("half_plus_two", models / "half_plus_two", Latest(), {"stable": 123}),
            ModelConfig("types", models / "types"),
        ),
        port=0,
        grpc_port=0,
    )
    with running_server(options) as server:
        yield server
