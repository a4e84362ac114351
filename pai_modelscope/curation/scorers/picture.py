"""Size of a picture, and whether it is plain, blurred or framed."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from pai_modelscope.curation.pairs import Pair
from pai_modelscope.curation.scorer import Scorer, Scores, Value

_SIDE = 256  # pixels of the shorter side at which it is looked at, so that sizes compare
_FLAT = 2.0  # of 255, how much the pixels of a line of a frame may deviate


class PictureScorer(Scorer):
    """`contrast`: standard deviation of the grays, 0 to 127.5; below about 4 the picture is one colour.

    `sharpness`: variance of the Laplacian (Pech-Pacheco et al. 2000) of the picture at 256 pixels; a blurred photograph
    has less than about 20. `border`: the share of the picture that lines of one colour at its edges take.
    """

    def score(self, pairs: Sequence[Pair]) -> Scores:
        rows = [_row(pair) for pair in pairs]
        return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _row(pair: Pair) -> dict[str, Value]:
    width, height = pair.picture.size
    gray = np.asarray(pair.picture.convert("L"))
    factor = _SIDE / min(width, height)
    small = cv2.resize(gray, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) if factor < 1 else gray
    return {
        "width": width,
        "height": height,
        "side": min(width, height),
        "aspect": round(max(width, height) / min(width, height), 4),
        "contrast": round(float(small.std()), 4),
        "sharpness": round(float(cv2.Laplacian(small, cv2.CV_32F).var()), 4),
        "border": round(_border(small), 4),
    }


def _border(gray: npt.NDArray[Any]) -> float:
    """Rows and columns at the edges that are of one gray: their share of the area."""
    left = 1.0
    for lines in (gray, gray.T):
        flat = lines.std(1) < _FLAT
        inner = np.flatnonzero(~flat)
        left *= (inner[-1] - inner[0] + 1) / len(flat) if len(inner) else 0.0
    return 1.0 - left
