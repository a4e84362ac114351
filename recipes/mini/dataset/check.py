"""Looking at every picture once: what renders blank, and what repeats another picture of its source."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from multiprocessing import get_context

from PIL import Image

from pai_modelscope.data.render import on_background, render_svg
from recipes.mini.dataset.sources import Record

_SIZE = 64


def open_picture(record: Record, size: int) -> Image.Image:
    """The picture of a record as read from the npm package, RGBA, `size` x `size`."""
    if "svg" in record:
        return render_svg(record["svg"], size)
    with Image.open(record["path"]) as image:
        return image.convert("RGBA").resize((size, size), Image.Resampling.LANCZOS)


def fingerprint(record: Record) -> str | None:
    """A digest of the rendered picture; `None` if nothing is to be seen on a white ground."""
    image = open_picture(record, _SIZE)
    on_white = on_background(image, "white").convert("L")
    if min(on_white.tobytes()) > 250:
        return None
    return hashlib.sha256(image.tobytes()).hexdigest()


def visible_and_distinct(records: Iterable[Record], workers: int | None = None) -> Iterator[Record]:
    """Records that show something no earlier record of their source shows; plain forms count before variants."""
    ordered = sorted(records, key=lambda record: (record["source"], record["variant"]))
    seen: set[tuple[str, str]] = set()
    with get_context("spawn").Pool(workers or os.cpu_count()) as pool:
        digests = pool.imap(fingerprint, ordered, chunksize=32)
        for record, digest in zip(ordered, digests, strict=True):
            if digest and (record["source"], digest) not in seen:
                seen.add((record["source"], digest))
                yield record
