"""Pictures that steer: each with the ControlNet that reads it, how strongly, and over which part of the steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from types import MappingProxyType
from typing import Any

from PIL import Image

from pai_modelscope import zoo
from pai_modelscope.errors import UserError
from pai_modelscope.images.annotators import ANNOTATORS, annotate
from pai_modelscope.images.masks import Box, How, resize
from pai_modelscope.sampling.stills import Still, open_still

KEYS = ("kind", "image", "model", "scale", "start", "end", "annotate")


@dataclass(frozen=True)
class Control:
    """One steering picture; `annotate`: whether edges, depth or a pose must first be read from `still`."""

    kind: str
    still: Still
    model: str
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0
    annotate: bool = True

    def picture(self, size: tuple[int, int], how: How, box: Box | None, whole: tuple[int, int]) -> Image.Image:
        """What the ControlNet sees, in the drawing size: the `box` of a picture as large as the `whole` to be drawn on,
        else all of it, brought to the size as `how` says."""
        image = annotate(self.kind, self.still.image) if self.annotate else self.still.image
        if box is not None and image.size == whole:
            return image.crop(box).resize(size, Image.Resampling.LANCZOS)
        return resize(image, *size, how).image


def settle_controls(value: Any, base: str, own: Mapping[str, str] = MappingProxyType({})) -> tuple[Control, ...]:
    """`control` as users write it: {'canny': picture}, {'canny': {'image': ..., 'scale': 0.8}}, or a list of dicts with
    'kind' and 'image'. `base`: the model's name, by which the zoo knows its ControlNets; `own`: those that came with
    the model, what each reads and its folder.

    Raises:
        UserError: naming what is wrong with which.
    """
    settings: list[Any]
    if isinstance(value, Mapping) and "kind" not in value:
        settings = [{"kind": kind, **(of if isinstance(of, Mapping) else {"image": of})} for kind, of in value.items()]
    else:
        settings = [value] if isinstance(value, Mapping) else list(value) if isinstance(value, list | tuple) else []
    if not settings:
        raise UserError(f"control is {type(value).__name__}; give {{'canny': picture}} or a list of dicts")
    return tuple(each if isinstance(each, Control) else _control(each, base, own) for each in settings)


def _control(given: Any, base: str, own: Mapping[str, str]) -> Control:
    if not isinstance(given, Mapping) or "kind" not in given or given.get("image") is None:
        raise UserError("a control is a dict with 'kind' and 'image'")
    if unknown := sorted(given.keys() - set(KEYS)):
        raise UserError(f"unknown option of a control: {', '.join(map(repr, unknown))}; valid are {', '.join(KEYS)}")
    kind = given["kind"]
    drawn = given.get("annotate", kind in ANNOTATORS or kind not in own)
    if drawn and kind not in ANNOTATORS:
        raise UserError(
            f"control {kind!r} is not known; valid are {', '.join(ANNOTATORS)}, or any with 'annotate': False for a "
            "picture that shows the control itself"
        )
    scale, start, end = (given.get(name, usual) for name, usual in (("scale", 1.0), ("start", 0.0), ("end", 1.0)))
    if not all(isinstance(n, Real) and not isinstance(n, bool) for n in (scale, start, end)) or not 0 <= scale <= 4:
        raise UserError(f"control {kind!r}: scale is {scale!r}; give a number from 0 to 4")
    if not 0 <= start < end <= 1:
        raise UserError(
            f"control {kind!r}: start is {start} and end is {end}; give shares of the steps, 0 <= start < end <= 1"
        )
    still = open_still(given["image"], "image")
    return Control(
        kind, still, str(given.get("model") or own.get(kind) or _known(kind, base)), scale, start, end, bool(drawn)
    )


def _known(kind: str, base: str) -> str:
    """The zoo's ControlNet of that kind for that model."""
    for entry in zoo.ENTRIES:
        if entry.kind == "controlnet" and entry.base == base and entry.name.endswith(f"-{kind}"):
            return entry.name
    raise UserError(
        f"the zoo knows no ControlNet {kind!r} for {base or 'this model'}: give its folder or id, as in "
        f"{{{kind!r}: {{'image': ..., 'model': FOLDER}}}}"
    )


def remembered(controls: tuple[Control, ...]) -> list[dict[str, Any]]:
    """What an infotext keeps of controls; `settle_controls` reads it again."""
    from pai_modelscope.images.infotext import RememberedFile

    usual = Control("", Still("", "", Image.new("L", (1, 1))), "")
    found = []
    for control in controls:
        values = {"kind": control.kind, "image": RememberedFile.write(control.still.name, control.still.digest)}
        values["model"] = control.model
        extra = {name: getattr(control, name) for name in ("scale", "start", "end", "annotate")}
        found.append(values | {name: value for name, value in extra.items() if value != getattr(usual, name)})
    return found
