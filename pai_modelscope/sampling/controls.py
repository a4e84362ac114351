"""Pictures that steer: each with the ControlNet that reads it, how strongly, and over which part of the steps."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from pai_modelscope import zoo
from pai_modelscope.config.option import Bounds, problem_of_number, short_repr
from pai_modelscope.errors import UserError
from pai_modelscope.images.annotators import ANNOTATORS, annotate
from pai_modelscope.images.infotext import RememberedFile
from pai_modelscope.images.masks import Box, How, resize
from pai_modelscope.sampling.init_image import Images, OpenedImage

_SCALES, _SHARES = Bounds(minimum=0, maximum=4), Bounds(minimum=0, maximum=1)
KEYS = ("kind", "image", "model", "scale", "start", "end", "annotate")


@dataclass(frozen=True)
class Control:
    """One steering picture; `annotate`: whether edges, depth or a pose must first be read from `image`."""

    kind: str
    image: OpenedImage
    model: str
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0
    annotate: bool = True

    @property
    def use(self) -> tuple[str, float, float, float]:
        """How its ControlNet takes part. Pictures whose controls agree in this share a batch, each with its own."""
        return self.model, self.scale, self.start, self.end

    def picture(self, size: tuple[int, int], how: How, box: Box | None, whole: tuple[int, int]) -> Image.Image:
        """What the ControlNet sees, in the drawing size: the `box` of a picture as large as the `whole` to be drawn on,
        else all of it, brought to the size as `how` says."""
        image = annotate(self.kind, self.image.image) if self.annotate else self.image.image
        if box is not None and image.size == whole:
            return image.crop(box).resize(size, Image.Resampling.LANCZOS)
        return resize(image, *size, how).image


def resolve_controls(value: object, base: str, controlnets: Mapping[str, str], images: Images) -> tuple[Control, ...]:
    """`control` as users write it: {'canny': picture}, {'canny': {'image': ..., 'scale': 0.8}}, or a list of dicts with
    'kind' and 'image'. `base`: the model's name, by which the zoo knows its ControlNets; `controlnets`: those that came
    with the model, what each reads and its folder.

    Raises:
        UserError: naming what is wrong with which.
    """
    entries = control_entries(value)
    if not entries:
        raise UserError(f"control is {type(value).__name__}; give {{'canny': picture}} or a list of dicts")
    return tuple(_control(entry, base, controlnets, images) for entry in entries)


def control_entries(value: object) -> list[object]:
    """The controls that `control` holds, in the one form of all: dicts with 'kind' and 'image'."""
    if isinstance(value, Mapping) and "kind" not in value:
        pairs = value.items()
        return [{"kind": kind, **(entry if isinstance(entry, Mapping) else {"image": entry})} for kind, entry in pairs]
    return [value] if isinstance(value, Mapping) else list(value) if isinstance(value, list | tuple) else []


def _control(entry: object, base: str, controlnets: Mapping[str, str], images: Images) -> Control:
    if not isinstance(entry, Mapping) or "kind" not in entry or entry.get("image") is None:
        raise UserError("a control is a dict with 'kind' and 'image'")
    if unknown := sorted(short_repr(name) for name in entry if name not in KEYS):
        raise UserError(f"unknown option of a control: {', '.join(unknown)}; valid are {', '.join(KEYS)}")
    kind = entry["kind"]
    if not isinstance(kind, str):
        raise UserError(f"the kind of a control is {short_repr(kind)}; give a name such as 'canny'")
    drawn = entry.get("annotate", kind in ANNOTATORS or kind not in controlnets)
    if not isinstance(drawn, bool):
        raise UserError(f"control {kind!r}: annotate is {short_repr(drawn)}; give True or False")
    if drawn and kind not in ANNOTATORS:
        raise UserError(
            f"control {short_repr(kind)} is not known; "
            f"valid are {', '.join(ANNOTATORS)}, or any with 'annotate': False "
            "for a picture that shows the control itself"
        )
    scale, start, end = (entry.get(name, usual) for name, usual in (("scale", 1.0), ("start", 0.0), ("end", 1.0)))
    if said := problem_of_number("scale", scale, whole=False, bounds=_SCALES):
        raise UserError(f"control {kind!r}: {said}")
    shares = [problem_of_number("", share, whole=False, bounds=_SHARES) for share in (start, end)]
    if any(shares) or not start < end:
        raise UserError(
            f"control {kind!r}: start is {short_repr(start)} and end is {short_repr(end)}; give shares of the steps, "
            "0 <= start < end <= 1"
        )
    model = entry.get("model")
    if model is None:
        model = controlnets.get(kind) or _known(kind, base)
    if not isinstance(model, str | os.PathLike):
        raise UserError(f"control {kind!r}: model is {short_repr(model)}; give a folder, a name of the zoo or a hub id")
    image = images.open(entry["image"], "image")
    return Control(kind, image, os.fspath(model), float(scale), float(start), float(end), drawn)


def _known(kind: str, base: str) -> str:
    """The zoo's ControlNet of that kind for that model."""
    for entry in zoo.ENTRIES:
        if entry.kind == "controlnet" and entry.base == base and entry.name.endswith(f"-{kind}"):
            return entry.name
    raise UserError(
        f"the zoo knows no ControlNet {kind!r} for {base or 'this model'}: give its folder or id, as in "
        f"{{{kind!r}: {{'image': ..., 'model': FOLDER}}}}"
    )


def remembered(controls: tuple[Control, ...]) -> list[dict[str, object]]:
    """What an infotext keeps of controls; `resolve_controls` reads it again."""
    usual = Control("", OpenedImage("", Image.new("L", (1, 1))), "")
    entries = []
    for control in controls:
        values: dict[str, object] = {
            "kind": control.kind,
            "image": RememberedFile.write(control.image.path, control.image.digest),
            "model": control.model,
        }
        extra = {name: getattr(control, name) for name in ("scale", "start", "end", "annotate")}
        entries.append(values | {name: value for name, value in extra.items() if value != getattr(usual, name)})
    return entries
