"""Which families of models there are: the package's, those of installed packages, and those that a program registers.

A package brings a family by an entry point: in its `pyproject.toml`

    [project.entry-points."pai_modelscope.families"]
    hunyuan = "its_package.family:HunyuanFamily"

where HunyuanFamily is a `ModelFamily` class whose constructor takes no arguments.
"""

import re
from pathlib import Path

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError
from pai_modelscope.families.family import ModelFamily
from pai_modelscope.families.stable_diffusion import StableDiffusionFamily
from pai_modelscope.plugins import installed
from pai_modelscope.zoo.folders import json_if_readable

GROUP = "pai_modelscope.families"  # of entry points
STABLE_DIFFUSION = StableDiffusionFamily()
_registered: dict[str, ModelFamily] = {STABLE_DIFFUSION.name: STABLE_DIFFUSION}


def register_family(family: ModelFamily) -> None:
    """Add a family of one's own: its folders then open by `Sampler.from_pretrained` and the command line.

    Raises `UserError` for what is no family, and if another family has its name.
    """
    if not isinstance(family, ModelFamily):
        raise UserError(f"register_family takes a ModelFamily, not {short_repr(family)}: make one, and give it")
    if families().get(family.name, family) is not family:
        raise UserError(f"there is a family {family.name!r} already: give it another name")
    _registered[family.name] = family


def families() -> dict[str, ModelFamily]:
    """All families by their names. Warns, once, of an installed one that can't be used."""
    others = installed(GROUP, "family", _checked)
    return _registered | {family.name: family for family in others if family.name not in _registered}


def recognized(folder: Path) -> ModelFamily | None:
    """The family whose folder it is; None for a folder of none."""
    index = json_if_readable(folder / "model_index.json")
    if index is None:
        return None
    return next((family for family in families().values() if family.recognizes(index)), None)


def family_of_folder(folder: Path) -> ModelFamily:
    """The family that opens a folder: the one that recognizes it, else Stable Diffusion's, which says what is wrong.

    Raises `UserError` for another kind of pipeline, which needs a family that is not installed.
    """
    family = recognized(folder)
    if family is None and (kind := _foreign_pipeline(folder)):
        raise UserError(
            f"The model in {folder} is a {kind}, which no family that is known here opens; known are "
            f"{', '.join(sorted(families()))}. Install a package that brings its family, or register one by "
            "pai_modelscope.families.register_family; or give another model, see `pai-modelscope zoo list`."
        )
    return family or STABLE_DIFFUSION


def family_of_file(file: Path) -> ModelFamily:
    """The family whose single-file layout a file has; else Stable Diffusion's, which says what is wrong."""
    return next((family for family in families().values() if family.recognizes_file(file)), STABLE_DIFFUSION)


def family_of_pipeline(pipe: object) -> ModelFamily | None:
    """The family of an opened pipeline; None for a pipeline of none."""
    return next((family for family in families().values() if family.holds(pipe)), None)


def _foreign_pipeline(folder: Path) -> str:
    """The class of a folder's pipeline, where it has no UNet and is no Stable Diffusion of version 1 that lost it."""
    index = json_if_readable(folder / "model_index.json") or {}
    kind = index.get("_class_name")
    if not isinstance(kind, str) or "unet" in index or re.fullmatch(r"StableDiffusion[A-Za-z]*Pipeline", kind):
        return ""
    return short_repr(kind)


def _checked(loaded: object, place: str) -> ModelFamily:
    if not isinstance(loaded, type) or not issubclass(loaded, ModelFamily):
        raise TypeError(f"{place} is no ModelFamily")
    family = loaded()
    if family.name in _registered:
        raise ValueError(f"there is a family {family.name!r} already")
    return family
