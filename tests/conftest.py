"""Options of the tests."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Sizes that a person may want larger than a test takes time for."""
    parser.addoption(
        "--hidden-log-rows",
        type=int,
        default=100_000,
        help="impressions among which 1,000 broken rows are hidden",
    )
    parser.addoption(
        "--kills",
        type=int,
        default=5,
        help="moments at which a training is killed, at least 3; twenty take two minutes",
    )
