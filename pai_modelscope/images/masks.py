"""Where pictures and masks lie: other sizes and the way back, boxes around a mask, pasting, larger canvases.

A mask is a picture in mode L: white (255) is repainted, black (0) stays.
"""

import math
from dataclasses import dataclass
from typing import Literal, TypeGuard, get_args

import numpy as np
from PIL import Image, ImageFilter

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.images.decoding import dimensions

How = Literal["fit", "crop", "stretch"]
Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels from the top left corner; right and bottom lie just outside."""


def blur(mask: Image.Image, radius: float) -> Image.Image:
    """Give a mask soft edges: a Gaussian whose standard deviation is `radius` pixels; 0 changes nothing.

    The edge spreads to both sides: `grow` first where the masked region must be repainted in full.

    Raises:
        UserError: a radius that is negative or no number.
    """
    _check_mask(mask)
    if not _number(radius) or not 0 <= radius <= 1024:
        raise UserError(f"The mask's blur is {radius!r}; valid are 0 to 1024 pixels.")
    return mask.filter(ImageFilter.GaussianBlur(radius))


def grow(mask: Image.Image, pixels: int) -> Image.Image:
    """Make a mask larger by `pixels` in every direction (a disc); negative: smaller, but not from the picture's edge.

    Raises:
        UserError: not a whole number from -512 to 512.
    """
    _check_mask(mask)
    if not _whole(pixels) or abs(pixels) > 512:
        raise UserError(f"The mask is to grow by {pixels!r}; valid are whole pixels from -512 to 512.")
    import cv2

    radius = abs(int(pixels))
    across = np.arange(-radius, radius + 1) ** 2
    disc = (across[:, None] + across[None, :] <= radius * radius).astype(np.uint8)
    return Image.fromarray((cv2.dilate if pixels >= 0 else cv2.erode)(np.asarray(mask), disc))


def box_of(mask: Image.Image, padding: int, size: tuple[int, int] | None = None) -> Box:
    """Choose the part of a picture to draw alone, so that a small region is painted in full resolution.

    The bounding box of what the mask does not leave as it is, `padding` pixels more on each side, widened or heightened
    to the ratio of `size`, and moved to lie inside the picture. Where the picture is too small for that ratio, the box
    ends at its edges. (The WebUI's inpaint area "only masked".)

    Args:
        mask: of the picture's size.
        padding: pixels from 0.
        size: width and height that the box will be drawn at; None: the ratio is left as it is.

    Raises:
        UserError: nothing is masked, a negative padding, no such size.
    """
    _check_mask(mask)
    if not _whole(padding) or padding < 0:
        raise UserError(f"The padding is {padding!r}; valid are whole pixels from 0.")
    bounds = mask.getbbox()
    if bounds is None:
        raise UserError("The mask leaves nothing to repaint: paint the region white.")
    left, top, right, bottom = bounds
    spans = [(max(0, left - padding), min(mask.width, right + padding))]
    spans += [(max(0, top - padding), min(mask.height, bottom + padding))]
    if size is not None:
        check_size(*size)
        lengths = [end - start for start, end in spans]
        scale = max(length / side for length, side in zip(lengths, size, strict=True))
        wanted = [max(length, round(side * scale)) for length, side in zip(lengths, size, strict=True)]
        spans = [_widen(span, length, most) for span, length, most in zip(spans, wanted, mask.size, strict=True)]
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


def paste(original: Image.Image, painted: Image.Image, mask: Image.Image, box: Box | None = None) -> Image.Image:
    """Paste what was painted into the picture: where the mask is 0, bit for bit the original; grays blend.

    Args:
        original: RGB, RGBA or L.
        painted: what was drawn of `box`, in any size; it is scaled to the box.
        mask: of the original's size.
        box: the part of the original that was drawn, as from `box_of`; None: all. Nothing outside changes.

    Raises:
        UserError: the mask has another size, the box reaches beyond the picture, another mode.
    """
    _check_mask(mask)
    if original.mode not in ("RGB", "RGBA", "L"):
        raise UserError(f"The picture has mode {original.mode}; valid are RGB, RGBA and L: convert it.")
    if mask.size != original.size:
        raise UserError(
            f"The mask is {dimensions(mask.size)} and the picture {dimensions(original.size)}: give a mask of its size."
        )
    box = box or (0, 0, *original.size)
    if not (0 <= box[0] < box[2] <= original.width and 0 <= box[1] < box[3] <= original.height):
        raise UserError(f"The box {box} does not lie inside the picture of {dimensions(original.size)}.")
    fitting = painted.convert(original.mode).resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.LANCZOS)
    result = original.copy()
    result.paste(fitting, box, mask.crop(box))
    return result


def outpaint(
    image: Image.Image, left: int = 0, right: int = 0, top: int = 0, bottom: int = 0, overlap: int = 16, seed: int = 0
) -> tuple[Image.Image, Image.Image]:
    """Make a larger RGB canvas around the picture and the mask of what is to be painted on it.

    Image-to-image keeps the coarse colours that it starts from, so the new area continues those of the picture's
    border, the more blurred the further out: repeated border pixels alone would be kept as streaks. Noise as strong as
    the border's own detail goes on top, because what starts perfectly smooth is drawn smooth.

    Args:
        image: laid in unchanged.
        left, right, top, bottom: pixels to add.
        overlap: pixels of the picture beside a new area that are repainted with it, so that no seam shows; 16 are two
            latents. At most a quarter of the picture.
        seed: of the noise.

    Raises:
        UserError: negative numbers, nothing to add, a canvas beyond 64 megapixels.
    """
    margins = {"left": left, "right": right, "top": top, "bottom": bottom, "overlap": overlap, "seed": seed}
    wrong = [f"{name}={value!r}" for name, value in margins.items() if not _whole(value) or value < 0]
    if wrong or not (left or right or top or bottom):
        raise UserError(
            f"Outpainting by {', '.join(wrong) or 'nothing'}: give pixels from 0 for left, right, top and bottom, "
            "not all of them 0."
        )
    width, height = image.width + left + right, image.height + top + bottom
    check_size(width, height)
    canvas = _continued(np.asarray(image.convert("RGB")), (top, bottom), (left, right), seed)
    kept = [min(overlap, side // 4) for side in image.size]
    mask = np.full((height, width), 255, np.uint8)
    rows = slice(top + (kept[1] if top else 0), height - bottom - (kept[1] if bottom else 0))
    columns = slice(left + (kept[0] if left else 0), width - right - (kept[0] if right else 0))
    mask[rows, columns] = 0
    return Image.fromarray(canvas), Image.fromarray(mask)


@dataclass(frozen=True)
class Resized:
    """A picture brought to another size, and where its parts came from; the part `source` now fills `inside`."""

    image: Image.Image
    size: tuple[int, int]  # of the picture before, width and height in pixels
    source: Box  # the part of the picture before that is shown
    inside: Box  # where it lies in `image`

    def apply(self, other: Image.Image) -> Image.Image:
        """Do the same to another picture of the same size, e.g. the mask (mode L, whose added border is black)."""
        _check_size_is(other, self.size)
        return _place(other, self.image.size, self.source, self.inside)

    def back(self, drawn: Image.Image) -> Image.Image:
        """Undo it for a picture of the new size: its part `inside`, in the size of `source`, to be pasted there."""
        _check_size_is(drawn, self.image.size)
        width, height = self.source[2] - self.source[0], self.source[3] - self.source[1]
        return drawn.resize((width, height), _filter(drawn), box=self.inside)


def resize(image: Image.Image, width: int, height: int, how: How = "crop") -> Resized:
    """Resize a picture to `width` x `height` pixels.

    Args:
        image: any mode; L is treated as a mask.
        how: 'fit' shows the whole picture and continues its border outwards, more and more blurred: a border in one
            colour begins with a step, which image-to-image draws as a frame, and repeated pixels alone stay streaks.
            'crop' fills the size and cuts off equally on both sides. 'stretch' distorts.

    Raises:
        UserError: no positive size, more than 64 megapixels, no such `how`.
    """
    check_size(width, height)
    if how not in get_args(How):
        raise UserError(f"how is {how!r}; valid are {', '.join(get_args(How))}.")
    whole, target = (0, 0, *image.size), (0, 0, width, height)
    source = _middle(image.size, (width, height)) if how == "crop" else whole
    inside = _middle((width, height), image.size) if how == "fit" else target
    return Resized(_place(image, (width, height), source, inside), image.size, source, inside)


def nearest_size(image: Image.Image, multiple: int = 8, around: int | tuple[int, int] | None = None) -> tuple[int, int]:
    """Choose width and height to draw a picture at: its aspect ratio, sides that are multiples, about as many pixels.

    Args:
        image: whose aspect ratio is kept, to half a multiple a side.
        multiple: pixels; 8 is what one latent covers.
        around: the size that the model draws best, as a side of a square or width and height; None: the picture's own.

    Raises:
        UserError: a number that is not positive.
    """
    wanted = image.size if around is None else (around, around) if isinstance(around, int) else around
    check_size(*wanted)
    check_size(multiple, multiple)
    scale = math.sqrt(wanted[0] * wanted[1] / (image.width * image.height))
    width, height = (max(1, math.floor(side * scale / multiple + 0.5)) * multiple for side in image.size)
    return width, height


def check_size(width: object, height: object) -> None:
    """Raise `UserError` unless both are positive integers and the area is at most 64 megapixels."""
    if not _whole(width) or not _whole(height) or width < 1 or height < 1:
        raise UserError(f"The size is {width!r} x {height!r}; valid are whole pixels from 1.")
    if int(width) * int(height) > limits.PICTURE_PIXELS:
        raise UserError(f"The size is {width} x {height}; valid are up to {limits.PICTURE_PIXELS >> 20} megapixels.")


def _place(picture: Image.Image, size: tuple[int, int], source: Box, inside: Box) -> Image.Image:
    left, top, right, bottom = inside
    part = picture.resize((right - left, bottom - top), _filter(picture), box=source)
    if part.size == size:
        return part
    rows, columns = (top, size[1] - bottom), (left, size[0] - right)
    if picture.mode == "L":
        return Image.fromarray(np.pad(np.asarray(part), (rows, columns)))
    return Image.fromarray(_continued(np.asarray(part), rows, columns))


def _filter(picture: Image.Image) -> Image.Resampling:
    # Lanczos overshoots: beside a mask's edge it would leave faint pixels that are to be kept as they are.
    return Image.Resampling.BILINEAR if picture.mode == "L" else Image.Resampling.LANCZOS


def _middle(outer: tuple[int, int], ratio: tuple[int, int]) -> Box:
    """The largest box of that width to height in the middle of `outer` (width, height)."""
    scale = min(outer[0] / ratio[0], outer[1] / ratio[1])
    width, height = (min(side, max(1, round(part * scale))) for side, part in zip(outer, ratio, strict=True))
    left, top = (outer[0] - width) // 2, (outer[1] - height) // 2
    return left, top, left + width, top + height


def _continued(
    pixels: np.ndarray, rows: tuple[int, int], columns: tuple[int, int], seed: int | None = None
) -> np.ndarray:
    """`pixels` (h, w, channels) uint8, the border continued by `rows` above and below and `columns` at the sides.

    With a seed there is noise on it, as strong as the detail in the outer 16 pixels.
    """
    import cv2

    streaks = np.pad(pixels, (rows, columns, (0, 0)), mode="edge").astype(np.float32)
    new = np.ones(streaks.shape[:2], np.uint8)
    new[rows[0] : rows[0] + pixels.shape[0], columns[0] : columns[0] + pixels.shape[1]] = 0
    away = cv2.distanceTransform(new, cv2.DIST_L2, 5)[..., None]  # pixels to the picture, where all weights are 0
    canvas = streaks
    for radius in (4.0, 16.0, 64.0):
        smooth = cv2.GaussianBlur(streaks, (0, 0), radius, borderType=cv2.BORDER_REPLICATE)
        canvas = canvas + np.clip(away / radius - 0.5, 0, 1) * (smooth - canvas)
    if seed is not None:
        detail = pixels - cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), 2)
        border = np.ones(pixels.shape[:2], bool)
        border[16:-16, 16:-16] = False
        strength = np.clip(detail[border].std(), 2, 16) * np.clip(away / 8, 0, 1)
        canvas = canvas + strength * np.random.default_rng(seed).standard_normal(streaks.shape, dtype=np.float32)
    continued: np.ndarray = np.clip(canvas + 0.5, 0, 255).astype(np.uint8)
    return continued


def _widen(span: tuple[int, int], length: int, most: int) -> tuple[int, int]:
    """`length` pixels (at most `most`) around the middle of `span`, moved to lie within 0 and `most`."""
    length = min(length, most)
    start = min(max(0, (span[0] + span[1] - length) // 2), most - length)
    return start, start + length


def _check_mask(mask: Image.Image) -> None:
    if not isinstance(mask, Image.Image) or mask.mode != "L":
        kind = f"a picture in {mask.mode}" if isinstance(mask, Image.Image) else f"a {type(mask).__name__}"
        raise UserError(f"The mask is {kind}; valid is a PIL picture in L, as open_mask gives.")


def _check_size_is(picture: Image.Image, size: tuple[int, int]) -> None:
    if picture.size != size:
        raise UserError(f"The picture is {dimensions(picture.size)}; valid is one of {dimensions(size)}.")


def _whole(value: object) -> TypeGuard[int]:
    """Whether it is an int, or numpy's, which counts as one."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _number(value: object) -> TypeGuard[float]:
    return _whole(value) or isinstance(value, float | np.floating)
