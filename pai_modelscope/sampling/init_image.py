"""Pictures to start from: opened once, known by their content, brought to the drawing size, and put back after."""

import hashlib
import os
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, fields
from typing import cast

from PIL import Image

from pai_modelscope import limits
from pai_modelscope.config import IMAGE_STRENGTH, MASK_STRENGTH, GenerationOptions, GenerationRequest
from pai_modelscope.config.option import Bounds, problem_of_number, short_repr
from pai_modelscope.errors import Fault, UserError
from pai_modelscope.images import masks
from pai_modelscope.images.infotext import RememberedFile
from pai_modelscope.images.masks import How, nearest_size, resize
from pai_modelscope.images.open_images import Source, open_image, open_mask

Sides = tuple[int, int, int, int]  # pixels: left, right, top, bottom
_DEFAULTS = {field.name: field.default for field in fields(GenerationOptions)}
_OUTPAINT = Bounds(minimum=0, maximum=limits.OUTPAINT_PIXELS)


@dataclass(frozen=True)
class OpenedImage:
    """An opened picture; two are equal if their pixels are. `path` is the file it came from, or empty."""

    digest: str
    image: Image.Image = field(compare=False, repr=False)
    path: str = field(default="", compare=False)


@dataclass
class Images:
    """The pictures of a call: each is opened once, however many requests name it.

    `in_memory`: PIL pictures, arrays and bytes, by the names that stand for them in requests.
    """

    in_memory: Mapping[str, object] = field(default_factory=dict)
    _opened: dict[tuple[str, str, str], OpenedImage] = field(default_factory=dict)

    def open(self, name: str, what: str, size: tuple[int, int] | None = None) -> OpenedImage:
        """`what` is 'image' or 'mask'; a mask must have `size`. Raises `UserError` as `opened`."""
        if not isinstance(name, str):  # of a request that was never compared: it is refused as any other picture
            return opened(name, what, size)
        key = name, getattr(name, "digest", ""), what  # one picture may be both
        picture = self._opened.get(key)
        if picture is None or (size and picture.image.size != size):  # opened for another picture of the call
            picture = self._opened[key] = opened(self.in_memory.get(name, name), what, size)
        return picture


def opened(source: object, what: str, size: tuple[int, int] | None = None) -> OpenedImage:
    """A picture that a user gives. `what` is 'image' or 'mask'; a mask must have `size`.

    Raises:
        UserError: what is no picture, and a picture that an infotext remembers with other content.
    """
    if isinstance(source, OpenedImage):
        return source
    remembered = isinstance(source, RememberedFile)
    if remembered and not source:
        raise UserError(f"the {what} came from memory, not from a file: give {what} again")
    content = cast(Source, source)  # the readers refuse everything else
    picture = open_mask(content, size) if what == "mask" else open_image(content, what=what)
    digest = hashlib.sha256(repr((picture.mode, picture.size)).encode() + picture.tobytes()).hexdigest()[:16]
    if isinstance(source, RememberedFile) and digest != source.digest:
        raise UserError(f"{source} is not the {what} any more that the picture was made from: its pixels have changed")
    path = os.path.abspath(source) if isinstance(source, str | os.PathLike) and os.path.exists(source) else ""
    return OpenedImage(digest, picture, path)


@dataclass(frozen=True)
class InitImage:
    """The initial image of a request, what of it is drawn anew, and how far the drawing goes from it (`strength`)."""

    image: OpenedImage
    strength: float
    mask: OpenedImage | None = None
    outpaint: Sides | None = None
    mask_blur: int = 0  # pixels over which new and old blend
    mask_only: bool = False  # just the surroundings of the mask are drawn
    mask_padding: int = 0  # pixels around the mask that `mask_only` draws too

    @property
    def canvas(self) -> tuple[Image.Image, Image.Image | None]:
        """The picture that is drawn on, and the mask of what is drawn: all white pixels, the others stay."""
        if self.outpaint is not None:
            return masks.outpaint(self.image.image, *self.outpaint)
        return self.image.image, self.mask.image if self.mask else None

    def box(self, mask: Image.Image) -> masks.Box:
        """The part of the picture that is drawn: left, top, right, bottom."""
        return masks.box_of(mask, self.mask_padding + self.mask_blur) if self.mask_only else (0, 0, *mask.size)

    def drawing_size(self, around: tuple[int, int]) -> tuple[int, int]:
        """Width and height that keep the proportions of what is drawn, with about as many pixels as `around`."""
        image, mask = self.canvas
        return nearest_size(image.crop(self.box(mask)) if mask else image, around=around)

    def steps_taken(self, steps: int) -> int:
        """How many of the steps are taken from it: a share of them, as diffusers counts."""
        return min(int(steps * self.strength), steps)

    def finished_size(self, drawing: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the finished picture: under a mask, the image's own."""
        width, height = self.image.image.size
        if self.outpaint is not None:
            left, right, top, bottom = self.outpaint
            return width + left + right, height + top + bottom
        return (width, height) if self.mask else drawing


def resolve_image(values: GenerationRequest, asked: Set[str], images: Images) -> InitImage | None:
    """The initial image of a request whose other values are right; None where there is none.

    `values`: the request with every default in its place; `asked`: the options that the user set, not the model's
    folder.

    Raises:
        UserError: with a fault for each value that can't work with the others.
    """
    given = {name: getattr(values, name) for name in ("image", "mask", "outpaint", "control", *_OF_A_MASK, "resize")}
    idle = needless(given)
    if "mask_only" in asked and values.mask is not None:  # who switches it off by name knows what padding is for
        idle.pop("mask_padding", None)
    faults = [Fault(name, f"{name} is given {why}") for name, why in idle.items() if name in asked]
    if values.image is None:
        alone = [name for name in ("mask", "strength", "outpaint") if getattr(values, name) is not None]
        faults = [Fault(name, f"{name} is given without an image: give image too") for name in alone] + faults
    if faults:
        raise UserError.of(faults)
    if values.image is None:
        return None
    image = images.open(values.image, "image")
    mask = None if values.mask is None else images.open(values.mask, "mask", image.image.size)
    strength, outpaint = _resolve_strength(values)
    assert values.mask_padding is not None and values.mask_blur is not None
    only = bool(values.mask_only)
    return InitImage(image, strength, mask, outpaint, values.mask_blur, only, values.mask_padding)


_OF_A_MASK = ("mask_blur", "mask_only", "mask_padding")


def needless(values: Mapping[str, object]) -> dict[str, str]:
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


def _resolve_strength(values: GenerationRequest) -> tuple[float, Sides | None]:
    """How far to go from the image, and how many pixels to draw around it."""
    masked = values.mask is not None or values.outpaint is not None
    strength = values.strength
    if strength is None:
        strength = MASK_STRENGTH if masked else IMAGE_STRENGTH
    faults = []
    steps = values.num_inference_steps or 0
    bounds = Bounds(above=0, maximum=1) if masked else Bounds(above=0, below=1)
    if message := problem_of_number("strength", strength, whole=False, bounds=bounds):
        reason = "" if masked else " (1 would leave nothing of the image: leave image out instead)"
        faults.append(Fault("strength", message + reason, f"a number {bounds}"))
    elif int(steps * strength) < 1:
        faults.append(
            Fault("strength", f"strength {strength} of {steps} steps is no step at all: give more of one"),
        )
    sides = values.outpaint
    if sides is None:
        pass
    elif not _are_sides(sides):
        valid = f"four whole numbers of pixels {_OUTPAINT}: left, right, top, bottom"
        faults.append(Fault("outpaint", f"outpaint is {short_repr(sides)}; give {valid}", valid))
    elif values.mask is not None:
        message = "outpaint and mask are both given: paint around the image first, then within it"
        faults.append(Fault("outpaint", message))
    if faults:
        raise UserError.of(faults)
    if sides is None:
        return float(strength), None
    left, right, top, bottom = map(int, sides)
    return float(strength), (left, right, top, bottom)


def _are_sides(sides: object) -> bool:
    if not isinstance(sides, tuple | list) or len(sides) != 4:
        return False
    return not any(problem_of_number("", side, whole=True, bounds=_OUTPAINT) for side in sides) and any(sides)


@dataclass(frozen=True)
class Canvas:
    """What the model starts from, at the drawing size, and how its result becomes the picture that was asked for."""

    image: Image.Image
    mask: Image.Image | None = None
    box: masks.Box | None = None  # the part of the picture that is drawn; None: all of it, as `resize` brings it
    whole: tuple[int, int] = (0, 0)  # width and height of the picture
    finish: Callable[[Image.Image], Image.Image] = lambda picture: picture


def canvas(start: InitImage, size: tuple[int, int], how: How) -> Canvas:
    """What is drawn from an initial image, at `size` (width, height), to which an image without a mask comes as `how`
    says."""
    image, mask = start.canvas
    if mask is None:
        return Canvas(resize(image, *size, how).image)
    box = start.box(mask)
    soft = masks.blur(mask, start.mask_blur)

    def finish(picture: Image.Image) -> Image.Image:
        return masks.paste(image, picture, soft, box)

    # The model repaints whole latents, 8 pixels a side: all that the blurred edge touches must be new.
    touched = soft.crop(box).point(_any).resize(size, Image.Resampling.BILINEAR).point(_any)
    return Canvas(image.crop(box).resize(size, Image.Resampling.LANCZOS), touched, box, image.size, finish)


def _any(value: int) -> int:
    return 255 if value else 0


def infotext_values(start: InitImage | None, how: How) -> dict[str, object]:
    """What an infotext must say of image and mask, in A1111's names where it has one."""
    if start is None:
        return {}
    values: dict[str, object] = {
        "Denoising strength": start.strength,
        "Init image": RememberedFile.write(start.image.path, start.image.digest),
    }
    if start.mask is None and start.outpaint is None:
        return values | {"Resize": how}
    return values | {
        "Mask": RememberedFile.write(start.mask.path, start.mask.digest) if start.mask else None,
        "Outpaint": " ".join(map(str, start.outpaint)) if start.outpaint else None,
        "Mask blur": start.mask_blur,
        "Mask only": start.mask_only or None,
        "Mask padding": start.mask_padding if start.mask_only else None,
    }
