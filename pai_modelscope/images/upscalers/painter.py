"""The upscaler that ships: pictures twice as large per side, by a small network that knows the painter's strokes."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pai_modelscope.errors import UserError
from pai_modelscope.images.upscalers.upscaler import Upscaler

if TYPE_CHECKING:
    import torch

    from pai_modelscope.images.upscalers.painter_network import PainterUpscaler

WEIGHTS = Path(__file__).parents[2] / "assets" / "upscaler" / "model.safetensors"


def check_weights() -> None:
    """Raise `UserError` where the weights are missing."""
    if not WEIGHTS.is_file():
        raise UserError(
            f"upscaler 'painter' lacks its weights, {WEIGHTS}: install a pai_modelscope that has them, or choose "
            "another upscaler"
        )


def enlarge(image: Image.Image, factor: int, device: "torch.device") -> Image.Image:
    """Enlarge a picture: RGB, `factor` (2 or 4) times larger per side; by 4, twice in a row.

    Raises:
        UserError: the weights are missing or damaged.
    """
    import torch

    from pai_modelscope.images.upscalers.painter_network import SCALE, twice_as_large

    network = _network(WEIGHTS, device)
    with torch.inference_mode():
        pixels = torch.from_numpy(np.array(image.convert("RGB"))).to(device).permute(2, 0, 1)[None].float() / 255
        while factor > 1:
            pixels, factor = twice_as_large(network, pixels), factor // SCALE
        drawn = (pixels[0].permute(1, 2, 0) * 255).round().byte().cpu().numpy()
    return Image.fromarray(drawn)


@lru_cache(maxsize=2)
def _network(weights: Path, device: "torch.device") -> "PainterUpscaler":
    import torch

    from pai_modelscope.images.upscalers.painter_network import PainterUpscaler
    from pai_modelscope.tensor_files import read_state

    check_weights()
    network = PainterUpscaler()
    network.load_state_dict(read_state(weights))  # float16 becomes float32
    return network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload,no-any-return]


UPSCALER = Upscaler("painter", "PAI painter 2x", enlarge, check_weights, offered=lambda: WEIGHTS.is_file())
