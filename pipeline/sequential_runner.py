"""TFX's local orchestrator, but one that says how far it is."""

import time
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler.constants import PIPELINE_RUN_ID_PARAMETER_NAME
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils, tfx_runner
from tfx.proto.orchestration import pipeline_pb2

from pipeline.leftovers import remove_leftovers
from pipeline.progress import Say
from transforms.errors import InputError


class SequentialRunner(tfx_runner.IrBasedRunner):
    """Launches the components one after the other, in their topological order.

    Does what TFX's LocalDagRunner does; that one tells nobody which component runs, nor which
    was taken from the cache.

    Args:
        say: prints a line.
        run_id: names the run in ML Metadata.
        only: the component to launch; by default all. What comes before it must have ended in a
            run of the same name; one that has ended there itself does nothing.
    """

    def __init__(self, say: Say, run_id: str, only: str | None = None) -> None:
        super().__init__()
        self._say = say
        self._run_id = run_id
        self._only = only

    def run_with_ir(
        self, pipeline: pipeline_pb2.Pipeline, run_options: Any = None, **kwargs: Any
    ) -> None:
        """Runs a compiled pipeline; an error of a component ends it.

        Raises:
            InputError: if it has no component `only`.
        """
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {PIPELINE_RUN_ID_PARAMETER_NAME: self._run_id}
        )
        nodes = [node.pipeline_node for node in pipeline.nodes]
        names = [node.node_info.id for node in nodes]
        if self._only is not None and self._only not in names:
            raise InputError(f"the component must be one of {names}. Received: {self._only!r}")
        for count, node in enumerate(nodes, start=1):
            if self._only not in (None, node.node_info.id):
                continue
            place = f"[{count}/{len(nodes)}] {node.node_info.id}"
            self._say(f"{place} ...")
            started = time.monotonic()
            executed = self._launch(pipeline, node)
            took = f"{time.monotonic() - started:.1f} s" if executed else "unchanged"
            self._say(f"{place}: {took}")

    def _launch(self, pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode) -> bool:
        """Whether the component ran, and was not taken from the cache."""
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        connection = deployment.metadata_connection_config
        store = metadata.Metadata(getattr(connection, connection.WhichOneof("connection_config")))
        node_id = node.node_info.id
        with store as opened:
            root = Path(pipeline.runtime_spec.pipeline_root.field_value.string_value)
            remove_leftovers(opened.store, root, pipeline.pipeline_info.id, self._run_id, node_id)
        info = launcher.Launcher(
            pipeline_node=node,
            mlmd_connection=store,
            pipeline_info=pipeline.pipeline_info,
            pipeline_runtime_spec=pipeline.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, node_id),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
        ).launch()
        with store as opened:
            (execution,) = opened.store.get_executions_by_id([info.execution_id])
        # A resolver that fails does not raise, and what comes after it would go on without.
        if execution.last_known_state == metadata_store_pb2.Execution.FAILED:
            raise RuntimeError(f"{node_id} has failed; the log says why")
        return bool(execution.last_known_state != metadata_store_pb2.Execution.CACHED)
