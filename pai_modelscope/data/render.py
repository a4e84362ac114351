"""Vector pictures to pixels."""

import io

import resvg_py
from PIL import Image, ImageColor

from pai_modelscope.errors import UserError
from pai_modelscope.images.colors import NAMED_COLOURS

Background = str | tuple[int, int, int]


def render_svg(svg: str, size: int | tuple[int, int]) -> Image.Image:
    """Render an SVG document, RGBA with a transparent ground.

    Args:
        svg: a complete `<svg>` element; its view box decides the proportions.
        size: pixels, one number for a square or (width, height); the picture is centred in it undistorted.

    Raises:
        UserError: the text is no SVG, or the size is not positive.
    """
    width, height = (size, size) if isinstance(size, int) else size
    if width < 1 or height < 1:
        raise UserError(f"size is {width}x{height}; give positive numbers of pixels.")
    try:
        # dpi: resvg_py's own default of 0 collapses lengths given in pt or mm. Fonts: the same pixels on every machine.
        data = resvg_py.svg_to_bytes(svg_string=svg, width=width, height=height, dpi=96, skip_system_fonts=True)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"This is no valid SVG: {reason}. Give a complete <svg> element with a viewBox.") from error
    image = Image.open(io.BytesIO(bytes(data))).convert("RGBA")
    return image if image.size == (width, height) else _centre(image, width, height)


def _centre(image: Image.Image, width: int, height: int) -> Image.Image:
    image.thumbnail((width, height), Image.Resampling.LANCZOS)
    ground = Image.new("RGBA", (width, height))
    ground.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return ground


def colour(background: Background) -> tuple[int, int, int]:
    """A background as sRGB, 0 to 255: a Chinese name of the palette, an HTML colour ("#ffcc00", "teal"), or a triple.

    Raises:
        UserError: the colour is unknown.
    """
    if isinstance(background, str):
        try:
            red, green, blue = NAMED_COLOURS.get(background) or ImageColor.getrgb(background)[:3]
            return red, green, blue
        except ValueError:
            background = repr(background)
    elif len(background) == 3 and all(isinstance(value, int) and 0 <= value <= 255 for value in background):
        return background
    raise UserError(
        f"{background} is no background colour. Give one of {', '.join(NAMED_COLOURS)}, an HTML colour such as "
        "#ffcc00, three numbers from 0 to 255, or None for a transparent ground."
    )


def on_background(picture: Image.Image, background: Background | None) -> Image.Image:
    """An RGBA picture over a plain colour, RGB; unchanged where `background` is None."""
    if background is None:
        return picture
    ground = Image.new("RGBA", picture.size, (*colour(background), 255))
    return Image.alpha_composite(ground, picture).convert("RGB")
