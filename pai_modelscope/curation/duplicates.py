"""Pictures that are there twice: the same file, another size or quality, mirrored, other colours, cut at the edges.

Candidates are neighbours among thumbnails, mirrored ones too (found by faiss: Johnson et al. 2017, arXiv:1702.08734).
Each is then compared at 64 x 64 pixels, block by block, so that two clocks that tell different hours stay two.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm.auto import tqdm

from pai_modelscope.curation.pairs import read_pairs
from pai_modelscope.curation.parts import FULL, View, under, windows
from pai_modelscope.curation.plan import Plan
from pai_modelscope.curation.scorers.thumbnail import SIDE
from pai_modelscope.curation.selection import DUPLICATES, scores_of
from pai_modelscope.errors import UserError, need
from pai_modelscope.files import whole

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[Any]
_NEIGHBOURS = 16  # of each picture that are compared with it, so that thousands of like icons cost no square
_NEAR, _NEAR_PART = (
    0.12,
    0.08,
)  # squared distances of unit features, of copies and of parts: twice one minus correlation
_EXACT = 20_000  # pictures up to which every neighbour is found; beyond, nearly every one
_FINE, _BLOCK = 64, 4  # pixels a side of what is compared, and of a block
_BLUR = 1.0  # pixels, over which what was resized or compressed differs
_MOST_OF_A_BLOCK = 8.0  # of 255, mean difference: planted copies have up to 6, other icons of one drawing 9 and more
_GAIN, _SATURATION, _OFFSET = (0.6, 1.6), (0.5, 2.1), 12.0  # by which brightness and colours may differ
_KEPT_IN_MEMORY = 4_000  # pictures of 128 x 128
_AT_ONCE = 20_000  # pictures that the index is asked for
_BEST = ("side", "clip", "characters")  # the picture of a group that is kept has the highest of the first of these


def find_duplicates(folder: Path, plan: Plan) -> int:
    """Write `duplicates.parquet`: each picture that another stands for, and which; how many they are.

    Of a group, the largest picture is kept; of equals, the one whose caption fits best, then the longest caption, then
    the first.

    Raises:
        UserError: the pairs were scored without 'thumbnail'; faiss is not installed.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    need("curation", "the search for duplicates", "faiss")
    scores = scores_of(folder, plan)
    if "thumbnail" not in scores.schema.names:
        raise UserError(f"{folder} was scored without 'thumbnail', by which duplicates are found: add that scorer")
    order = [name for name in _BEST if name in scores.schema.names]
    table = scores.to_table(
        columns=["id", "part", "place", "digest", "thumbnail", *order], filter=pc.field("problem").is_null()
    )
    groups = _Groups(len(table))
    _join_same_files(table["digest"].to_pylist(), groups)
    _join_near(table, plan, groups)
    ranks = list(
        zip(*([-(value or 0) for value in table[name].to_pylist()] for name in order), range(len(table)), strict=True)
    )
    ids = table["id"].to_pylist()
    best: dict[int, int] = {}
    for place in range(len(table)):
        root = groups.root(place)
        best[root] = min(best.get(root, place), place, key=lambda each: ranks[each])
    doubles = [
        (ids[place], ids[best[groups.root(place)]]) for place in range(len(table)) if best[groups.root(place)] != place
    ]
    schema = pa.schema({"id": pa.string(), "duplicate_of": pa.string()})
    columns = {"id": [double for double, _ in doubles], "duplicate_of": [kept for _, kept in doubles]}
    with whole(folder / DUPLICATES) as partial:
        pq.write_table(pa.table(columns, schema), partial, compression="zstd")
    return len(doubles)


class _Groups:
    """Places that are the same, by union and find."""

    def __init__(self, count: int):
        self._parent = list(range(count))

    def root(self, place: int) -> int:
        while self._parent[place] != place:
            self._parent[place] = place = self._parent[self._parent[place]]
        return place

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        self._parent[second] = first


def _join_same_files(digests: Sequence[str], groups: _Groups) -> None:
    first: dict[str, int] = {}
    for place, digest in enumerate(digests):
        groups.join(first.setdefault(digest, place), place)


def _join_near(table: "pa.Table", plan: Plan, groups: _Groups) -> None:
    thumbnails = np.frombuffer(b"".join(table["thumbnail"].to_pylist()), np.uint8).reshape(-1, SIDE, SIDE, 3)
    index = _index(_features(thumbnails))
    pictures = _Pictures(table, plan)
    # What is asked of the index of every picture, and how what is found is compared with it.
    queries: list[tuple[View, float, Callable[[Array, Array], bool]]]
    queries = [
        (_itself, _NEAR, same),
        (_mirror, _NEAR, is_mirrored),
        *((each, _NEAR_PART, holds) for each in windows()),
    ]
    for view, most, are_same in tqdm(queries, desc="duplicates", disable=None):
        for place, others in _near(index, thumbnails, view, most):
            for other in others:
                if groups.root(place) != groups.root(other):
                    one, another = pictures[place], pictures[other]
                    if one is not None and another is not None and are_same(one, another):
                        groups.join(place, other)


def _near(index: Any, thumbnails: Array, view: View, most: float) -> Iterator[tuple[int, list[int]]]:
    """Places, and those whose thumbnails are near to a view of theirs."""
    for start in range(0, len(thumbnails), _AT_ONCE):
        distances, found = index.search(_features(view(thumbnails[start : start + _AT_ONCE])), _NEIGHBOURS)
        for place, (near, places) in enumerate(zip(distances < most, found, strict=True), start):
            if others := [int(other) for other in places[near] if other not in (place, -1)]:
                yield place, others


def _itself(thumbnails: Array) -> Array:
    return thumbnails


def _mirror(thumbnails: Array) -> Array:
    return thumbnails[:, :, ::-1]


def _features(thumbnails: Array) -> npt.NDArray[np.float32]:
    """(n, 192): 8 x 8 colours without their means, of unit length; a picture of one colour is near to none."""
    small = thumbnails.reshape(-1, SIDE // 2, 2, SIDE // 2, 2, 3).mean((2, 4), dtype=np.float32)
    small -= small.mean((1, 2), keepdims=True)
    flat = small.reshape(len(small), -1)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(length > 1e-3, flat / np.maximum(length, 1e-3), 9).astype(np.float32)


def _index(features: npt.NDArray[np.float32]) -> Any:
    import faiss

    count, width = features.shape
    if count <= _EXACT:
        index: Any = faiss.IndexFlatL2(width)
    else:
        lists = int(4 * count**0.5)
        half = faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexIVFScalarQuantizer(faiss.IndexFlatL2(width), width, lists, half)
        index.nprobe = 16
        index.train(features[:: max(1, count // (64 * lists))])
    index.add(features)
    return index


class _Pictures:
    """The pictures of a table at 128 x 128 pixels, read when they are asked for; the last ones are kept."""

    def __init__(self, table: "pa.Table", plan: Plan):
        self._parts, self._places, self._columns = table["part"], table["place"], plan.columns
        self._kept: OrderedDict[int, Array | None] = OrderedDict()

    def __getitem__(self, place: int) -> Array | None:
        """As `full` gives it; None where it can't be read any more."""
        if place not in self._kept:
            at = self._places[place].as_py()
            (pair,) = read_pairs(self._parts[place].as_py(), range(at, at + 1), self._columns)
            self._kept[place] = None if pair.image is None else full(pair.image)
            if len(self._kept) > _KEPT_IN_MEMORY:
                self._kept.popitem(last=False)
        return self._kept[place]


def full(picture: Image.Image) -> Array:
    """(128, 128, 3), uint8, as pictures are compared here."""
    return np.asarray(picture.resize((FULL, FULL), Image.Resampling.BICUBIC))


def same(one: Array, other: Array) -> bool:
    """Whether two pictures (128, 128, 3) are the same but for brightness, contrast and saturation.

    Gain and offset of the luma and the gain of the chroma (Rec. 601) are fitted; then no block may differ much.
    """
    (luma, chroma), (other_luma, other_chroma) = _luma_and_chroma(one), _luma_and_chroma(other)
    spread, colour = other_luma.var(), (other_chroma**2).mean()
    gain = float(((luma - luma.mean()) * (other_luma - other_luma.mean())).mean() / spread) if spread > 1 else 1.0
    saturation = float((chroma * other_chroma).mean() / colour) if colour > 4 else 1.0
    offset = float(luma.mean() - gain * other_luma.mean())
    if not (_GAIN[0] <= gain <= _GAIN[1] and _SATURATION[0] <= saturation <= _SATURATION[1] and abs(offset) <= _OFFSET):
        return False
    apart = np.abs(gain * other_luma + offset - luma) + 0.5 * np.abs(saturation * other_chroma - chroma).mean(-1)
    blocks = apart.reshape(_FINE // _BLOCK, _BLOCK, _FINE // _BLOCK, _BLOCK).mean((1, 3))
    return bool(blocks.max() <= _MOST_OF_A_BLOCK)


def is_mirrored(one: Array, other: Array) -> bool:
    """Whether one is the other's mirror image."""
    return same(one, other[:, ::-1])


def holds(one: Array, other: Array) -> bool:
    """Whether the other was cut out of the one: 80 to 95 % of its area."""
    found = under(one, other)
    return found is not None and same(found, other)


def _luma_and_chroma(picture: Array) -> tuple[Array, Array]:
    """(64, 64) and (64, 64, 2): blue and red without the luma; smoothed, for copies differ in single pixels."""
    small: Array = cv2.resize(picture, (_FINE, _FINE), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = cv2.GaussianBlur(small, (0, 0), _BLUR)
    luma = small @ np.array([0.299, 0.587, 0.114], np.float32)
    return luma, small[..., [2, 0]] - luma[..., None]
