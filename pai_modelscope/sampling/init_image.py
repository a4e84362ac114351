"""Pictures to start from: opened once, known by their content, brought to the drawing size, and put back after."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from PIL import Image

from pai_modelscope import limits
from pai_modelscope.config import IMAGE_STRENGTH, MASK_STRENGTH, GenerationOptions
from pai_modelscope.config.option import Bounds, problem_of_number, shown
from pai_modelscope.errors import UserError
from pai_modelscope.images import masks
from pai_modelscope.images.infotext import RememberedFile
from pai_modelscope.images.masks import nearest_size, resize
from pai_modelscope.images.open_images import open_image, open_mask

_DEFAULTS = {field.name: field.default for field in fields(GenerationOptions)}


@dataclass(frozen=True)
class Still:
    """An opened picture; two are equal if their pixels are. `name` is the file it came from, or empty."""

    digest: str
    name: str = field(compare=False)
    image: Image.Image = field(compare=False, repr=False)


@dataclass(frozen=True)
class Canvas:
    """What the model starts from, at the drawing size, and how its result becomes the picture that was asked for."""

    image: Image.Image
    mask: Image.Image | None = None
    box: masks.Box | None = None  # the part of the picture that is drawn; None: all of it, as `resize` brings it
    whole: tuple[int, int] = (0, 0)  # width and height of the picture
    finish: Callable[[Image.Image], Image.Image] = lambda picture: picture


def open_still(source: Any, what: str, size: tuple[int, int] | None = None) -> Still:
    """`what` is 'image' or 'mask'; a mask must have `size`. Raises `UserError` for what is no picture, and for a
    picture that an infotext remembers with other content."""
    if isinstance(source, Still):
        return source
    remembered = isinstance(source, RememberedFile)
    if remembered and not source:
        raise UserError(f"the {what} came from memory, not from a file: give {what} again")
    picture = open_mask(source, size) if what == "mask" else open_image(source, what=what)
    digest = hashlib.sha256(repr((picture.mode, picture.size)).encode() + picture.tobytes()).hexdigest()[:16]
    if remembered and digest != source.digest:
        raise UserError(f"{source} is not the {what} any more that the picture was made from: its pixels have changed")
    name = os.path.abspath(source) if isinstance(source, str | os.PathLike) and os.path.exists(source) else ""
    return Still(digest, name, picture)


Opened = dict[tuple[int, str], Still]  # by the identity of what was given, and what for


def settle_stills(values: dict[str, Any], asked: set[str], around: tuple[int, int], opened: Opened) -> list[str]:
    """Open `image` and `mask` in place, and settle what follows from them; returns what is wrong.

    `asked`: the options that the user set, not the model's folder. Where no size is among them, one is chosen that
    keeps the proportions of what is drawn, with about as many pixels as the model's own (width, height) `around`.
    `opened` remembers what many texts share.
    """
    idle = needless(values)
    if "mask_only" in asked and values["mask"] is not None:  # who switches it off by name knows what padding is for
        idle.pop("mask_padding", None)
    faults = [f"{name} is given {why}" for name, why in idle.items() if name in asked]
    if values["image"] is None:
        alone = [name for name in ("mask", "strength", "outpaint") if values[name] is not None]
        return [f"{name} is given without an image: give image too" for name in alone] + faults
    if faults:
        return faults
    try:
        values["image"] = _once(opened, values["image"], "image")
        size = values["image"].image.size
        if values["mask"] is not None:
            values["mask"] = _once(opened, values["mask"], "mask", size)
    except UserError as error:
        return [str(error)]
    masked = values["mask"] is not None or values["outpaint"] is not None
    if values["strength"] is None:
        values["strength"] = MASK_STRENGTH if masked else IMAGE_STRENGTH
    if faults := _problems(values, masked):
        return faults
    if not asked & {"height", "width"}:
        image, mask = _pictures(values)
        drawn = image.crop(_box(mask, values)) if mask else image
        values["width"], values["height"] = nearest_size(drawn, around=around)
    return []


def needless(values: Mapping[str, Any]) -> dict[str, str]:
    """The options that say how an image or a mask is used, where there is none; with the reason, and what to do.

    What equals the default is not among them: a program may hand on all options that there are.
    """
    masked = values.get("mask") is not None or values.get("outpaint") is not None
    controlled = bool(values.get("control"))  # by pictures that are resized, too
    found = {}
    if not masked:
        found = dict.fromkeys(("mask_blur", "mask_only"), "without a mask: give mask or outpaint too")
    if not values.get("mask_only"):
        found["mask_padding"] = "without mask_only: give mask_only too"
    if masked and not controlled:
        found["resize"] = "with mask or outpaint, under which the image keeps its size: leave it out"
    elif values.get("image") is None and not controlled:
        found["resize"] = "without an image: give image too"
    return {name: why for name, why in found.items() if values.get(name, _DEFAULTS[name]) != _DEFAULTS[name]}


def _once(opened: Opened, source: Any, what: str, size: tuple[int, int] | None = None) -> Still:
    key = id(source), what  # one picture may be both
    still = opened.get(key) or open_still(source, what, size)
    if size and still.image.size != size:  # remembered from another picture of the call
        still = open_still(source, what, size)
    opened[key] = still
    return still


def _problems(values: dict[str, Any], masked: bool) -> list[str]:
    faults = []
    strength = values["strength"]
    bounds = Bounds(above=0, maximum=1) if masked else Bounds(above=0, below=1)
    if said := problem_of_number("strength", strength, whole=False, bounds=bounds):
        reason = "" if masked else " (1 would leave nothing of the image: leave image out instead)"
        faults.append(said + reason)
    elif int(values["num_inference_steps"] * strength) < 1:
        faults.append(
            f"strength {strength} of {values['num_inference_steps']} steps is no step at all: give more of one"
        )
    if (sides := values["outpaint"]) is not None:
        four = isinstance(sides, tuple | list) and len(sides) == 4
        pixels = Bounds(minimum=0, maximum=limits.OUTPAINT_PIXELS)
        if not four or any(problem_of_number("", side, whole=True, bounds=pixels) for side in sides) or not any(sides):
            valid = f"four whole numbers of pixels {pixels}: left, right, top, bottom"
            faults.append(f"outpaint is {shown(sides)}; give {valid}")
        elif values["mask"] is not None:
            faults.append("outpaint and mask are both given: paint around the image first, then within it")
        else:
            values["outpaint"] = tuple(int(side) for side in sides)
    return faults


def _pictures(values: Mapping[str, Any]) -> tuple[Image.Image, Image.Image | None]:
    """The picture that is drawn on, and the mask of what is drawn: all white pixels, the others stay."""
    image = values["image"].image
    if values["outpaint"] is not None:
        return masks.outpaint(image, *values["outpaint"])
    return image, values["mask"].image if values["mask"] else None


def _box(mask: Image.Image, values: Mapping[str, Any]) -> masks.Box:
    """The part of the picture that is drawn: left, top, right, bottom."""
    if not values["mask_only"]:
        return 0, 0, *mask.size
    return masks.box_of(mask, values["mask_padding"] + values["mask_blur"])


def finished_size(values: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height of the picture that settled values give: under a mask, the image's own."""
    if values["outpaint"] is not None:
        left, right, top, bottom = values["outpaint"]
        width, height = values["image"].image.size
        return width + left + right, height + top + bottom
    return values["image"].image.size if values["mask"] else (values["width"], values["height"])


def canvas(options: Any) -> Canvas:
    """What a job with these `GenerationOptions` starts from."""
    size = options.width, options.height
    image, mask = _pictures(vars(options))
    if mask is None:
        return Canvas(resize(image, *size, options.resize).image)
    box = _box(mask, vars(options))
    soft = masks.blur(mask, options.mask_blur)

    def finish(picture: Image.Image) -> Image.Image:
        return masks.paste(image, picture, soft, box)

    # The model repaints whole latents, 8 pixels a side: all that the blurred edge touches must be new.
    touched = soft.crop(box).point(_any).resize(size, Image.Resampling.BILINEAR).point(_any)
    return Canvas(image.crop(box).resize(size, Image.Resampling.LANCZOS), touched, box, image.size, finish)


def _any(value: int) -> int:
    return 255 if value else 0


def infotext_values(options: Any) -> dict[str, Any]:
    """What an infotext must say of image and mask, in A1111's names where it has one."""
    if options.image is None:
        return {}
    values = {
        "Denoising strength": float(options.strength),
        "Init image": RememberedFile.write(options.image.name, options.image.digest),
    }
    if options.mask is None and options.outpaint is None:
        return values | {"Resize": options.resize}
    return values | {
        "Mask": RememberedFile.write(options.mask.name, options.mask.digest) if options.mask else None,
        "Outpaint": " ".join(map(str, options.outpaint)) if options.outpaint else None,
        "Mask blur": options.mask_blur,
        "Mask only": options.mask_only or None,
        "Mask padding": options.mask_padding if options.mask_only else None,
    }
