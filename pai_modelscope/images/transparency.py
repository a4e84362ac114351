"""What a mask with transparency means: where alpha varies, alpha is the mask; what nobody sees decides nothing."""

import warnings

from PIL import Image, ImageChops

from pai_modelscope.errors import UserError

_SAME = 32  # levels by which what is painted in one colour may differ, as programs round it
_HALF = 128


def mask_of(picture: Image.Image, name: str) -> Image.Image:
    """Make a mask in L of a picture in RGBA: white where it counts, black where it does not.

    Where alpha varies, alpha is the mask, whatever colour is painted, as in Stable Diffusion WebUI: strokes on a
    transparent layer are white, their soft edges gray. Where alpha is the same everywhere, luminance is the mask. The
    colour that a file stores under alpha 0 is never looked at.

    A picture that is opaque in several colours, such as a photograph with a hole, is warned of: what is erased there
    may be meant.

    Args:
        name: what messages begin with, such as "The mask".

    Raises:
        UserError: transparent all over.
    """
    alpha = picture.getchannel("A")
    least, most = alpha.getextrema()
    if most == 0:
        raise UserError(f"{name} is transparent all over: paint what counts.")
    if least == most:
        return picture.convert("RGB").convert("L")
    if _several_colours(picture, alpha):
        warnings.warn(
            f"{name} is transparent in places and has several colours elsewhere: its opaque part counts, whatever the "
            "colours. To have white count and black not, give it without transparency.",
            stacklevel=2,
        )
    return alpha


def coloured(picture: Image.Image) -> bool:
    """Whether more than a twentieth of the pixels are of a colour, not gray."""
    _, saturation, value = picture.convert("RGB").convert("HSV").split()
    vivid = ImageChops.multiply(saturation, value).point(lambda level: 255 if level > _SAME else 0)
    return vivid.histogram()[255] * 20 > picture.width * picture.height


def _several_colours(picture: Image.Image, alpha: Image.Image) -> bool:
    """Whether opaque pixels differ; at the edge of a stroke, programs store colours with errors."""
    opaque = alpha.point(lambda value: 255 if value >= _HALF else 0)
    bands = picture.convert("RGB").split()
    levels = [[level for level, count in enumerate(band.histogram(opaque)) if count] for band in bands]
    return any(places and places[-1] - places[0] > _SAME for places in levels)
