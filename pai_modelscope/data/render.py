"""Vector pictures to pixels."""

import io

import resvg_py
from PIL import Image

from pai_modelscope.errors import UserError


def render_svg(svg: str, size: int | tuple[int, int]) -> Image.Image:
    """Render an SVG document, RGBA with a transparent ground.

    Args:
        svg: a complete `<svg>` element; without a `width` and `height` the view box decides the proportions.
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
        raise UserError(f"not a valid SVG: {error}. Give a complete <svg> element with a viewBox.") from error
    image = Image.open(io.BytesIO(bytes(data))).convert("RGBA")
    return image if image.size == (width, height) else _centre(image, width, height)


def _centre(image: Image.Image, width: int, height: int) -> Image.Image:
    image.thumbnail((width, height), Image.Resampling.LANCZOS)
    ground = Image.new("RGBA", (width, height))
    ground.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return ground
