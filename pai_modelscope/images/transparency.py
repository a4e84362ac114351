"""What a mask with transparency means: alpha is the mask where white is painted; what nobody sees decides nothing."""

from PIL import Image, ImageChops

from pai_modelscope.errors import UserError

_GRAY = 16  # levels by which the channels of black, gray and white may differ
_HALF = 128
_NEARLY = 32  # levels that black and white may be off


def mask_of(picture: Image.Image, name: str) -> Image.Image:
    """The mask in L of a picture in RGBA: white where it counts, black where it does not.

    Where alpha is the same everywhere, the luminance is the mask. Where alpha varies, it is the mask of what is painted
    in white: a pixel without paint is black. So white strokes on a transparent layer are white, soft edges gray, and
    black strokes among them black. The colour that a file stores under alpha 0 is never looked at.

    What is black or has grays or colours beside transparency is refused: a brush means what is painted, a photograph
    with a hole what was erased, and a black layer may be either.

    Args:
        name: what messages begin with, such as "The mask".

    Raises:
        UserError: transparent all over, or one of those that may mean either.
    """
    alpha = picture.getchannel("A")
    levels = [level for level, count in enumerate(alpha.histogram()) if count]
    if levels == [0]:
        raise UserError(f"{name} is transparent all over: paint in white what counts.")
    if len(levels) == 1:
        return picture.convert("RGB").convert("L")
    painted = Image.new("RGB", picture.size)
    painted.paste(picture, mask=alpha)
    red, green, blue = painted.split()
    pairs = (red, green), (green, blue), (red, blue)
    coloured = any(sum(ImageChops.difference(*pair).histogram()[_GRAY + 1 :]) for pair in pairs)
    mask = painted.convert("L")
    # Grays count in opaque pixels alone: at the edge of a stroke, programs store them with errors.
    shades = picture.convert("RGB").convert("L").histogram(alpha.point(lambda value: 255 if value >= _HALF else 0))
    elsewhere = ""
    if coloured:
        elsewhere = "has colours"
    elif 4 * sum(shades[_NEARLY : 256 - _NEARLY]) > sum(shades):
        elsewhere = "is gray"
    elif sum(shades) and not sum(shades[_HALF:]):
        elsewhere = "is black"
    if elsewhere:
        raise UserError(
            f"{name} is transparent in places and {elsewhere} elsewhere, which can mean what is painted or what was "
            "erased: give white where it counts and black where it does not, without transparency."
        )
    return mask
