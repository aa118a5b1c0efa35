"""What is written of an artefact: its weights, and a file beside them that says what they are; `saved` reads them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from isotropy import encoders
from isotropy.errors import UserError
from isotropy.io.atomic import write_atomically
from isotropy.representation.card import card as model_card
from isotropy.representation.files import CONFIG, FORMAT, MODEL, TENSORS, write_weights, writing
from isotropy.representation.saved import FILES

if TYPE_CHECKING:
    from isotropy.representation.representation import Representation


def save(made: "Representation", folder: Path) -> None:
    """Write the weights, a file a part, and model.json into a folder; raises OSError where the disk is full."""
    checksums = save_weights(made, folder)
    files = {part: {"file": name, "sha256": checksums[name]} for part, name in FILES.items() if name in checksums}
    write_atomically(folder / MODEL, _json(about(made, files)))


def save_weights(made: "Representation", folder: Path) -> dict[str, str]:
    """Write the weights alone into a folder and return their checksums by file; raises what `save` raises."""
    named = {FILES[part]: network for part, network in _networks(made).items()}
    return {name: write_weights({"": network}, folder / name) for name, network in named.items()}


def save_pretrained(made: "Representation", folder: Path, card: str) -> None:
    """Write config.json, all weights in one file, and the model card; see `Representation.save_pretrained`."""
    if encoders.spec(made.encoder)["name"] == "custom":
        raise UserError(
            "save_pretrained: the encoder is a network of your own that cannot be imported by name: define its "
            "class at the top of a module"
        )
    networks = {f"{part}.": network for part, network in _networks(made).items()}
    with writing(folder) as place:
        digest = write_weights(networks, place / TENSORS)
        said = about(made, {part[:-1]: {"file": TENSORS, "sha256": digest, "before": part} for part in networks})
        write_atomically(place / "README.md", (card or model_card(said, name=folder.name)).encode())
        write_atomically(place / CONFIG, _json(said))


def about(made: "Representation", files: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return what a file beside the weights says, given where each part's weights are."""
    said: dict[str, Any] = {
        "format": FORMAT,
        "method": made.method,
        "modality": made.modality,
        "encoder": {**encoders.spec(made.encoder), "width": made.encoder.width},
        "preprocess": made.preprocess.to_json(),
        "chunk": made.chunk,
        "scores": made.scores,
        "made_with": made.made_with,
        "weights": files.get("encoder", {}),
    }
    if made.coder is not None:
        said["coder"] = {**made.coder.spec(), **files.get("coder", {})}
    return said | {"embedding": {**made.embedding.spec(), **files.get("embedding", {})}}


def _networks(made: "Representation") -> dict[str, nn.Module]:
    """Return the networks that are saved, by the part of the artefact."""
    networks: dict[str, nn.Module] = {"encoder": made.encoder, "embedding": made.embedding}
    return networks if made.coder is None else networks | {"coder": made.coder}


def _json(said: dict[str, Any]) -> bytes:
    return json.dumps(said, indent=1, allow_nan=False).encode()
