"""The network of the upscaler that ships, which makes pictures twice as large per side, and its way over a picture.

It is the compact one of Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833, `SRVGGNetCompact` of its code): plain
convolutions at the small size, and one shuffle of pixels at the end (Shi et al. 2016, arXiv:1609.05158).
"""

import torch
from torch import nn

SCALE = 2
_CHANNELS, _LAYERS = 64, 12
_TILE = 256  # pixels that are enlarged at once, so that memory is bounded
_AROUND = _LAYERS + 2  # pixels around a tile that reach into it: a tile's result is that of the whole picture


class PainterUpscaler(nn.Module):
    """Pictures (n, 3, h, w) in [0, 1] to (n, 3, 2h, 2w), about in [0, 1]."""

    def __init__(self, channels: int = _CHANNELS, layers: int = _LAYERS):
        super().__init__()
        before: list[nn.Module] = []
        for width in (3, *[channels] * layers):
            conv = nn.Conv2d(width, channels, 3, 1, 1)
            # As He et al. 2015 (arXiv:1502.01852): from PyTorch's own start, the last layer sees next to nothing.
            nn.init.kaiming_normal_(conv.weight, a=0.25)
            before += [conv, nn.PReLU(channels)]
        last = nn.Conv2d(channels, 3 * SCALE**2, 3, 1, 1)
        for weight in last.parameters():
            nn.init.zeros_(weight)  # training begins with the nearest pixel
        self.layers = nn.Sequential(*before, last, nn.PixelShuffle(SCALE))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        details: torch.Tensor = self.layers(pictures)
        return details + nn.functional.interpolate(pictures, scale_factor=SCALE, mode="nearest")


def twice_as_large(network: PainterUpscaler, pixels: torch.Tensor) -> torch.Tensor:
    """A picture (1, 3, h, w) in [0, 1] to (1, 3, 2h, 2w) in [0, 1], tile by tile."""
    height, width = pixels.shape[2:]
    large = pixels.new_empty(1, 3, height * SCALE, width * SCALE)
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            bottom, right = min(top + _TILE, height), min(left + _TILE, width)
            above, before = max(top - _AROUND, 0), max(left - _AROUND, 0)
            drawn = network(pixels[:, :, above : bottom + _AROUND, before : right + _AROUND])
            rows = slice((top - above) * SCALE, (bottom - above) * SCALE)
            columns = slice((left - before) * SCALE, (right - before) * SCALE)
            large[:, :, top * SCALE : bottom * SCALE, left * SCALE : right * SCALE] = drawn[:, :, rows, columns]
    return large.clamp(0, 1)
