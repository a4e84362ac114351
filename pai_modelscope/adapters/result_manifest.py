"""A folder of what was trained alone, which names the model beside which it is used.

Its `configuration.json` is a model's with two more entries: `base_model`, a folder, a name of the zoo or a hub id; and
`adapters`, the files beside it: {"loras": {"ink.safetensors": 1.0}, "embeddings": ["learned_embeds.safetensors"],
"controlnets": {"canny": "controlnet"}}. So a result of any method opens as a model does.
"""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pai_modelscope.errors import UserError
from pai_modelscope.untrusted import inside
from pai_modelscope.zoo.folders import CONFIGURATION, configure, json_if_readable


@dataclass
class Tuned:
    """`loras`: files and their weights; `embeddings`: files; `controlnets`: what each reads, and its folder."""

    base_model: str
    loras: dict[str, float] = field(default_factory=dict)
    embeddings: list[str] = field(default_factory=list)
    controlnets: dict[str, str] = field(default_factory=dict)


def write_tuned(folder: Path, tuned: Tuned) -> None:
    """Write the folder's configuration.json; all files lie in the folder and are named relative to it."""
    adapters = {name: value for name, value in asdict(tuned).items() if name != "base_model" and value}
    configure(folder, base_model=tuned.base_model, adapters=adapters)


def read_tuned(folder: Path) -> Tuned | None:
    """Read what `write_tuned` wrote into a folder, its files as whole paths; None for every other folder.

    Raises `UserError` for files that are missing or lie outside of the folder.
    """
    content: Any = json_if_readable(folder / CONFIGURATION)  # of any form: what is no manifest is no result
    if (folder / "model_index.json").exists() or content is None:
        return None
    try:
        base, adapters = str(content["base_model"]), dict(content["adapters"])
        tuned = Tuned(base, **adapters)
        loras = {str(file): float(weight) for file, weight in tuned.loras.items()}
        embeddings, controlnets = list(map(str, tuned.embeddings)), dict(tuned.controlnets)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None
    if not all(map(math.isfinite, loras.values())):
        raise UserError(f"{folder / CONFIGURATION} names a weight that is no finite number; copy the folder again.")
    return Tuned(
        base,
        {result_file(folder, file): weight for file, weight in loras.items()},
        [result_file(folder, file) for file in embeddings],
        {kind: result_file(folder, str(net)) for kind, net in controlnets.items()},
    )


def lineage(folder: Path) -> str | None:
    """The name of the model that this one was trained from, where its configuration.json says so."""
    base = (json_if_readable(folder / CONFIGURATION) or {}).get("base_model")
    return base if isinstance(base, str) and base else None


def result_file(folder: Path, name: str) -> str:
    """Give the whole path of a file that the folder's configuration.json names.

    In Hugging Face's cache it is a link to a file of the same model. Raises `UserError` for one that is missing, or
    lies outside of the folder.
    """
    home = folder.parents[1] if folder.parent.name == "snapshots" else folder
    try:
        path = inside(folder, name, links=True)
        if not path.resolve().is_relative_to(home.resolve()) or not path.exists():
            raise UserError
    except (UserError, OSError, RuntimeError):
        source = folder / CONFIGURATION
        raise UserError(
            f"{source} names {name[:200]!r}, which is not in that folder; copy the whole folder again."
        ) from None
    return str(path)
