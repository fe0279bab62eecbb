"""What a component that was killed left behind: TFX goes on writing into the same folders."""

import shutil
from pathlib import Path

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

_DONE = (metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED)


def remove_leftovers(
    store: metadata_store.MetadataStore, root: Path, pipeline: str, run_id: str, node: str
) -> None:
    """Empties the output folders of a component's earlier attempt in the same run.

    In a run of the same name TFX takes up the execution that is there, and with it its folders;
    what a killed process had half written there would be taken for the new attempt's.

    Args:
        store: of the metadata.
        root: folder of all artifacts.
        pipeline: the ranker.
        run_id: of the run.
        node: the component's name.
    """
    run = store.get_context_by_type_and_name("pipeline_run", run_id)
    component = store.get_context_by_type_and_name("node", f"{pipeline}.{node}")
    if run is None or component is None:
        return
    ours = {one.id for one in store.get_executions_by_context(run.id)}
    for execution in store.get_executions_by_context(component.id):
        if execution.id in ours and execution.last_known_state not in _DONE:
            for folder in (root / node).glob(f"*/{execution.id}"):
                shutil.rmtree(folder)
