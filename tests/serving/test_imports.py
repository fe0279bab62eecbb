"""What importing costs: TensorFlow stays out of the client and of the server's front."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["serving", "serving.client", "serving.ranking.table", "serving.server"]
)
def test_importing_loads_no_tensorflow(module: str) -> None:
    code = (
        f"import sys, {module}; heavy = {{'tensorflow', 'tfx', 'apache_beam', 'grpc'}}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
