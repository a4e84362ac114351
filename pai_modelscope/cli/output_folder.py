"""A folder of pictures in which nothing is overwritten and nothing is left half-written."""

import math
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pai_modelscope.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

    from pai_modelscope.images.aigc_label import Labelling


class Folder:
    """Numbered files `00001-....png`; the numbers go on where the folder's last one stopped."""

    def __init__(self, path: str | Path, label: "Labelling | None" = None) -> None:
        """Make the folder and try it, so that a folder that cannot be written to is known before the work.

        `label`: how its pictures are labelled, see `picture_file`.

        Raises:
            UserError: the folder cannot be made or written to.
        """
        if not str(path).strip():
            raise UserError("the folder to write to has no name: give one with --output")
        self.path, self._label = Path(path), label
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path) as probe:
                probe.write(b"\0" * 4096)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UserError(f"cannot write to {self.path}: {reason}; choose another folder with --output") from None

    def save(self, image: "Image.Image", stem: str, text: str = "") -> Path:
        """Write `NNNNN-stem.png` with `text` as its parameters, whole or not at all.

        Raises:
            UserError: the disk is full or went away.
        """
        from pai_modelscope.images import infotext

        number = self._last() + 1
        while True:
            target = self.path / f"{number:05d}-{stem}.png"
            try:
                infotext.write_png(image, target, text, self._label)
            except UserError:
                if not target.exists():
                    raise
                number += 1  # another process took this number meanwhile
            else:
                return target

    def save_sheet(self, images: list["Image.Image"], labels: list[str]) -> Path:
        """One page with all pictures, each over its text: nearly a square, with as few empty places as can be."""
        from pai_modelscope.images import contact_sheet

        square = math.ceil(math.sqrt(len(images)))
        columns = min((square, square + 1), key=lambda count: -len(images) % count)
        return self.save(contact_sheet(images, labels, columns), "sheet")

    def _last(self) -> int:
        numbers = (re.match(r"([0-9]{5,12})-", entry.name) for entry in self.path.iterdir())
        return max((int(match[1]) for match in numbers if match), default=0)
