"""Holds a compiled spec against KFP's schema, and its parts against each other.

The schema alone lets a task through whose producer is not there; a backend finds that out at run
time, after hours.
"""

from typing import Any

import yaml
from google.protobuf import json_format
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2 as kfp


class BrokenSpecError(Exception):
    """The compiler has made a spec that cannot run; the YAML cannot mend that."""


def check_documents(documents: list[dict[str, Any]]) -> None:
    """Checks a spec, and that of the platform after it, if there is one.

    Args:
        documents: as `kubeflow_documents` makes them.

    Raises:
        BrokenSpecError: with the place and the rule.
    """
    try:
        spec = json_format.ParseDict(documents[0], kfp.PipelineSpec())
        deployment = json_format.ParseDict(
            documents[0]["deploymentSpec"], kfp.PipelineDeploymentConfig()
        )
        for document in documents[1:]:
            platform = json_format.ParseDict(document, kfp.PlatformSpec())
            _check_platform(platform, deployment)
        # As `kfp` itself reads a pipeline that is to be submitted.
        components.load_component_from_text(yaml.safe_dump_all(documents))
    except (json_format.ParseError, LookupError, TypeError, ValueError) as error:
        raise BrokenSpecError(f"must be a spec of KFP: {error}") from error
    for name, task in spec.root.dag.tasks.items():
        component = spec.components.get(task.component_ref.name)
        if component is None or component.executor_label not in deployment.executors:
            raise BrokenSpecError(f"{name}: must have a component and an executor")
    for name, task in spec.root.dag.tasks.items():
        _check_task(name, task, spec)


def _check_task(name: str, task: kfp.PipelineTaskSpec, spec: kfp.PipelineSpec) -> None:
    component, tasks = spec.components[task.component_ref.name], spec.root.dag.tasks
    for other in task.dependent_tasks:
        if other not in tasks:
            raise BrokenSpecError(f"{name}: must wait for tasks. Received: {other!r}")
    for key, source in task.inputs.artifacts.items():
        made = source.task_output_artifact
        _check_producer(name, task, made.producer_task)
        outputs = spec.components[tasks[made.producer_task].component_ref.name].output_definitions
        wanted = component.input_definitions.artifacts[key].artifact_type
        if outputs.artifacts[made.output_artifact_key].artifact_type != wanted:
            raise BrokenSpecError(f"{name}.{key}: must be an output of the same type")
    for key in task.inputs.parameters:
        _check_parameter(name, key, task, spec)
    missing = {
        key
        for key, parameter in component.input_definitions.parameters.items()
        if key not in task.inputs.parameters and not parameter.is_optional
    }
    if missing:
        raise BrokenSpecError(f"{name}: must be given {sorted(missing)}")


def _check_parameter(
    name: str, key: str, task: kfp.PipelineTaskSpec, spec: kfp.PipelineSpec
) -> None:
    source = task.inputs.parameters[key]
    wanted = spec.components[task.component_ref.name].input_definitions.parameters[key]
    if source.HasField("task_output_parameter"):
        made = source.task_output_parameter
        _check_producer(name, task, made.producer_task)
        outputs = spec.components[spec.root.dag.tasks[made.producer_task].component_ref.name]
        given = outputs.output_definitions.parameters[made.output_parameter_key].parameter_type
    elif source.HasField("component_input_parameter"):
        inputs = spec.root.input_definitions.parameters
        given = inputs[source.component_input_parameter].parameter_type
    else:
        return
    if given != wanted.parameter_type:
        raise BrokenSpecError(f"{name}.{key}: must be given a value of its type")


def _check_producer(name: str, task: kfp.PipelineTaskSpec, producer: str) -> None:
    if producer not in task.dependent_tasks:
        raise BrokenSpecError(f"{name}: must wait for what it reads from. Received: {producer!r}")


def _check_platform(platform: kfp.PlatformSpec, deployment: kfp.PipelineDeploymentConfig) -> None:
    executors = platform.platforms["kubernetes"].deployment_spec.executors
    unknown = set(executors) - set(deployment.executors)
    if unknown:
        raise BrokenSpecError(f"the platform must know no executor but the spec's: {unknown}")
