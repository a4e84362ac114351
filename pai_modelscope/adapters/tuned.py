"""A folder of what was trained alone, which names the model beside which it is used.

Its `configuration.json` is a model's with two more entries: `base_model`, a folder, a name of the zoo or a hub id; and
`adapters`, the files beside it: {"loras": {"ink.safetensors": 1.0}, "embeddings": ["learned_embeds.safetensors"],
"controlnets": {"canny": "controlnet"}}. So a result of any method opens as a model does.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path

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
    """The folder's configuration.json; all files lie in the folder and are named relative to it."""
    adapters = {name: value for name, value in asdict(tuned).items() if name != "base_model" and value}
    configure(folder, base_model=tuned.base_model, adapters=adapters)


def read_tuned(folder: Path) -> Tuned | None:
    """What a folder that `write_tuned` was called for says, its files as whole paths; None for every other folder.

    Raises `UserError` for files that are missing or lie outside of the folder.
    """
    content = json_if_readable(folder / CONFIGURATION)
    if (folder / "model_index.json").exists() or content is None:
        return None
    try:
        base, adapters = str(content["base_model"]), dict(content["adapters"])
        tuned = Tuned(base, **adapters)
        loras = {str(file): float(weight) for file, weight in tuned.loras.items()}
        embeddings, controlnets = list(map(str, tuned.embeddings)), dict(tuned.controlnets)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return Tuned(
        base,
        {_inside(folder, file): weight for file, weight in loras.items()},
        [_inside(folder, file) for file in embeddings],
        {kind: _inside(folder, str(net)) for kind, net in controlnets.items()},
    )


def lineage(folder: Path) -> str | None:
    """The name of the model that this one was trained from, where its configuration.json says so."""
    base = (json_if_readable(folder / CONFIGURATION) or {}).get("base_model")
    return base if isinstance(base, str) and base else None


def _inside(folder: Path, name: str) -> str:
    try:
        path = inside(folder, name)
        if path.exists():
            return str(path)
    except UserError:
        pass
    source = folder / CONFIGURATION
    raise UserError(f"{source} names {name[:200]!r}, which is not in that folder; copy the whole folder again.")
