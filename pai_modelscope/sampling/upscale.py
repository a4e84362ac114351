"""A finished picture made larger: drawn over at the large size, as the WebUI's hires fix does, or by Real-ESRGAN."""

from dataclasses import replace
from typing import Any

from PIL import Image

from pai_modelscope.config import UPSCALE_STRENGTH, UPSCALER, GenerationOptions
from pai_modelscope.errors import UserError
from pai_modelscope.images import realesrgan
from pai_modelscope.sampling.init_image import open_still


def settle_upscale(values: dict[str, Any], asked: set[str], size: tuple[int, int] | None, most: int) -> list[str]:
    """Settle in place how the finished picture becomes larger; returns what is wrong.

    `asked`: the options that the user set, not the model's folder; `size`: width and height of the finished picture
    where they are known to be right; `most`: pixels a side.
    """
    if values["upscale"] is None:
        values["upscaler"] = values["upscale_strength"] = None
        needless = [name for name in ("upscaler", "upscale_strength") if name in asked]
        return [f"{name} is given without upscale: give upscale too" for name in needless]
    if values["upscaler"] is None:
        values["upscaler"] = UPSCALER
    return _factor_problems(values["upscale"], size, most) + _upscaler_problems(values, asked)


def _factor_problems(factor: int, size: tuple[int, int] | None, most: int) -> list[str]:
    if size is None or max(size) * factor <= most:
        return []
    large = "x".join(str(side * factor) for side in size)
    return [f"upscale {factor} of {size[0]}x{size[1]} pixels is {large}; at most {most} a side: choose a smaller size"]


def _upscaler_problems(values: dict[str, Any], asked: set[str]) -> list[str]:
    if values["upscaler"] == "hires":
        return _hires_problems(values)
    values["upscale_strength"] = None
    if "upscale_strength" in asked:
        return ["upscale_strength is given, and upscaler 'realesrgan' draws nothing over: leave one of them out"]
    try:
        realesrgan.check_installed()
    except UserError as error:
        return [str(error)]
    return []


def _hires_problems(values: dict[str, Any]) -> list[str]:
    if values["mask"] is not None or values["outpaint"] is not None:
        return [
            "upscaler 'hires' would draw over what the mask keeps of the image: choose upscaler 'realesrgan', or "
            "enlarge the finished picture by image and strength"
        ]
    if values["upscale_strength"] is None:
        values["upscale_strength"] = UPSCALE_STRENGTH
    strength, steps = values["upscale_strength"], values["num_inference_steps"]
    if int(steps * strength) < 1:
        return [f"upscale_strength {strength} of {steps} steps is no step at all: give more of one"]
    return []


def passes(options: GenerationOptions, pictures: int) -> int:
    """How often the model draws for a batch: once for all of it, and for every picture that is drawn over."""
    return 1 + pictures * (options.upscaler == "hires")


def drawn_over(options: GenerationOptions, picture: Image.Image) -> GenerationOptions:
    """The options that draw a finished picture over: it is enlarged, and the image that the second pass starts from."""
    assert options.upscale is not None
    width, height = (side * options.upscale for side in picture.size)
    start = open_still(picture.resize((width, height), Image.Resampling.LANCZOS), "image")
    return replace(options, image=start, strength=options.upscale_strength, width=width, height=height, upscale=None)


def upscale_values(options: GenerationOptions) -> dict[str, Any]:
    """What an infotext must say, in A1111's names: there, Real-ESRGAN without a second pass is postprocessing."""
    if options.upscale is None:
        return {}
    if options.upscaler == "realesrgan":
        return {"Postprocess upscale by": options.upscale, "Postprocess upscaler": realesrgan.NAME}
    assert options.num_inference_steps and options.upscale_strength
    # Drawn from text, the picture has no other strength; else that name is taken by the first pass.
    name = "Denoising strength" if options.image is None else "Hires denoising strength"
    return {
        name: float(options.upscale_strength),
        "Hires upscale": options.upscale,
        "Hires steps": int(options.num_inference_steps * options.upscale_strength),
        "Hires upscaler": "Lanczos",
    }
