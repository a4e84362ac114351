"""Pictures that try worker processes. They lie by themselves, as a worker imports the module of what it is sent."""

import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pai_modelscope.data import Example
from pai_modelscope.data.examples import PictureReference


class OnlyHere(PictureReference):
    """Can be sent, and not be made again elsewhere."""

    def read(self) -> Image.Image:
        return Image.new("RGB", (96, 96))

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return int, ("of __main__",)


@dataclass(frozen=True)
class Deadly(PictureReference):
    """Once `path` is there, it ends the process that reads it, as a crash or a system without memory does."""

    path: Path

    def read(self) -> Image.Image:
        if self.path.exists():
            os._exit(11)
        return Image.new("RGB", (96, 96))


def example(picture: PictureReference) -> Example:
    return Example("a.png", ("一",), (96, 96), "", picture)
