"""Model configurations in TensorFlow Serving's form, from a file or a reload request."""

from pathlib import Path

from tensorflow_serving.config import model_server_config_pb2

from serving.server.models.config import (
    TENSORFLOW,
    All,
    Latest,
    ModelConfig,
    Policy,
    Specific,
    check_configs,
)
from serving.server.settings.text_files import read_text_file
from serving.server.status import ServingError, invalid_argument
from transforms.errors import ConfigError


def read_config_file(path: Path) -> tuple[ModelConfig, ...]:
    """Reads a `models.config` file.

    Args:
        path: a text-format tensorflow.serving.ModelServerConfig with a model_config_list.

    Raises:
        InputError: if there is no such file.
        ConfigError: if it is no such text, names no model, or models that cannot be served
            together.
    """
    config = read_text_file(path, model_server_config_pb2.ModelServerConfig())
    if config.WhichOneof("config") != "model_config_list":
        raise ConfigError(f"{path}: must hold a model_config_list")
    try:
        configs = read_configs(config.model_config_list)
        check_configs(configs)
    except ServingError as error:
        raise ConfigError(f"{path}: {error.message}") from None
    if not configs:
        raise ConfigError(f"{path}: model_config_list must name at least one model")
    return configs


def read_configs(models: model_server_config_pb2.ModelConfigList) -> tuple[ModelConfig, ...]:
    """The models of a list.

    Raises:
        ServingError: INVALID_ARGUMENT if a model's platform is given in two ways.
    """
    return tuple(
        ModelConfig(
            name=model.name,
            base_path=Path(model.base_path),
            policy=_read_policy(model),
            labels=dict(model.version_labels),
            platform=_read_platform(model),
        )
        for model in models.config
    )


def _read_policy(model: model_server_config_pb2.ModelConfig) -> Policy:
    policy = model.model_version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return All()
        case "specific":
            return Specific(frozenset(policy.specific.versions))
    return Latest(policy.latest.num_versions or 1)


def _read_platform(model: model_server_config_pb2.ModelConfig) -> str:
    """The platform, also from the field that held it before."""
    platform: str = model.model_platform
    match model.model_type:
        case model_server_config_pb2.MODEL_TYPE_UNSPECIFIED:
            return platform
        case _ if platform:
            raise invalid_argument(
                "Illegal setting both ModelServerConfig::model_type (deprecated) and "
                f"ModelServerConfig::model_platform, model name is {model.name}"
            )
        case model_server_config_pb2.TENSORFLOW:
            return TENSORFLOW
    raise invalid_argument(
        f"ModelServerConfig::model_type choice {model.model_type} not supported."
    )
