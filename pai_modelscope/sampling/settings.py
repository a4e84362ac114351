"""What a `Sampler` is made with: arguments of the right types, and what its model's folder says."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from pai_modelscope.checkpoints.configs import own_loras
from pai_modelscope.config import GenerationOptions
from pai_modelscope.config.option import problem, short_repr
from pai_modelscope.errors import UserError
from pai_modelscope.model_layout import read_json
from pai_modelscope.sampling.upscale import upscaler_faults

# Files and numbers of one picture: those are the user's to name, not a folder's.
_OF_THE_USER = ("image", "mask", "control", "embeddings", "outpaint", "seed", "batch_pos", "output_type")


def own_settings(folder: Path) -> tuple[object, dict[str, object]]:
    """The sections "safety" and "generation"; None and {} where the folder says nothing.

    Names in "generation" that are no options are left to other programs.

    Raises:
        UserError: no JSON object; a value out of its option's bounds; an option that is not a folder's to set.
    """
    file = folder / "configuration.json"
    settings = read_json(file) if file.is_file() else {}
    recommended = settings.get("generation")
    if recommended is None:
        return settings.get("safety"), {}
    if not isinstance(recommended, dict):
        raise UserError(f"{file}: generation is {short_repr(recommended)}; it must be an object of options")
    faults = [f"{name} is the user's to set" for name in _OF_THE_USER if recommended.get(name) is not None]
    for field in dataclasses.fields(GenerationOptions):
        value = recommended.get(field.name)
        if field.name not in _OF_THE_USER and value is not None and (said := problem(field, value)):
            faults.append(said)
    faults += [fault.message for fault in upscaler_faults(recommended.get("upscaler"))]
    if faults:
        raise UserError(f"{file}: generation: {'; '.join(faults)}")
    options: dict[str, object] = {**recommended}
    if options.get("loras") is not None:
        options["loras"] = own_loras(folder, recommended["loras"])
    return settings.get("safety"), options


def check_types(name: object, base: object, recommended: object, safety: object) -> None:
    """Raises `UserError` for what a `Sampler` can't be made of."""
    if not isinstance(name, str) or not isinstance(base, str):
        raise UserError(f"name is {short_repr(name)} and base {short_repr(base)}; give texts")
    if recommended is not None and not isinstance(recommended, Mapping):
        raise UserError(f"recommended is {short_repr(recommended)}; give a dict of options")
    if safety is not None and not callable(safety):
        raise UserError(
            f"safety is {short_repr(safety)}; give what build_safety makes, or open by Sampler.from_pretrained"
        )
