"""Compiles the pipeline to KFP's v2 spec, which Kubeflow Pipelines and Vertex AI both run."""

from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as kfp
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.orchestration.data_types import PipelineInfo, RuntimeParameter
from tfx.orchestration.kubeflow.v2 import pipeline_builder
from tfx.orchestration.pipeline import Pipeline

from pipeline.config import RankerConfig
from pipeline.create_pipeline import create_pipeline
from pipeline.kubeflow.check import check_documents
from pipeline.kubeflow.edits import edit_container, mend_values, set_defaults, set_tasks
from pipeline.kubeflow.options import Kubeflow, Target
from pipeline.kubeflow.paths import to_uri
from pipeline.kubeflow.rules import REMOTE_RUNNERS, check_names, check_rules
from pipeline.places import SPANS, Places
from pipeline.stand_ins import SPAN_PARAMETER, make_stand_ins
from transforms.beam import Beam
from transforms.engine import make_tfx_args

_SCHEMA_VERSION = "2.1.0"
_LOGS_PARAMETER = "logs"
# What looks outside is never taken from a cache; what it finds decides what else is.
_UNCACHED = ("FindInputs",)
# Of those that run on Beam the only one that reads and writes by paths alone.
_IN_ITS_POD = ("BulkInferrer",)

Document = dict[str, Any]


def kubeflow_documents(
    config: RankerConfig, target: Target, logs: str | None = None
) -> list[Document]:
    """The pipeline's spec; for Kubernetes, if it needs one, after it that of the platform.

    Args:
        config: the whole YAML.
        target: `kubeflow` or `vertex`.
        logs: folder of the log files, or its URI, of runs that name no other; None for the YAML's
            `logs.path`, or for runs that must name one.

    Returns:
        Documents that have been held against KFP's schema.

    Raises:
        ConfigError: if the target cannot run the pipeline.
    """
    section = check_rules(config, target)
    pipeline = _make_pipeline(config, section)
    nodes = {node.id: node for node in pipeline.components}
    check_names(section, list(nodes))
    spec = pipeline_builder.PipelineBuilder(
        pipeline, default_image=section.image, use_pipeline_spec_2_1=True
    ).build()
    spec.schema_version = _SCHEMA_VERSION
    spec.default_pipeline_root = section.pipeline_root
    mend_values(spec)
    set_defaults(spec, {SPAN_PARAMETER: "", _LOGS_PARAMETER: logs or config.logs.path})
    set_tasks(spec, section, config.schedule, _UNCACHED)
    _edit_containers(spec, config, target, nodes)
    documents = [json_format.MessageToDict(spec)]
    if target == "kubeflow":
        documents.append(_platform(spec, section))
    check_documents(documents)
    return documents


def write_documents(documents: list[Document]) -> str:
    """YAML as `kfp` and Vertex AI's client read it."""
    return yaml.safe_dump_all(documents, sort_keys=True, width=100)


def _make_pipeline(config: RankerConfig, section: Kubeflow) -> Pipeline:
    logs = RuntimeParameter(name=_LOGS_PARAMETER, ptype=str)
    places = _places(config, section, logs)
    pipeline = create_pipeline(config, places, [], stand_ins=make_stand_ins(config, places))
    # KFP knows no capitals and no underscores.
    name = config.name.lower().replace("_", "-").strip("-")
    pipeline.pipeline_info = PipelineInfo(name, section.pipeline_root)
    return pipeline


def _places(config: RankerConfig, section: Kubeflow, logs: RuntimeParameter) -> Places:
    places = Places.below(Path(section.workspace), config.name, logs)
    if not _is_remote(config.beam):
        return places
    # Beam's workers write the spans, and have no bucket at /gcs.
    store = f"{to_uri(section.workspace)}/{SPANS}/{config.name}"
    return Places(**{**vars(places), "spans": store})


def _edit_containers(
    spec: kfp.PipelineSpec, config: RankerConfig, target: Target, nodes: dict[str, BaseNode]
) -> None:
    assert config.kubeflow is not None
    deployment = json_format.ParseDict(
        json_format.MessageToDict(spec.deployment_spec), kfp.PipelineDeploymentConfig()
    )
    for name, component in spec.components.items():
        container = deployment.executors[component.executor_label].container
        edit_container(container, component, config.kubeflow, name)
        on_beam = isinstance(nodes[name].executor_spec, BeamExecutorSpec)
        is_remote = _is_remote(config.beam) and on_beam and name not in _IN_ITS_POD
        if is_remote:
            container.args.append("--artifacts=uris")
        elif target == "vertex":
            container.args.append("--artifacts=copies")
        if on_beam:
            container.args.extend(
                make_tfx_args(Beam() if _is_remote(config.beam) != is_remote else config.beam)
            )
    spec.deployment_spec.Clear()
    spec.deployment_spec.update(json_format.MessageToDict(deployment))


def _is_remote(beam: Beam) -> bool:
    return beam.runner in REMOTE_RUNNERS


def _platform(spec: kfp.PipelineSpec, section: Kubeflow) -> Document:
    """The workspace's volume and the nodes, as the package kfp-kubernetes writes them."""
    claim = {"runtimeValue": {"constant": section.claim}}
    executors: Document = {}
    for name, component in spec.components.items():
        mount = {"mountPath": section.workspace, "constant": section.claim}
        one: Document = {"pvcMount": [{**mount, "pvcNameParameter": claim}]}
        selector = section.resources_of(name).node_selector
        if selector:
            one["nodeSelector"] = {"labels": dict(selector)}
        executors[component.executor_label] = one
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}
