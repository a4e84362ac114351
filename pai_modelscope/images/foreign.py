"""Parameters of other programs: what they mean here, and those that change a picture and can't be repeated."""

import math
import warnings
from collections.abc import Mapping

from pai_modelscope.errors import first_few
from pai_modelscope.images.infotext_values import READ, number, size, unreadable
from pai_modelscope.images.upscalers.registry import INFOTEXT_NAMES

# Spellings of one schedule. 'Uniform' and 'Normal' are a sampler without one; diffusers' documentation has
# 'SGM Uniform' and 'Simple' as one, and the polyexponential one with its usual rho of 1 is the exponential one.
_SCHEDULES = {
    "automatic": "",
    "uniform": "",
    "normal": "",
    "default": "",
    "none": "",
    "karras": "Karras",
    "exponential": "Exponential",
    "polyexponential": "Exponential",
    "sgmuniform": "SGM Uniform",
    "simple": "SGM Uniform",
}
# What 'Automatic' means to the WebUI from 1.9 on and to Forge; to other samplers, none.
_AUTOMATIC = {
    "DPM++ 2M": "Karras",
    "DPM++ SDE": "Karras",
    "DPM++ 2M SDE": "Exponential",
    "DPM++ 2M SDE Heun": "Exponential",
    "DPM++ 2S a": "Karras",
    "DPM++ 3M SDE": "Exponential",
    "DPM2": "Karras",
    "DPM2 a": "Karras",
    "Restart": "Karras",
}
_WITHOUT_SCHEDULE = ("DDIM", "DDIM CFG++", "PLMS", "PNDM", "UniPC")  # the WebUI names one, and doesn't use it

# What changes no pixel: names, hashes, versions, and what the prompt was made of.
_HARMLESS = frozenset(
    """App|Backend|Batch|Civitai metadata|Civitai resources|Comment|Created Date|Date|Fooocus V2 Expansion|Grid|
    Hashes|Hires force|Index|Init image hash|Init image size|Lora hashes|Model hash|Negative Template|Operations|Parser|
    Pipeline|Refiner hash|Resize|Schedule type|Second pass|Seed|Software|Source|Source Identifier|Styles|TI|TI hashes|
    Template|Time taken|User|VAE hash|Version|Wildcard prompt|Wildcard negative prompt""".replace("\n", "")
    .replace("    ", "")
    .split("|")
)
# Values that mean: as if the parameter were not there.
_NEUTRAL = {
    "Conditional mask weight": "1",
    "Diffusion in Low Bits": "Automatic",
    "ENSD": "0",
    "Emphasis": "Original",
    "Eta": "1",
    "Eta DDIM": "0",
    "FP8 weight": "Disable",
    "Hires upscaler": "Lanczos",
    "Image CFG scale": "1",
    "Mask mode": "Inpaint masked",
    "Masked content": "original",
    "NGMS": "0",
    "Noise multiplier": "1",
    "RNG": "CPU",  # where noise is drawn here, too
    "Schedule rho": "0",
    "Token merging ratio": "0",
    "Token merging ratio hr": "0",
    "ToMe": "0",
    "Variation seed strength": "0",
    "Variation strength": "0",
}
_NOTHING = ("", "none", "false", "disable", "disabled")
# Extensions with many parameters are named once.
_FAMILIES = ("ADetailer", "ControlNet", "Dynamic thresholding", "FreeU", "freeu", "Regional", "Refiner", "Tiled", "RP")
_MOST_NAMED = 12
_LONGEST_SIDE = 2**20


def scheduler_of(sampler: str, schedule: str | None) -> str:
    """Give one name of ours for a sampler and the type of its schedule, which the sampler's name may hold as well.

    `('DPM++ 2M Karras', 'Karras')` and `('DPM++ 2M', 'Karras')` are the same. A schedule that is not here stays in the
    name, for a message.
    """
    if schedule is None or sampler in _WITHOUT_SCHEDULE:
        return sampler
    plain = schedule.lower().replace(" ", "").replace("_", "")
    name = _SCHEDULES.get(plain, schedule)
    if plain == "automatic":
        name = _AUTOMATIC.get(sampler, "")
    return sampler if sampler.lower().endswith(name.lower()) else f"{sampler} {name}"


def translated(values: Mapping[str, str]) -> dict[str, str]:
    """Translate values to the names that this program reads: the sampler whole, and the hires fix of every age.

    Raises:
        UserError: a size that is none.
    """
    translation = dict(values)
    if translation.get("Sampler", "").lower() in ("default", "none", ""):  # SD.Next's name for the model's own
        translation.pop("Sampler", None)
    else:
        translation["Sampler"] = scheduler_of(translation["Sampler"], translation.get("Schedule type"))
    _undo_first_pass(translation)
    _hires_size(translation)
    if "Init image" not in translation and "Denoising strength" in translation and _hires(translation):
        # Drawn from text, a picture has no strength but its second pass's, which the WebUI calls so.
        translation["Hires denoising strength"] = translation.pop("Denoising strength")
    if "Init image" not in translation and _equal(translation.get("Denoising strength", ""), "0"):
        del translation["Denoising strength"]  # that of no second pass
    if translation.get("Inpaint area") == "Only masked":
        translation["Mask only"] = "True"
    if "Masked area padding" in translation:
        translation["Mask padding"] = translation["Masked area padding"]
    return translation


def _hires(values: Mapping[str, str]) -> bool:
    return any(name.startswith("Hires") for name in values)


def _undo_first_pass(values: dict[str, str]) -> None:
    """The WebUI before 2023 told the finished size, and the first pass's beside it; 0x0 is one of about 512x512."""
    if "First pass size" not in values or "Size" not in values:
        return
    whole, first = _sides(values, "Size"), _sides(values, "First pass size")
    if not all(first) and all(whole):
        shrink = math.sqrt(512 * 512 / (whole[0] * whole[1]))
        first = tuple(math.ceil(shrink * side / 64) * 64 for side in whole)
    values["Size"], values["Hires resize"] = ("x".join(map(str, sides)) for sides in (first, whole))


def _hires_size(values: dict[str, str]) -> None:
    """The second pass's size as a factor, where it keeps the picture's proportions. SD.Next calls the factor scale."""
    if "Hires scale" in values:
        values.setdefault("Hires upscale", values["Hires scale"])
    if "Hires resize" not in values or "Size" not in values:
        return
    sides = zip(_sides(values, "Hires resize"), _sides(values, "Size"), strict=True)
    factors = {large / small for large, small in sides if large and small}
    if len(factors) == 1:
        values["Hires upscale"] = f"{factors.pop():.4g}"
        del values["Hires resize"]


def _sides(values: Mapping[str, str], name: str) -> tuple[int, ...]:
    try:
        sides = size(values[name])
        if max(sides) > _LONGEST_SIDE or min(sides) < 0:
            raise ValueError(f"sides from 0 to {_LONGEST_SIDE} are right")
    except ValueError as error:
        raise unreadable(name, values[name], str(error)) from None
    return sides


def warn_of_others(values: Mapping[str, str]) -> None:
    """Warn once of what changed the picture and is not repeated here; `values` as `translated` gives them."""
    if values.get("Version", "").startswith("pai_modelscope "):
        return
    names = dict.fromkeys(_family(name) for name, value in values.items() if _changes(name, value, values))
    if not names:
        return
    phrases = [f"{name}: {values[name][:40]}" if name in values else f"{name} (several)" for name in names]
    warnings.warn(
        f"The picture's parameters say what this program doesn't repeat, so that it will look different: "
        f"{first_few(phrases, _MOST_NAMED)}.",
        stacklevel=2,
    )


def _family(name: str) -> str:
    return next((family for family in _FAMILIES if name.startswith(family + " ")), name)


def _changes(name: str, value: str, values: Mapping[str, str]) -> bool:
    if name == "Embeddings":
        return not value.startswith("[")
    if name == "Variation seed":
        strength = values.get("Variation seed strength", values.get("Variation strength", "0"))
        return not _equal(strength, "0")
    if name == "Postprocess upscaler" and value in INFOTEXT_NAMES:
        return False
    if name == "Hires steps":  # 0: as many as the first pass
        return value not in ("0", values.get("Steps"))
    if name in ("Hires sampler", "Hires schedule type", "Hires checkpoint"):
        same = values.get({"Hires sampler": "Sampler", "Hires schedule type": "Schedule type"}.get(name, ""))
        return not value.startswith("Use same") and value != same
    if name in READ or name in _HARMLESS or name in ("First pass size", "Hires scale", "Inpaint area"):
        return False
    if name == "Masked area padding" or value.lower() in _NOTHING:
        return False
    return not _equal(value, _NEUTRAL.get(name))


def _equal(value: str, neutral: str | None) -> bool:
    """'1.0' is '1'."""
    if neutral is None or value == neutral:
        return value == neutral
    try:
        return number(value) == number(neutral)
    except ValueError:
        return False
