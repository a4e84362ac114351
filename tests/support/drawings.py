"""A shipped drawing with a part of it marked, for the tests of pictures that start from pictures."""

import numpy as np
from PIL import Image

from pai_modelscope.data import open_dataset

Box = tuple[int, int, int, int]


def drawing(size: int, box: Box) -> Image.Image:
    """The part `box` of the drawing, which is `size` pixels a side."""
    return open_dataset("base", size=size)[3]["image"].convert("RGB").crop(box)


def marked(picture: Image.Image, box: Box) -> Image.Image:
    """A mask of the picture: white is what `box` holds."""
    mask = Image.new("L", picture.size)
    mask.paste(255, box)
    return mask


def array(image) -> np.ndarray:
    return np.asarray(image)
