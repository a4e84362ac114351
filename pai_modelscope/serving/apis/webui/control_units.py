"""ControlNet's units: `alwayson_scripts.controlnet` of a request, and the annotators that they name."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import Fault, UserError
from pai_modelscope.serving.apis.common import data_url
from pai_modelscope.serving.apis.webui.fields import Fields, unknown
from pai_modelscope.serving.uploads import check_pixels, picture_bytes

if TYPE_CHECKING:
    from PIL import Image

    from pai_modelscope.images.masks import How

SCRIPT = "controlnet"
MOST_UNITS = 4
_INVERT = "invert"  # black lines on white become what ControlNets read
_OTHER_NAMES = {"": "none", "None": "none", "invert (from white bg & black line)": _INVERT}
RESIZE_MODES: Mapping[object, str] = {
    0: "stretch",
    1: "crop",
    2: "fit",
    "Just Resize": "stretch",
    "Crop and Resize": "crop",
    "Resize and Fill": "fit",
    "Scale to Fit (Inner Fit)": "crop",
    "Inner Fit (Scale to Fit)": "crop",
    "Envelope (Outer Fit)": "fit",
    "Outer Fit (Shrink to Fit)": "fit",
}


@dataclass(frozen=True)
class Unit:
    """`control`: one of a request's; `detected`: what was read from its picture, as a PNG file, where it is shown."""

    control: dict[str, object]
    detected: bytes | None = None


def modules() -> list[str]:
    """The annotators that draw without a package or model that must be got first; 'none' is for finished maps."""
    from pai_modelscope.images.annotators import ANNOTATORS

    return ["none", _INVERT, *(name for name, annotator in ANNOTATORS.items() if annotator.offline)]


def read_unit(
    given: object,
    kinds: Sequence[str],
    init_image: str | None,
    size: tuple[int, int] | None,
    pixels: int,
    file: Callable[[str], bytes],
    faults: list[Fault],
    not_honoured: list[str],
) -> Unit | None:
    """One unit; None if it is switched off, or wrong.

    Args:
        kinds: the ControlNets of this service.
        init_image: a data URL, for a unit without a picture of its own.
        size: width and height of the request, where it says them.
        pixels: that a picture may have.
        file: gives the file at an address.
        not_honoured: phrases are added to it.
    """
    if not isinstance(given, Mapping):
        faults.append(Fault(SCRIPT, f"controlnet: a unit is {short_repr(given)}; give an object"))
        return None
    before = len(faults)
    fields = Fields(given, faults, "controlnet: ")
    if not fields.flag("enabled", True):
        return None
    kind = _kind(fields.text("model"), kinds, fields)
    module = module_named(fields.text("module"))
    if module not in modules():
        valid = ", ".join(modules())
        fields.fault("module", f"controlnet: module {short_repr(module)} is not here; there are {valid}", valid)
    weight = fields.number("weight", 0, 4)
    start, end = fields.number("guidance_start", 0, 1), fields.number("guidance_end", 0, 1)
    older = fields.number("guidance", 0, 1)
    end = older if end is None else end
    how = fields.choice("resize_mode", RESIZE_MODES, "crop")
    resolution = fields.count("processor_res", -1, 4096)
    thresholds = [fields.number(name, -1, 4096) for name in ("threshold_a", "threshold_b")]
    exact, shown = fields.flag("pixel_perfect"), fields.flag("save_detected_map", True)
    own, other = fields.take("image"), fields.take("input_image")
    fields.expect("control_mode", 0, "Balanced")
    fields.expect("guessmode", False)
    fields.expect("hr_option", 0, "Both")
    for name in ("mask", "mask_image", "ipadapter_input", "advanced_weighting", "effective_region_mask"):
        fields.expect(name, "", [])
    fields.expect("inpaint_crop_input_image", True, False)
    fields.skip(
        "low_vram", "lowvram", "is_ui", "batch_images", "input_mode", "output_dir", "loopback", "batch_mask_dir"
    )
    fields.skip("animatediff_batch", "batch_modifiers", "batch_image_files", "batch_keyframe_idx", "pulid_mode")
    fields.expect("union_control_type", "Unknown", "All")
    not_honoured += unknown(fields.rest(), "a unit of controlnet")
    picture = _picture(own or other or init_image, fields, file)
    if len(faults) > before or picture is None:
        return None
    try:
        control, detected = _prepared(picture, module, None if exact else resolution, thresholds, how, size, pixels)
    except UserError as error:
        fields.fault(SCRIPT, f"controlnet: {error}")
        return None
    entry: dict[str, object] = {"kind": kind, "image": control, "annotate": False}
    entry |= {name: value for name, value in (("scale", weight), ("start", start), ("end", end)) if value is not None}
    return Unit(entry, detected if shown else None)


def module_named(name: str) -> str:
    """The one of `modules` that is meant; an unknown name as it is."""
    return _OTHER_NAMES.get(name, name)


def detected(
    picture: str, module: str, resolution: int | None, thresholds: Sequence[float | None], pixels: int
) -> bytes:
    """What an annotator reads from a picture (a data URL), as a PNG file.

    Raises:
        UserError: no picture, or nothing is read from it.
    """
    return _file(_annotated(_opened(picture, pixels), module, resolution, thresholds, pixels))


def _kind(model: str, kinds: Sequence[str], fields: Fields) -> str:
    """The ControlNet that a name such as 'control_v11p_sd15_canny [d14c016b]' means."""
    words = model.lower().partition(" [")[0].replace("-", "_").split("_")
    found = model if model in kinds else next((kind for kind in kinds if kind.lower() in words), None)
    if found is None:
        valid = ", ".join(kinds) or "none"
        fields.fault("model", f"controlnet: there is no model {short_repr(model)}; there is {valid}", valid)
    return found or ""


def _picture(value: object, fields: Fields, file: Callable[[str], bytes]) -> str | None:
    if isinstance(value, Mapping):  # of older clients, with a mask beside it
        if value.get("mask"):
            fields.fault("image", "controlnet: a mask of a unit is something that this service can't do: leave it out")
        value = value.get("image")
    if value is None:
        fields.fault("image", "controlnet: a unit has no image")
        return None
    try:
        return data_url("image", value, file)
    except UserError as error:
        fields.fault("image", f"controlnet: {error}")
        return None


def _prepared(
    picture: str,
    module: str,
    resolution: int | None,
    thresholds: Sequence[float | None],
    how: str,
    size: tuple[int, int] | None,
    pixels: int,
) -> tuple[str, bytes | None]:
    """The picture that steers, as a data URL, and what was detected."""
    from pai_modelscope.images.masks import resize

    image, file = _opened(picture, pixels), None
    if module != "none":
        image = _annotated(image, module, resolution, thresholds, pixels)
        file = _file(image)
    if size is not None and size != image.size:
        fit: How = how  # type: ignore[assignment]  # one of RESIZE_MODES
        image = resize(image, *size, fit).image
    return f"data:image/png;base64,{base64.b64encode(_file(image)).decode()}", file


def _annotated(
    image: "Image.Image", module: str, resolution: int | None, thresholds: Sequence[float | None], pixels: int
) -> "Image.Image":
    """`resolution`: pixels of the shorter side at which it is read; None, 0 or -1: as large as it is."""
    from PIL import Image, ImageOps

    from pai_modelscope.images.annotators import ANNOTATORS, annotate

    if module == _INVERT:
        return ImageOps.invert(image)
    if resolution is not None and resolution > 0:
        factor = resolution / min(image.size)
        width, height = (max(1, round(side * factor)) for side in image.size)
        if width * height > pixels:
            raise UserError(f"processor_res {resolution} makes it {width}x{height}; up to {pixels} pixels are read")
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    options = {}
    if module == "canny":  # as the WebUI has its two sliders; other annotators of both have none in common
        names = ("low_threshold", "high_threshold")
        known = ANNOTATORS[module].options
        options = {
            name: float(value)
            for name, value in zip(names, thresholds, strict=True)
            if value is not None and value >= 0 and name in known
        }
    return annotate(module, image, **options)


def _opened(picture: str, pixels: int) -> "Image.Image":
    from pai_modelscope.images.open_images import open_image

    content = picture_bytes(picture)
    check_pixels(content, pixels)
    return open_image(content)


def _file(image: "Image.Image") -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
