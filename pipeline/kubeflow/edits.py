"""What TFX's compiler leaves out of a pipeline's spec, or gets wrong, put in."""

from collections.abc import Collection

from google.protobuf import json_format
from kfp.compiler.compiler_utils import _cpu_to_float, _memory_to_float
from kfp.pipeline_spec import pipeline_spec_pb2 as kfp

from pipeline.kubeflow.options import Kubeflow, Resources
from pipeline.schedule import Schedule

_INPUTS_ARGUMENT = "--json_serialized_inputs_spec_args"
# TFX names the producer of a value so, and the task without it.
_TASK = "_task"


def mend_values(spec: kfp.PipelineSpec) -> None:
    """Lets what one component gives another as a parameter have the producer's name and type."""
    for name, task in spec.root.dag.tasks.items():
        inputs = spec.components[name].input_definitions.parameters
        for parameter, source in task.inputs.parameters.items():
            if source.HasField("task_output_parameter"):
                producer = source.task_output_parameter
                producer.producer_task = producer.producer_task.removesuffix(_TASK)
                outputs = spec.components[producer.producer_task].output_definitions.parameters
                kind = outputs[producer.output_parameter_key].parameter_type
                inputs[parameter].parameter_type = kind


def set_defaults(spec: kfp.PipelineSpec, values: dict[str, str | None]) -> None:
    """Gives the parameters of a run their values where none are given.

    Args:
        spec: changed in place.
        values: name -> value; None for a parameter that must be given.
    """
    for name, value in values.items():
        parameter = spec.root.input_definitions.parameters[name]
        if value is not None:
            parameter.default_value.string_value = value
            parameter.is_optional = True


def set_tasks(
    spec: kfp.PipelineSpec, section: Kubeflow, schedule: Schedule | None, uncached: Collection[str]
) -> None:
    """Sets what is taken from the cache, and what is tried again.

    Args:
        spec: changed in place.
        section: of the YAML.
        schedule: whose retries they are; null for none.
        uncached: components that are not, beside the section's.
    """
    for name, task in spec.root.dag.tasks.items():
        is_cached = section.caching and name not in (*uncached, *section.uncached)
        task.caching_options.enable_cache = is_cached
        if schedule is not None and schedule.retries:
            task.retry_policy.max_retry_count = schedule.retries
            task.retry_policy.backoff_duration.FromTimedelta(schedule.retry_delay)
            task.retry_policy.backoff_factor = 2.0


def edit_container(
    container: kfp.PipelineDeploymentConfig.PipelineContainerSpec,
    component: kfp.ComponentSpec,
    section: Kubeflow,
    name: str,
) -> None:
    """Sets image, command and resources of a component's container.

    Args:
        container: changed in place.
        component: whose inputs TFX's entry point is told, as they are now.
        section: of the YAML.
        name: of the component.
    """
    resources = section.resources_of(name)
    container.image = resources.image or section.image
    container.command[:] = [section.python, "-m", "pipeline.kubeflow.entrypoint"]
    place = list(container.args).index(_INPUTS_ARGUMENT) + 1
    container.args[place] = json_format.MessageToJson(
        component.input_definitions, sort_keys=True, indent=None
    )
    _set_resources(container.resources, resources)


def _set_resources(
    spec: kfp.PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec, resources: Resources
) -> None:
    """In the old fields and in the new ones, as KFP's own compiler does: backends read either."""
    if resources.cpu is not None:
        spec.cpu_limit = spec.cpu_request = _cpu_to_float(resources.cpu)
        spec.resource_cpu_limit = spec.resource_cpu_request = resources.cpu
    if resources.memory is not None:
        spec.memory_limit = spec.memory_request = _memory_to_float(resources.memory)
        spec.resource_memory_limit = spec.resource_memory_request = resources.memory
    if resources.accelerator is not None:
        spec.accelerator.type = spec.accelerator.resource_type = resources.accelerator.type
        spec.accelerator.count = resources.accelerator.count
        spec.accelerator.resource_count = str(resources.accelerator.count)
