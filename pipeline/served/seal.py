"""What a push says of a model in its manifest."""

from pathlib import Path
from typing import NamedTuple

from serving.manifest.keys import SigningKey


class Seal(NamedTuple):
    """Whose model it is, and who says so.

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
