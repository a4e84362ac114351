"""A request to `txt2img` or `img2img` in our words.

Values that change nothing are taken. What can't be honoured is refused; where every client sends a value that its user
may not have chosen, it is named in the reply instead, and so are fields that the WebUI does not have.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import Fault, UserError
from pai_modelscope.serving.apis.common import data_url
from pai_modelscope.serving.apis.webui.control_units import MOST_UNITS, RESIZE_MODES, SCRIPT, Unit, read_unit
from pai_modelscope.serving.apis.webui.fields import Fields, unknown
from pai_modelscope.serving.service import FORMATS
from pai_modelscope.serving.uploads import check_pixels, picture_bytes

_FACTORS = (2, 4)
_MOST_STEPS, _MOST_SIDE = 1000, 4096
_FILLS = ("fill", "original", "latent noise", "latent nothing")
_MOST_STRENGTH = 0.999  # at 1, the WebUI goes so far from a picture
_WEBUIS_SAMPLER = "Euler"  # where none is named
# Nothing of the picture depends on them.
_NO_MATTER = (
    "do_not_save_samples",
    "do_not_save_grid",
    "save_images",
    "subseed",
    "image_cfg_scale",  # only of networks that edit by instructions
    "distilled_cfg_scale",  # only of networks that embed it
    "force_task_id",
    "comments",
    "script_args",  # of a script, which is refused by its name
)
# For each, the values that ask for nothing.
_NOTHING: Mapping[str, tuple[object, ...]] = {
    "styles": ([], [""], ["None"]),
    "subseed_strength": (0,),
    "seed_resize_from_h": (0, -1),
    "seed_resize_from_w": (0, -1),
    "restore_faces": (False,),
    "tiling": (False,),
    "s_churn": (0,),
    "s_tmin": (0,),
    "s_tmax": (0,),
    "s_min_uncond": (0,),
    "refiner_checkpoint": ("", "None"),
    "refiner_switch_at": (0, 1),
    "disable_extra_networks": (False,),
    "firstphase_width": (0,),
    "firstphase_height": (0,),
    "firstpass_image": ("",),
    "script_name": ("", "None"),
    "infotext": ("",),
    "latent_mask": ("",),
}
# How strong the noise is. The sample request of the WebUI's own page has 0, which clients have copied.
_NOISE = ("s_noise", "initial_noise_multiplier")
_OF_HIRES = (
    "hr_scale",
    "hr_upscaler",
    "hr_second_pass_steps",
    "hr_resize_x",
    "hr_resize_y",
    "hr_checkpoint_name",
    "hr_sampler_name",
    "hr_scheduler",
    "hr_prompt",
    "hr_negative_prompt",
    "hr_additional_modules",
    "hr_cfg",
)
_SAME = ("", "Use same sampler", "Use same scheduler", "Use same checkpoint", "automatic")


@dataclass(frozen=True)
class Settings:
    """What a client has set by `options`; None: as the service has it."""

    model: str | None = None
    clip_skip: int | None = None  # as the WebUI counts: 1 leaves no layer out
    format: str | None = None


@dataclass(frozen=True)
class Asked:
    """`body`: the request in our words; `shown`: beside the pictures, what was detected for ControlNets; `send`:
    whether pictures are answered; `echo`: the WebUI's fields as they came, without pictures; `not_honoured`: phrases;
    `batch_size`: of the `n_iter` batches."""

    body: dict[str, object]
    settings: Settings
    shown: list[bytes] = field(default_factory=list)
    send: bool = True
    echo: dict[str, object] = field(default_factory=dict)
    not_honoured: list[str] = field(default_factory=list)
    keep_settings: bool = False
    batch_size: int = 1


def read_payload(
    given: Mapping[str, object],
    settings: Settings,
    *,
    models: Sequence[str],
    kinds: Sequence[str],
    pixels: int,
    file: Callable[[str], bytes],
    from_image: bool,
) -> Asked:
    """Read the fields of a request.

    Args:
        settings: what the client has set before.
        models: those of the service; `kinds`: of ControlNets.
        pixels: that a picture may have.
        file: gives the file at an address.
        from_image: whether it is one to `img2img`.

    Raises:
        UserError: with a fault for each field that can't be honoured.
    """
    faults: list[Fault] = []
    not_honoured: list[str] = []
    fields = Fields(given, faults)
    batch_size = fields.count("batch_size", 1, 1024) or 1
    body: dict[str, object] = {
        "prompt": fields.text("prompt"),
        "negative_prompt": fields.text("negative_prompt"),
        "seed": fields.count("seed", -1, 2**63 - 1),
        "num_inference_steps": fields.count("steps", 1, _MOST_STEPS),
        "guidance_scale": fields.number("cfg_scale", 0, 100),
        "width": fields.count("width", 64, _MOST_SIDE),
        "height": fields.count("height", 64, _MOST_SIDE),
        "num_images_per_prompt": batch_size * (fields.count("n_iter", 1, 1024) or 1),
        "scheduler": _scheduler(fields),
    }
    strength = fields.number("denoising_strength", 0, 1)
    eta = fields.number("eta", 0, 1)
    if eta is not None and eta != (0 if body["scheduler"] == "DDIM" else 1):
        not_honoured.append(f"eta is {eta:g}: samplers have their own, 0 for DDIM and 1 for others")
    size = (int(str(body["width"])), int(str(body["height"]))) if body["width"] and body["height"] else None
    for name in _NOISE:
        noise = fields.number(name, 0, 100)
        if noise is not None and noise != 1:
            not_honoured.append(f"{name} is {noise:g}: noise is as strong as the sampler's")
    if from_image:
        fields.expect("enable_hr", False)  # clients with one list of fields for both send it
        fields.skip(*_OF_HIRES)
        body |= _picture(fields, strength, size, pixels, file, not_honoured)
    else:
        fields.expect("init_images", [], [""])
        fields.expect("mask", "")
        body |= _hires(fields, body, strength, not_honoured)
    settings, keep = _overridden(fields, settings, models)
    if settings.clip_skip is not None:
        body["clip_skip"] = settings.clip_skip - 1
    image = body.get("image")
    units = _units(fields, kinds, image if isinstance(image, str) else None, size, pixels, file, not_honoured)
    if units:
        body["control"] = [unit.control for unit in units]
    send = fields.flag("send_images", True)
    with_pictures = fields.flag("include_init_images")
    for name, harmless in _NOTHING.items():
        fields.expect(name, *harmless)
    fields.skip(*_NO_MATTER)
    others = fields.rest()
    not_honoured += unknown(others, "img2img" if from_image else "txt2img")
    if faults:
        raise UserError.of(faults)
    hidden = {*others, *(() if with_pictures else ("init_images", "mask", "alwayson_scripts"))}
    return Asked(
        {name: value for name, value in body.items() if value is not None},
        settings,
        [unit.detected for unit in units if unit.detected is not None],
        send,
        {name: value for name, value in given.items() if name not in hidden},
        not_honoured,
        keep,
        batch_size,
    )


def read_settings(given: Mapping[str, object], settings: Settings, models: Sequence[str]) -> Settings:
    """The settings after a client's change of them.

    Raises:
        UserError: with a fault for each that can't be honoured.
    """
    faults: list[Fault] = []
    fields = Fields(given, faults)
    changed = _set(fields, settings, models)
    if faults:
        raise UserError.of(faults)
    return changed


def _set(fields: Fields, settings: Settings, models: Sequence[str]) -> Settings:
    model, skip, format = settings.model, settings.clip_skip, settings.format
    if named := fields.text("sd_model_checkpoint"):
        model = named.partition(" [")[0]
        if model not in models:
            valid = ", ".join(models)
            fields.fault("sd_model_checkpoint", f"there is no model {short_repr(named)}; there is {valid}", valid)
    skip = fields.count("CLIP_stop_at_last_layers", 1, 12) or skip
    if named := fields.text("samples_format").lower().replace("jpg", "jpeg"):
        format = named
        if named not in FORMATS:
            valid = ", ".join(FORMATS)
            fields.fault("samples_format", f"samples_format is {short_repr(named)}; valid are {valid}", valid)
    fields.expect("sd_vae", "None", "Automatic", "")
    fields.finish(("sd_model_checkpoint", "CLIP_stop_at_last_layers", "samples_format"))
    return Settings(model, skip, format)


def _overridden(fields: Fields, settings: Settings, models: Sequence[str]) -> tuple[Settings, bool]:
    """The settings of this request, and whether they stay."""
    given = fields.mapping("override_settings")
    keep = not fields.flag("override_settings_restore_afterwards", True)
    of_these: list[Fault] = []
    changed = _set(Fields(given, of_these, "override_settings: "), settings, models)
    for fault in of_these:
        fields.fault(fault.field, fault.message, fault.valid)
    return changed, keep and bool(given)


def _scheduler(fields: Fields) -> str | None:
    from pai_modelscope.images.foreign import scheduler_of

    named, older = fields.text("sampler_name"), fields.text("sampler_index")
    schedule = fields.text("scheduler")
    sampler = named or older or ("" if schedule.lower() in ("", "automatic") else _WEBUIS_SAMPLER)
    return scheduler_of(sampler, schedule or None) if sampler else None


def _hires(
    fields: Fields, body: Mapping[str, object], strength: float | None, not_honoured: list[str]
) -> dict[str, object]:
    """The second pass at a larger size."""
    on = fields.flag("enable_hr")
    if not on:
        fields.skip(*_OF_HIRES)
        return {}
    strength = None if strength is None else min(strength, _MOST_STRENGTH)
    factor = fields.number("hr_scale", 1, 16) or 2
    across, down = (fields.count(name, 0, 4 * _MOST_SIDE) or 0 for name in ("hr_resize_x", "hr_resize_y"))
    for name, side, drawn in (("hr_resize_x", across, body["width"]), ("hr_resize_y", down, body["height"])):
        if side and isinstance(drawn, int):
            factor = side / drawn
            if across and down and across * float(str(body["height"])) != down * float(str(body["width"])):
                fields.fault(name, f"{name} is {side}: a picture keeps its proportions")
    if factor not in _FACTORS:
        valid = " or ".join(map(str, _FACTORS))
        fields.fault("hr_scale", f"pictures are made {valid} times as large, not {factor:g} times", valid)
    upscaler = fields.text("hr_upscaler")
    if upscaler not in ("", "Lanczos"):
        not_honoured.append(f"hr_upscaler is {upscaler[:100]!r}: Lanczos is used")
    fields.expect("hr_second_pass_steps", 0, body["num_inference_steps"])
    fields.expect("hr_prompt", "", body["prompt"])
    fields.expect("hr_negative_prompt", "", body["negative_prompt"])
    fields.expect("hr_cfg", 0, body["guidance_scale"])
    for name in ("hr_sampler_name", "hr_scheduler", "hr_checkpoint_name"):
        fields.expect(name, *_SAME)
    fields.expect("hr_additional_modules", [])
    return {"upscale": int(factor), "upscaler": "hires", "upscale_strength": strength}


def _picture(
    fields: Fields,
    strength: float | None,
    size: tuple[int, int] | None,
    pixels: int,
    file: Callable[[str], bytes],
    not_honoured: list[str],
) -> dict[str, object]:
    """The picture to draw from, and the mask."""
    images = fields.several("init_images")
    strength = 0.75 if strength is None else strength
    body: dict[str, object] = {"strength": strength}
    how = fields.choice("resize_mode", RESIZE_MODES, "stretch")
    if len(images) != 1:
        fields.fault("init_images", f"init_images holds {len(images)} pictures; this service draws from one")
    else:
        body["image"] = _url("init_images", images[0], fields, file)
    mask = fields.take("mask")
    fill, invert = fields.count("inpainting_fill", 0, 3), fields.flag("inpainting_mask_invert")
    sharp = fields.flag("mask_round", True)
    only = fields.flag("inpaint_full_res", True)
    padding, blur = fields.count("inpaint_full_res_padding", 0, 1024), fields.count("mask_blur", 0, 1024)
    across, down = fields.count("mask_blur_x", 0, 1024), fields.count("mask_blur_y", 0, 1024)
    if across is not None and down is not None and across != down:
        fields.fault("mask_blur_x", "mask_blur_x and mask_blur_y differ: this service blurs alike")
    if not mask:
        return body | {"resize": how, "strength": min(strength, _MOST_STRENGTH)}
    if fill is not None and fill != 1:
        not_honoured.append(f"inpainting_fill is {_FILLS[fill]!r}: under the mask, drawing begins at the original")
    blurs = [each for each in (blur, across, down) if each is not None]
    body |= {"mask_blur": blurs[0] if blurs else 4, "mask": _url("mask", mask, fields, file)}
    if only:
        body |= {"mask_only": True, "mask_padding": padding or 0}
    if body.get("image") and body["mask"]:
        try:
            body |= _of_one_size(
                str(body["image"]), str(body["mask"]), None if only else size, how, pixels, invert=invert, sharp=sharp
            )
        except UserError as error:
            fields.fault("mask", str(error))
    return body


def _of_one_size(
    image: str, mask: str, size: tuple[int, int] | None, how: str, pixels: int, *, invert: bool, sharp: bool
) -> dict[str, object]:
    """Picture and mask as data URLs, in that size; None: in the picture's. The WebUI takes masks of any size.

    `sharp`: the mask has no grays; more than half is white.
    """
    from PIL import ImageChops

    from pai_modelscope.images.masks import How, resize
    from pai_modelscope.images.open_images import open_image, read_mask

    contents = [picture_bytes(each) for each in (image, mask)]
    for content in contents:
        check_pixels(content, pixels)
    opened, painted = open_image(contents[0]), read_mask(contents[1])
    if sharp:
        painted = painted.point([255 * (gray > 128) for gray in range(256)])
    if invert:
        painted = ImageChops.invert(painted)
    fit: How = how  # type: ignore[assignment]  # one of RESIZE_MODES
    size = size or opened.size
    same = {}
    for name, each in (("image", opened), ("mask", painted)):
        file = io.BytesIO()
        (each if each.size == size else resize(each, *size, fit).image).save(file, "PNG")
        same[name] = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return dict(same)


def _url(name: str, value: object, fields: Fields, file: Callable[[str], bytes]) -> str | None:
    try:
        return data_url(name, value, file)
    except UserError as error:
        fields.fault(name, str(error))
        return None


def _units(
    fields: Fields,
    kinds: Sequence[str],
    image: str | None,
    size: tuple[int, int] | None,
    pixels: int,
    file: Callable[[str], bytes],
    not_honoured: list[str],
) -> list[Unit]:
    faults: list[Fault] = []
    units: list[object] = []
    for name, script in fields.mapping("alwayson_scripts").items():
        args = script.get("args") if isinstance(script, dict) else None
        if not isinstance(args, list):
            fields.fault("alwayson_scripts", f"alwayson_scripts: {short_repr(name)} has no list 'args'")
        elif name.lower() == SCRIPT:
            units += args
        elif args and args[0] not in (False, None):
            fields.fault("alwayson_scripts", f"alwayson_scripts: this service has {SCRIPT}, and no {short_repr(name)}")
    if len(units) > MOST_UNITS:
        fields.fault(SCRIPT, f"controlnet: {len(units)} units are given; this service takes up to {MOST_UNITS}")
        return []
    read = [read_unit(unit, kinds, image, size, pixels, file, faults, not_honoured) for unit in units]
    for fault in faults:
        fields.fault(fault.field, fault.message, fault.valid)
    return [unit for unit in read if unit is not None]
