"""What an upscaler is to those that choose one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Upscaler:
    """A way to make a picture larger that draws nothing over.

    `name`: what the option `upscaler` calls it; `infotext_name`: what a picture's parameters call it, as the WebUI
    does; `enlarge(picture, factor, device)`: an RGB picture `factor` (2 or 4) times larger per side; `check()`: raises
    `UserError`, which says what to do, where it can't be used; `offered()`: whether messages that list what is valid
    name it.
    """

    name: str
    infotext_name: str
    enlarge: Callable[[Image.Image, int, "torch.device"], Image.Image]
    check: Callable[[], None]
    offered: Callable[[], bool] = lambda: True
