"""What a YAML must keep to for Kubeflow Pipelines or Vertex AI to be able to run it."""

from pipeline.config import RankerConfig
from pipeline.kubeflow.options import Kubeflow, Target
from trainer.config import ROLES, Role
from trainer.strategies.options import ClusterSection, TpuOptions
from transforms.errors import ConfigError

REMOTE_RUNNERS = ("dataflow", "flink", "spark")
"""Of Beam: those whose workers are elsewhere than the container that gives them their work."""

# Folders that the launcher of Kubeflow Pipelines has in every container; they end with it.
_SCRATCH = ("/gcs/", "/s3/", "/minio/", "/tmp/")
_VERTEX_MOUNT = "/gcs/"


def check_rules(config: RankerConfig, target: Target) -> Kubeflow:
    """The section, if the pipeline can run on the target.

    Args:
        config: the whole YAML.
        target: `kubeflow` or `vertex`.

    Raises:
        ConfigError: if the target cannot run it, with the rule and the value.
    """
    section = config.kubeflow
    if section is None:
        raise ConfigError("kubeflow: must be in the YAML, with image, pipeline_root and workspace")
    if target == "vertex":
        _check_vertex(section)
    else:
        _check_kubernetes(section)
    if config.beam.runner in REMOTE_RUNNERS:
        _check_remote_beam(config, section)
    for role in ROLES:
        _check_training(config, section, role)
    if config.training.base is not None and config.logs.spans is None:
        raise ConfigError(
            "training.base: needs `logs.spans` on Kubeflow and Vertex AI, where the bases of "
            f"blessed models are kept by day. Received: {config.training.base!r} without it"
        )
    return section


def check_names(section: Kubeflow, components: list[str]) -> None:
    """Refuses resources and caching of components that the pipeline has not.

    Raises:
        ConfigError: naming those that there are.
    """
    for field, names in (("resources", section.resources), ("uncached", section.uncached)):
        for name in names:
            if name not in components and (field, name) != ("resources", "default"):
                raise ConfigError(
                    f"kubeflow.{field}: must name components. Received: {name!r}, there are "
                    f"{components}"
                )


def _check_vertex(section: Kubeflow) -> None:
    if not section.pipeline_root.startswith("gs://"):
        raise ConfigError(
            "kubeflow.pipeline_root: must be gs:// on Vertex AI. "
            f"Received: {section.pipeline_root!r}"
        )
    if not section.workspace.startswith(_VERTEX_MOUNT):
        raise ConfigError(
            "kubeflow.workspace: must be below /gcs/ on Vertex AI, which has buckets there. "
            f"Received: {section.workspace!r}"
        )
    if section.claim is not None:
        raise ConfigError(
            f"kubeflow.claim: there are no claims on Vertex AI. Received: {section.claim!r}"
        )
    for name, resources in section.resources.items():
        if resources.node_selector:
            raise ConfigError(
                f"kubeflow.resources.{name}.node_selector: there are no nodes to select on Vertex "
                f"AI. Received: {resources.node_selector}"
            )


def _check_kubernetes(section: Kubeflow) -> None:
    if section.claim is None:
        raise ConfigError(
            "kubeflow.claim: must name a PersistentVolumeClaim, which is mounted at `workspace`; "
            "nothing would be kept from one component to the next without it"
        )
    if f"{section.workspace}/".startswith(_SCRATCH):
        raise ConfigError(
            f"kubeflow.workspace: must not be below {', '.join(_SCRATCH)}, which containers use "
            f"otherwise. Received: {section.workspace!r}"
        )


def _check_remote_beam(config: RankerConfig, section: Kubeflow) -> None:
    if not section.pipeline_root.startswith("gs://"):
        raise ConfigError(
            "kubeflow.pipeline_root: must be gs:// where Beam runs on other machines, which read "
            f"and write artifacts by their URIs. Received: {section.pipeline_root!r} with "
            f"beam.runner={config.beam.runner}"
        )


def _check_training(config: RankerConfig, section: Kubeflow, role: Role) -> None:
    component = f"{role.title()}Trainer"
    strategy = config.trainer_config(role).training.strategy
    accelerator = section.resources_of(component).accelerator
    has_tpu = accelerator is not None and accelerator.is_tpu
    if has_tpu != (isinstance(strategy, TpuOptions) and strategy.address == "local"):
        raise ConfigError(
            f"kubeflow.resources.{component}.accelerator: a TPU, and training.strategy `tpu` with "
            f"`address: local`, need each other. Received: "
            f"{accelerator.type if accelerator else None} and {strategy.kind}"
        )
    if isinstance(strategy, ClusterSection) and strategy.workers is None:
        raise ConfigError(
            f"training.strategy: {strategy.kind} needs `workers`, for a component is one "
            "container, and its processes run in that. Received: none"
        )
