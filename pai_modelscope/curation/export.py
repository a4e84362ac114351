"""The pairs that are kept, as a training set: a folder of pictures with `metadata.jsonl`."""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from tqdm.auto import tqdm

from pai_modelscope.curation.pairs import read_content
from pai_modelscope.curation.plan import Plan
from pai_modelscope.curation.selection import Selection, scores_of
from pai_modelscope.errors import UserError, printable
from pai_modelscope.files import whole

if TYPE_CHECKING:
    import pyarrow as pa

KEPT = "kept"
_OF_A_FOLDER = 10_000  # pictures
_SUFFIXES = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tif",
    "AVIF": "avif",
}


def export(folder: Path, plan: Plan, selection: Selection) -> Path:
    """Write the kept pairs to `kept/`, in place of what was there, whole or not at all. Files stay as they are.

    Raises:
        UserError: a picture is not there any more, or has changed; the disk is full.
    """
    captions = _captions(folder, plan, selection.kept)
    try:
        with whole(folder / KEPT) as partial:
            partial.mkdir()
            with open(partial / "metadata.jsonl", "w", encoding="utf-8") as metadata:
                rows = selection.kept.to_batches(max_chunksize=1000)
                pairs = (row for batch in rows for row in batch.to_pylist())
                for number, row in enumerate(tqdm(pairs, total=len(selection.kept), desc="kept", disable=None)):
                    content = read_content(row["part"], row["place"], plan.columns)
                    data, suffix = _file_of(content)
                    name = f"{number // _OF_A_FOLDER:05d}/{number:09d}.{suffix}"
                    (partial / name).parent.mkdir(exist_ok=True)
                    (partial / name).write_bytes(data)
                    told = {"file_name": name, "text": captions[row["id"]], "id": row["id"]}
                    metadata.write(json.dumps(told, ensure_ascii=False) + "\n")
    except OSError as error:
        raise UserError(
            f"{folder / KEPT} can't be written ({error.strerror or error}): nothing of it is there"
        ) from None
    return folder / KEPT


def _captions(folder: Path, plan: Plan, kept: "pa.Table") -> dict[str, str]:
    import pyarrow.compute as pc

    found = scores_of(folder, plan).to_table(columns=["id", "caption"], filter=pc.field("id").isin(kept["id"]))
    return dict(zip(found["id"].to_pylist(), found["caption"].to_pylist(), strict=True))


def _file_of(content: bytes | Image.Image) -> tuple[bytes, str]:
    """A picture's file and what its name ends in; what was decoded already becomes PNG."""
    if isinstance(content, Image.Image):
        written = io.BytesIO()
        content.save(written, "PNG")
        return written.getvalue(), "png"
    with Image.open(io.BytesIO(content)) as opened:
        return content, _SUFFIXES.get(opened.format or "", printable((opened.format or "png").lower()))
