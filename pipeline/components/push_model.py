"""PushModel: TFX's Pusher, but a version appears in the served folder all at once."""

import shutil
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.pusher import executor as pusher
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.utils import proto_utils


class Executor(pusher.Executor):
    """Copies beside the served folder first, then renames.

    A copy into the served folder itself, cut short, would leave half a version there. The
    version is one more than the highest that is there, so that it always grows.
    """

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model if it is blessed, and says so in the artifact."""
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties["push_destination"], destination)
        served = Path(destination.filesystem.base_directory)
        model = Path(self.GetModelPath(input_dict))
        shutil.copytree(model, pushed.uri, dirs_exist_ok=True)
        # Last: whatever fails before leaves nothing that a server could take up.
        version = push_version(model, served)
        self._MarkPushed(pushed, pushed_destination=str(version), pushed_version=version.name)


def push_version(model: Path, served: Path) -> Path:
    """Copies a SavedModel into the served folder as its next version, atomically.

    What a push that was killed left there is invisible to a server, and replaced.

    Args:
        model: the SavedModel.
        served: the folder that a server watches.

    Returns:
        The version's folder.
    """
    served.mkdir(parents=True, exist_ok=True)
    versions = [int(path.name) for path in served.iterdir() if path.name.isdecimal()]
    # A server ignores names that are no numbers: the copy is invisible until its rename.
    incoming = served / ".incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    try:
        shutil.copytree(model, incoming)
        return incoming.rename(served / str(max(versions, default=0) + 1))
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise
