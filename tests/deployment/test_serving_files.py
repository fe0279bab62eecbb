"""The ready files for a server are read, and mean what their comments say."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from serving.server import BatchingParameters, Latest, ServerOptions
from serving.server.options import METRICS_PATH
from serving.server.settings.batching import read_batching_file
from serving.server.settings.messages import make_message
from serving.server.settings.model_configs import read_config_file
from serving.server.settings.monitoring import read_monitoring_file
from serving.server.settings.ssl import read_ssl_file
from serving.server.settings.text_files import read_text_file

FOLDER = Path(__file__).resolve().parents[2] / "deployment" / "serving"


def test_the_models_are_served(tmp_path: Path) -> None:
    (config,) = ServerOptions(models=read_config_file(FOLDER / "models.config")).configs()
    assert (config.name, config.base_path) == ("ranker", Path("/models/ranker"))
    assert (config.policy, config.labels) == (Latest(2), {})
    labelled = re.sub(r"#   version", "version", (FOLDER / "models.config").read_text())
    (tmp_path / "labelled").write_text(labelled)
    (config,) = read_config_file(tmp_path / "labelled")
    assert config.labels == {"stable": 1, "canary": 2}


def test_the_batches_are_bounded() -> None:
    assert read_batching_file(FOLDER / "batching_parameters.txt") == BatchingParameters(
        max_batch_size=256, batch_timeout_micros=1000, max_enqueued_batches=64, num_batch_threads=4
    )


def test_the_metrics_are_where_tensorflow_serving_has_them() -> None:
    assert read_monitoring_file(FOLDER / "monitoring.config") == METRICS_PATH


def test_the_form_of_a_certificate_is_right() -> None:
    message: Any = read_text_file(FOLDER / "ssl.config", make_message("SSLConfig"))
    assert message.server_key.splitlines()[0] == "-----BEGIN PRIVATE KEY-----"
    assert message.server_cert.endswith("\n-----END CERTIFICATE-----\n")


@pytest.mark.parametrize("verify", [False, True])
def test_the_commands_in_it_write_a_usable_one(tmp_path: Path, verify: bool) -> None:
    make = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 1 "
        "-subj /CN=test -keyout key.pem -out certificate.pem"
    )
    subprocess.run(make.split(), cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "authority.pem").write_bytes((tmp_path / "certificate.pem").read_bytes())
    comments = re.findall(r"(?m)^#   ((?:quote|\{|chmod).*)$", (FOLDER / "ssl.config").read_text())
    script = "\n".join(comments if verify else comments[:3])
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, check=True)
    tls = read_ssl_file(tmp_path / "ssl.config")
    assert tls.key == (tmp_path / "key.pem").read_bytes()
    assert tls.client_verify == verify
    assert (tmp_path / "ssl.config").stat().st_mode & 0o777 == 0o600
