"""Pictures that lie beside LoRA files under the same name, as the WebUI keeps them."""

import io
import os
from collections.abc import Sequence
from pathlib import Path

from pai_modelscope.errors import UserError

_ENDS = (".preview.png", ".png", ".preview.jpg", ".jpg", ".jpeg", ".webp")
_SIDE = 128  # pixels


def thumbnails(names: Sequence[str], sources: Sequence[str]) -> dict[str, bytes | None]:
    """For each LoRA by its name, a JPEG file of the picture beside it; None where there is none."""
    by_name = {Path(source).stem: Path(source) for source in sources}
    return {name: _thumbnail(by_name[name]) if name in by_name else None for name in names}


def _thumbnail(source: Path) -> bytes | None:
    from PIL import ImageOps

    from pai_modelscope.images.open_images import open_image

    for end in _ENDS:
        beside = source.with_name(source.stem + end)
        if os.path.isfile(beside):
            try:
                picture = ImageOps.fit(open_image(beside), (_SIDE, _SIDE))
            except UserError:
                continue
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=85)
            return file.getvalue()
    return None
