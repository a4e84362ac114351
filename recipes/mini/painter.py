"""Masters (every picture of the data set as pixels, once) and the painter that sets scenes from them on the GPU."""

import os
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from pai_modelscope.data.render import render_svg
from pai_modelscope.images.colors import NAMED_COLOURS
from recipes.mini.scenes import Scenes

MASTER_PIXELS = 320


def master(record: dict[str, Any], root: Path) -> np.ndarray:
    """(4, 320, 320) uint8, colours multiplied by alpha, so that resizing draws no dark or bright seams."""
    if record.get("svg"):
        image = render_svg(record["svg"], MASTER_PIXELS)
    else:
        image = Image.open(root / record["raster"]).convert("RGBA")
        image = image.resize((MASTER_PIXELS, MASTER_PIXELS), Image.Resampling.LANCZOS)
    pixels = np.asarray(image, dtype=np.uint16)
    alpha = pixels[..., 3:]
    return np.concatenate([pixels[..., :3] * alpha // 255, alpha], -1).astype(np.uint8).transpose(2, 0, 1)


def render_masters(records: list[dict[str, Any]], root: Path, path: Path) -> None:
    """Write (n, 4, 320, 320) uint8 to `path` (.npy), with all cores."""
    partial_path = path.with_suffix(".partial.npy")
    shape = (len(records), 4, MASTER_PIXELS, MASTER_PIXELS)
    out = np.lib.format.open_memmap(partial_path, "w+", np.uint8, shape)
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        for i, pixels in enumerate(pool.imap(partial(master, root=root), records, chunksize=32)):
            out[i] = pixels
    out.flush()
    partial_path.rename(path)


class Painter:
    """Sets scenes: (n, 3, height, width) in [-1, 1] from masters held on the device."""

    def __init__(self, masters: np.ndarray, device: torch.device):
        self.device = device
        # In parts, because the whole memory map may not fit a second time in the host's memory.
        self.masters = torch.empty(masters.shape, dtype=torch.uint8, device=device)
        for start in range(0, len(masters), 1024):
            self.masters[start : start + 1024] = torch.from_numpy(np.ascontiguousarray(masters[start : start + 1024]))
        self.palette = torch.tensor(list(NAMED_COLOURS.values()), device=device, dtype=torch.float32) / 255

    def paint(self, scenes: Scenes, indices: np.ndarray, height: int, width: int) -> torch.Tensor:
        """Scenes `indices` on a canvas of height x width pixels."""
        alone = scenes.partner[indices] < 0
        canvas = torch.zeros(len(indices), 4, height, width, device=self.device)
        rows = np.arange(len(indices))
        self._place(canvas, rows[alone], scenes.picture, scenes, indices[alone], (0, width))
        both = indices[~alone]
        self._place(canvas, rows[~alone], scenes.picture, scenes, both, (0, width // 2))
        self._place(canvas, rows[~alone], scenes.partner, scenes, both, (width // 2, width))
        ground = self.palette[torch.from_numpy(scenes.background[indices]).to(self.device)]
        return self.compose(canvas, ground)

    @staticmethod
    def compose(canvas: torch.Tensor, ground: torch.Tensor) -> torch.Tensor:
        """Premultiplied RGBA (n, 4, h, w) in [0, 1] over colours (n, 3) in [0, 1]; result in [-1, 1]."""
        return (canvas[:, :3] + (1 - canvas[:, 3:]) * ground[:, :, None, None]) * 2 - 1

    def _place(
        self,
        canvas: torch.Tensor,
        rows: np.ndarray,
        column: np.ndarray,
        scenes: Scenes,
        indices: np.ndarray,
        span: tuple[int, int],
    ) -> None:
        """Draw picture `column[indices]` into canvas rows `rows`, between the x coordinates `span`."""
        height, (left, right) = canvas.shape[2], span
        room = min(height, right - left)
        sides = np.maximum(8, (scenes.size[indices] * room / 4).round().astype(int) * 4)
        for side in np.unique(sides):
            here = sides == side
            picked = torch.from_numpy(column[indices[here]]).to(self.device)
            small = F.interpolate(
                self.masters[picked].float() / 255, (int(side), int(side)), mode="bilinear", antialias=True
            )
            free = np.array([right - left - side, height - side]) / 2
            corner = (free * (1 + scenes.shift[indices[here]])).round().astype(int)
            self._paste(canvas, rows[here], small, left + corner[:, 0], corner[:, 1])

    def _paste(self, canvas: torch.Tensor, rows: np.ndarray, small: torch.Tensor, x: np.ndarray, y: np.ndarray) -> None:
        """Add squares at their own corners without a loop: out-of-range coordinates read a border of zeros."""
        side, (height, width) = small.shape[-1], canvas.shape[2:]
        padded = F.pad(small, (0, 1, 0, 1))

        def local(count: int, corner: np.ndarray) -> torch.Tensor:
            position = torch.arange(count, device=self.device) - torch.from_numpy(corner).to(self.device)[:, None]
            return torch.where((position >= 0) & (position < side), position, side)

        ys, xs = local(height, y), local(width, x)
        items = torch.arange(len(small), device=self.device)[:, None, None]
        # (n, h, w, 4): advanced indices around the channel slice move the channel to the end.
        moved = padded[items, :, ys[:, :, None], xs[:, None, :]]
        canvas.index_add_(0, torch.from_numpy(rows).to(self.device), moved.permute(0, 3, 1, 2))
