"""Servers that the tests of one session share."""

from collections.abc import Iterator
from typing import Any

import pytest
from recorded import FOLDER

from serving.server import BatchingParameters, Latest, ModelConfig, ServerOptions, running_server

# A batch of every size is filled up, so that each request's rows are joined with others.
_BATCHING = BatchingParameters(
    max_batch_size=4096, batch_timeout_micros=500, allowed_batch_sizes=(8, 4096)
)


@pytest.fixture(scope="session", params=[None, _BATCHING], ids=["alone", "batched"])
def recorded_server(request: pytest.FixtureRequest) -> Iterator[Any]:
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
        batching=request.param,
    )
    with running_server(options) as server:
        yield server
