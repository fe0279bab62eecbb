"""PushModel: TFX's Pusher, but a version appears all at once, and never goes back in time."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from tfx import types
from tfx.components.pusher import executor as pusher
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.utils import json_utils, proto_utils

from serving.bulk_scoring.scorer import history_path
from serving.manifest.keys import SigningKey
from serving.manifest.write import write_manifest
from transforms.rolling.window import SPANS_FILE
from transforms.small_files import read_small_file
from transforms.spans.files import describe

_LOG = logging.getLogger("gaterank.push")
_MAX_BYTES = 1 << 20


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


class Seal(NamedTuple):
    """What a push says of a model in its manifest.

    Attributes:
        ranker: whose model it is.
        key: signs the manifest; None leaves it unsigned.
    """

    ranker: str
    key: SigningKey | None = None

    def config(self) -> dict[str, str]:
        """For the component; of the key only where it is, and its public name."""
        if self.key is None:
            return {"ranker": self.ranker}
        return {"ranker": self.ranker, "signing_key": str(self.key.path), "key_id": self.key.id}


def read_seal(config: dict[str, str] | None) -> Seal | None:
    """What `Seal.config` wrote."""
    if config is None:
        return None
    if "signing_key" not in config:
        return Seal(config["ranker"])
    return Seal(config["ranker"], SigningKey(Path(config["signing_key"]), config["key_id"]))


def push_version(model: Path, served: Path, seal: Seal | None = None) -> Path:
    """Copies a SavedModel into the served folder as its next version, atomically.

    What a push that was killed left there is invisible to a server, and replaced.

    Args:
        model: the SavedModel.
        served: the folder that a server watches.
        seal: what its manifest says; None copies the model with the one that it has, if any.

    Returns:
        The version's folder.
    """
    served.mkdir(parents=True, exist_ok=True)
    newest = newest_version(served)
    # A server ignores names that are no numbers: the copy is invisible until its rename.
    incoming = served / ".incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    try:
        shutil.copytree(model, incoming)
        if seal is not None:
            write_manifest(model, incoming, seal.ranker, seal.key)
        return incoming.rename(served / str(int(newest.name) + 1 if newest else 1))
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise


def newest_version(served: Path) -> Path | None:
    """The highest version in the served folder, None if there is none."""
    if not served.is_dir():
        return None
    versions = [path for path in served.iterdir() if path.name.isdecimal()]
    return max(versions, key=lambda path: int(path.name), default=None)


def last_span(model: Path | None) -> int | None:
    """The last span that a packaged model was trained on; None if it knows none.

    Args:
        model: the SavedModel, if there is one.
    """
    path = history_path(model).parent / SPANS_FILE if model else None
    if path is None or not path.is_file():
        return None
    return max(int(one["span"]) for one in json.loads(read_small_file(path, _MAX_BYTES)))
