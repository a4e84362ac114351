"""A finished picture made larger: drawn over at the large size, as the WebUI's hires fix does, or by an upscaler."""

from collections.abc import Set
from dataclasses import dataclass

from PIL import Image

from pai_modelscope.config import UPSCALE_STRENGTH, UPSCALER, GenerationRequest
from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import Fault, UserError
from pai_modelscope.images.upscalers.registry import UPSCALERS, offered
from pai_modelscope.sampling.init_image import InitImage, opened

HIRES = "hires"  # the upscaler that draws over; the others are in the registry


@dataclass(frozen=True)
class Upscale:
    """How a finished picture becomes `factor` times larger per side; `strength`: how far 'hires' goes from it."""

    factor: int
    upscaler: str  # 'hires', or a name of the registry
    strength: float = 0.0

    @property
    def draws_over(self) -> bool:
        """Whether the model draws the picture a second time, at the large size."""
        return self.upscaler == HIRES


def upscaler_faults(name: object) -> list[Fault]:
    """That no upscaler has the name; what is no text has a fault already."""
    if not isinstance(name, str) or name == HIRES or name in UPSCALERS:
        return []
    valid = ", ".join(map(repr, (HIRES, *offered())))
    return [Fault("upscaler", f"upscaler is {short_repr(name)}; valid are {valid}", valid)]


def other_upscalers() -> str:
    """What can be chosen in place of 'hires', as a message says it."""
    return " or ".join(map(repr, offered()))


def resolve_upscale(
    values: GenerationRequest, asked: Set[str], size: tuple[int, int] | None, most: int
) -> Upscale | None:
    """How the finished picture of a request becomes larger; None where it stays.

    `values`: the request with every default in its place; `asked`: the options that the user set, not the model's
    folder; `size`: width and height of the finished picture where they are known to be right; `most`: pixels a side.

    Raises:
        UserError: with a fault for each value that can't work with the others.
    """
    if values.upscale is None:
        needless = [name for name in ("upscaler", "upscale_strength") if name in asked]
        faults = [Fault(name, f"{name} is given without upscale: give upscale too") for name in needless]
        if faults:
            raise UserError.of(faults)
        return None
    upscaler = UPSCALER if values.upscaler is None else values.upscaler
    strength = UPSCALE_STRENGTH if values.upscale_strength is None else values.upscale_strength
    faults = _size_faults(values.upscale, size, most)
    draws_over = upscaler == HIRES
    faults += _hires_faults(values, strength) if draws_over else _plain_faults(upscaler, asked)
    if faults:
        raise UserError.of(faults)
    return Upscale(values.upscale, upscaler, float(strength) if draws_over else 0.0)


def _size_faults(factor: int, size: tuple[int, int] | None, most: int) -> list[Fault]:
    if size is None or max(size) * factor <= most:
        return []
    large = "x".join(str(side * factor) for side in size)
    message = f"upscale {factor} of {size[0]}x{size[1]} pixels is {large}; at most {most} a side: choose a smaller size"
    return [Fault("upscale", message, f"at most {most} pixels a side")]


def _plain_faults(upscaler: str, asked: Set[str]) -> list[Fault]:
    """Of an upscaler that draws nothing over."""
    if "upscale_strength" in asked:
        message = f"upscale_strength is given, and upscaler '{upscaler}' draws nothing over: leave one of them out"
        return [Fault("upscale_strength", message)]
    try:
        UPSCALERS[upscaler].check()
    except UserError as error:
        return [Fault("upscaler", str(error))]
    return []


def _hires_faults(values: GenerationRequest, strength: float) -> list[Fault]:
    if values.mask is not None or values.outpaint is not None:
        others = other_upscalers()
        message = (
            f"upscaler '{HIRES}' would draw over what the mask keeps of the image: choose upscaler {others}, or "
            "enlarge the finished picture by image and strength"
        )
        return [Fault("upscaler", message, others)]
    steps = values.num_inference_steps or 0
    if int(steps * strength) < 1:
        message = f"upscale_strength {strength} of {steps} steps is no step at all: give more of one"
        return [Fault("upscale_strength", message)]
    return []


def passes(upscale: Upscale | None, pictures: int) -> int:
    """How often the model draws for a batch: once for all of it, and for every picture that is drawn over."""
    return 1 + pictures * (upscale is not None and upscale.draws_over)


def enlarged(picture: Image.Image, upscale: Upscale) -> InitImage:
    """A finished picture, enlarged by Lanczos, as the initial image of its second pass."""
    width, height = (side * upscale.factor for side in picture.size)
    return InitImage(opened(picture.resize((width, height), Image.Resampling.LANCZOS), "image"), upscale.strength)


def upscale_values(upscale: Upscale | None, steps: int, from_text: bool) -> dict[str, object]:
    """What an infotext must say, in A1111's names: there, an upscaler without a second pass is postprocessing."""
    if upscale is None:
        return {}
    if not upscale.draws_over:
        name = UPSCALERS[upscale.upscaler].infotext_name
        return {"Postprocess upscale by": upscale.factor, "Postprocess upscaler": name}
    # Drawn from text, the picture has no other strength; else that name is taken by the first pass.
    return {
        "Denoising strength" if from_text else "Hires denoising strength": upscale.strength,
        "Hires upscale": upscale.factor,
        "Hires steps": int(steps * upscale.strength),
        "Hires upscaler": "Lanczos",
    }
