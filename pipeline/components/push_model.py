"""PushModel: TFX's Pusher, but a version appears all at once, and never goes back in time."""

import logging
import shutil
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.pusher import executor as pusher
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.utils import json_utils, proto_utils

from pipeline.served.seal import read_seal
from pipeline.served.versions import last_span, newest_version, push_version
from transforms.spans.files import describe

_LOG = logging.getLogger("gaterank.push")


class Executor(pusher.Executor):
    """Copies beside the served folder first, then renames.

    A copy into the served folder itself, cut short, would leave half a version there. The
    version is one more than the highest that is there, so that it always grows. A model of an
    older span than that one's is not pushed: an old day that is run again, because late data came,
    must not take the place of a later day's model.
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
        last, served_last = last_span(model), last_span(newest_version(served))
        if last is not None and served_last is not None and last < served_last:
            days = describe(last), describe(served_last)
            _LOG.warning("not pushed: it has seen days to %s, what is served to %s", *days)
            self._MarkNotPushed(pushed)
            return
        shutil.copytree(model, pushed.uri, dirs_exist_ok=True)
        seal = read_seal(json_utils.loads(exec_properties.get("custom_config") or "null"))
        # Last: whatever fails before leaves nothing that a server could take up.
        version = push_version(model, served, seal)
        self._MarkPushed(pushed, pushed_destination=str(version), pushed_version=version.name)
