"""The fields of the page's form, and the request that they make; and back."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.serving.page.words import Words
from pai_modelscope.untrusted import read_bytes

if TYPE_CHECKING:
    from pai_modelscope.serving.service import Service

Mode = Literal["text", "picture", "mask", "control"]


@dataclass
class Form:
    """What the page's components hold, in their order. Pictures are paths of uploaded files; None and '' are left to
    the model. `painted` and `drawn`: of an editor, {'background', 'layers', 'composite'}."""

    prompt: str | None = None
    negative_prompt: str | None = None
    model: str | None = None
    num_inference_steps: str | None = None
    guidance_scale: str | None = None
    scheduler: str | None = None
    width: str | None = None
    height: str | None = None
    seed: str | None = None
    num_images_per_prompt: float | None = 1
    poem: str | None = None
    beautify: bool = False
    upscale: int | None = None
    upscaler: str | None = None
    scroll: bool = False
    image: str | None = None
    strength: float | None = None
    resize: str | None = None
    painted: Mapping[str, object] | None = None
    mask_strength: float | None = None
    mask_only: bool = False
    mask_blur: float | None = None
    left: float | None = None
    right: float | None = None
    top: float | None = None
    bottom: float | None = None
    drawn: Mapping[str, object] | None = None
    kind: str | None = None
    scale: float | None = None
    start: float | None = None
    end: float | None = None
    annotate: bool = True


FIELDS = tuple(field.name for field in fields(Form))
_ALWAYS = (
    "negative_prompt",
    "guidance_scale",
    "scheduler",
    "num_inference_steps",
    "width",
    "height",
    "num_images_per_prompt",
    "poem",
    "beautify",
    "upscale",
    "scroll",
)
_NUMBERS = ("num_inference_steps", "guidance_scale", "width", "height")  # which the form has as texts
_WHOLE = ("num_inference_steps", "width", "height", "num_images_per_prompt", "mask_blur")


def request_of(form: Form, mode: Mode, client: str, service: "Service", words: Words) -> dict[str, object]:
    """The body of a job.

    Raises:
        UserError: no picture where the mode needs one, a seed that is no number.
    """
    body: dict[str, object] = {"prompt": form.prompt or ""}
    body |= {name: value for name in _ALWAYS if (value := getattr(form, name)) not in (None, "", False)}
    for name in _NUMBERS:
        if name in body:
            body[name] = _number(str(body[name]), words)
    if form.seed and form.seed.strip():
        seeds = [_number(part, words) for part in form.seed.replace("，", ",").split(",")]
        body["seed"] = seeds[0] if len(seeds) == 1 else seeds
    if form.upscale and form.upscaler:
        body["upscaler"] = form.upscaler

    def upload(content: bytes) -> str:
        return service.uploads.add(client, content)

    if mode == "picture":
        body["image"] = upload(_file(form.image, words))
        body |= {name: value for name in ("strength", "resize") if (value := getattr(form, name)) is not None}
    elif mode == "mask":
        body |= _inpainting(form, upload, words)
    elif mode == "control":
        picture = _file((form.drawn or {}).get("composite"), words)
        entry: dict[str, object] = {"kind": form.kind, "image": upload(picture), "annotate": form.annotate}
        entry |= {name: value for name in ("scale", "start", "end") if (value := getattr(form, name)) is not None}
        body["control"] = [entry]
    for name in _WHOLE:
        if isinstance(value := body.get(name), float) and value.is_integer():
            body[name] = int(value)
    return body


def form_of(request: Mapping[str, object], model: str | None = None) -> Form:
    """What the form says for a request or for the parameters of a picture; pictures are not brought back."""
    form = Form()
    for name in ("prompt", *_ALWAYS, "upscaler", "strength", "resize", "mask_only", "mask_blur"):
        if (value := request.get(name)) is not None:
            setattr(form, name, _text_of(value) if name in _NUMBERS else value)
    form.prompt = str(request.get("prompt") or request.get("text") or "")
    seed = request.get("seed")
    form.seed = ",".join(map(str, seed)) if isinstance(seed, list | tuple) else None if seed is None else str(seed)
    form.model = model
    return form


def _text_of(number: object) -> str:
    """A number as one writes it: 3, though a file says 3.0."""
    if isinstance(number, float) and number.is_integer():
        return str(int(number))
    return str(number)


def _number(text: str, words: Words) -> int | float:
    try:
        number = float(text)
        return int(text) if "." not in text and number.is_integer() else number
    except (ValueError, OverflowError):
        raise UserError(words("bad_number", text[:100])) from None


def _inpainting(form: Form, upload: Callable[[bytes], str], words: Words) -> dict[str, object]:
    painted = form.painted or {}
    body: dict[str, object] = {"image": upload(_file(painted.get("background"), words))}
    sides = [int(getattr(form, name) or 0) for name in ("left", "right", "top", "bottom")]
    if any(sides):
        body["outpaint"] = sides
    else:
        body["mask"] = upload(_mask(painted.get("layers"), words))
        if form.mask_only:
            body["mask_only"] = True
    if form.mask_blur is not None:
        body["mask_blur"] = form.mask_blur
    if form.mask_strength is not None:
        body["strength"] = form.mask_strength
    return body


def _mask(layers: object, words: Words) -> bytes:
    """White where any layer of an editor is painted, as a PNG file."""
    from PIL import Image, ImageChops

    from pai_modelscope.images.open_images import open_alpha

    mask: Image.Image | None = None
    for layer in layers if isinstance(layers, list) else []:
        alpha = open_alpha(_file(layer, words))
        if alpha is not None:
            mask = alpha if mask is None else ImageChops.lighter(mask, alpha)
    if mask is None or mask.getextrema()[1] == 0:
        raise UserError(words("no_mask"))
    file = io.BytesIO()
    mask.point(lambda value: 255 if value > 0 else 0).save(file, "PNG")
    return file.getvalue()


def _file(path: object, words: Words) -> bytes:
    """Raises `UserError`: there is none."""
    if not isinstance(path, str):
        raise UserError(words("no_image"))
    return read_bytes(path, limits.PICTURE_BYTES)
