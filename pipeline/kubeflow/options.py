"""The `kubeflow` section: where the components run, with what, and where they keep things."""

from typing import Annotated, Literal

from pydantic import Field

from transforms.section import Section

Target = Literal["kubeflow", "vertex"]

_IMAGE = r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,499}$"
_LABEL = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,252}$"
_BUCKET = r"^(gs|s3|minio)://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._=-]+)*$"
_FOLDER = r"^(/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)+$"

Image = Annotated[str, Field(pattern=_IMAGE)]
Label = Annotated[str, Field(pattern=_LABEL)]
ComponentName = Annotated[str, Field(pattern=r"^[A-Za-z]{1,64}$")]


class Accelerator(Section):
    """GPUs or TPU cores of a container.

    Attributes:
        type: Kubernetes' name of the resource, such as `nvidia.com/gpu` or `google.com/tpu`; on
            Vertex AI its own, such as `NVIDIA_TESLA_T4` or `TPU_V3`.
        count: how many.
    """

    type: Label
    count: int = Field(1, ge=1, le=4096)

    @property
    def is_tpu(self) -> bool:
        """Whether it is a TPU, by its name."""
        return "tpu" in self.type.lower()


class Resources(Section):
    """What the container of a component has.

    Attributes:
        cpu: cores, such as `4` or `500m`, asked for and not exceeded; null leaves it open.
        memory: such as `16Gi`, alike.
        accelerator: null for none.
        image: in place of the section's, such as the one with CUDA.
        node_selector: labels that a node must have, for Kubernetes only.
    """

    cpu: str | None = Field(None, pattern=r"^([0-9]+(\.[0-9]+)?|[0-9]+m)$", max_length=20)
    memory: str | None = Field(None, pattern=r"^[0-9]+([EPTGMK]i?)?$", max_length=20)
    accelerator: Accelerator | None = None
    image: Image | None = None
    node_selector: dict[Label, Annotated[str, Field(max_length=63)]] = Field({}, max_length=20)


class Kubeflow(Section):
    """How Kubeflow Pipelines or Vertex AI run the pipeline; no result depends on it.

    Attributes:
        image: of every component, `deployment/images/train.Dockerfile`.
        pipeline_root: URI below which each run's artifacts go.
        workspace: folder that every container sees, with what outlives a run: pushed versions,
            ingested days, checkpoints, bases. Kubernetes mounts `claim` there; on Vertex AI it
            is `/gcs/BUCKET/...`.
        claim: PersistentVolumeClaim of the workspace, for Kubernetes only; ReadWriteMany, unless
            all components run on one node.
        resources: component -> its resources; `default` are those of all that are not named.
        caching: whether a component whose inputs did not change is not run again.
        uncached: components that are run again always.
        python: the Python of the image, which has gaterank.
    """

    image: Image
    pipeline_root: str = Field(pattern=_BUCKET, max_length=500)
    workspace: str = Field(pattern=_FOLDER, max_length=500)
    claim: str | None = Field(None, pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")
    resources: dict[ComponentName, Resources] = Field({}, max_length=100)
    caching: bool = True
    uncached: tuple[ComponentName, ...] = Field((), max_length=100)
    python: str = Field("/opt/gaterank/bin/python", pattern=_FOLDER, max_length=500)

    def resources_of(self, component: str) -> Resources:
        """What a component's container has."""
        return self.resources.get(component, self.resources.get("default", Resources()))
