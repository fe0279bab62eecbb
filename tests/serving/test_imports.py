"""What importing costs: TensorFlow stays out of the client and of the server's front."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["serving", "serving.client", "serving.ranking.table", "serving.server"]
)
def test_importing_loads_no_tensorflow(module: str) -> None:
    code = (
        f"import sys, {module}; heavy = {{'tensorflow', 'tfx', 'apache_beam', 'grpc', 'pyarrow'}}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_client_loads_what_a_url_needs_once_it_is_given() -> None:
    code = (
        "import sys, serving.client; later = {'httpx', 'grpc', 'google.protobuf', 'asyncio', "
        "'serving.server'}; sys.exit(', '.join(later & set(sys.modules)) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_importing_the_client_takes_less_than_a_third_of_a_second() -> None:
    code = (
        "import time; start = time.process_time(); import serving.client; "
        "print(time.process_time() - start)"
    )
    command = [sys.executable, "-c", code]
    seconds = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(seconds) < 0.3
