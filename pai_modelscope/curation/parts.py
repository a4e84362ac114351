"""Pictures of which one is a part of the other, cut at its edges.

Windows of each thumbnail are looked for among the whole thumbnails, so that the index is no larger for it. Where one is
near, the part is laid over the whole by template matching, and then both are compared as copies are.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
View = Callable[[Array], Array]
FULL = 128  # pixels a side at which a part is laid over a picture
_SHARES = (0.91, 0.955)  # of the sides: parts of 80 to 95 % of the area have 0.894 to 0.975
_SCALES = np.linspace(0.89, 0.98, 10)
_LIKE = 0.8  # correlation, below which it is no part
_ROUNDS = 30  # in which the place is made exact


def windows() -> list[View]:
    """Of thumbnails (n, S, S, 3): each gives one window of all of them, stretched to the same shape."""
    at = (0.0, 0.5, 1.0)
    return [_window(share, down, across) for share in _SHARES for down in at for across in at]


def _window(share: float, down: float, across: float) -> View:
    def view(thumbnails: Array) -> Array:
        side = thumbnails.shape[1]
        rows, columns = ((1 - share) * side * start + (np.arange(side) + 0.5) * share - 0.5 for start in (down, across))
        return _along(_along(thumbnails.astype(np.float32), rows, 1), columns, 2)

    return view


def _along(pixels: Array, places: Array, axis: int) -> Array:
    """The pixels at these places of an axis, by linear interpolation."""
    places = places.clip(0, pixels.shape[axis] - 1)
    first = np.floor(places).astype(int).clip(0, pixels.shape[axis] - 2)
    shape = [1] * pixels.ndim
    shape[axis] = len(places)
    rest = (places - first).astype(np.float32).reshape(shape)
    between: Array = pixels.take(first, axis) * (1 - rest) + pixels.take(first + 1, axis) * rest
    return between


def under(picture: Array, part: Array) -> Array | None:
    """What of a picture (FULL, FULL, 3) lies under the part, which has the same shape; None: nothing is like it.

    The place is found by template matching, then to parts of a pixel by enhanced correlation (Evangelidis & Psarakis
    2008).
    """
    gray, gray_part = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (picture, part))
    best, found = _LIKE, None
    for scale in _SCALES:
        side = round(FULL * scale)
        small = cv2.resize(gray_part, (side, side), interpolation=cv2.INTER_AREA)
        _, likeness, _, (left, top) = cv2.minMaxLoc(cv2.matchTemplate(gray, small, cv2.TM_CCOEFF_NORMED))
        if likeness > best:
            best, found = likeness, (top, left, side / FULL)
    if found is None:
        return None
    top, left, share = found
    middle = (share - 1) / 2  # pixels' middles are scaled, not their corners
    warp = np.array([[share, 0, left + middle], [0, share, top + middle]], np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ROUNDS, 1e-5)
    try:
        _, found_warp = cv2.findTransformECC(gray_part, gray, warp, cv2.MOTION_AFFINE, stop)
    except cv2.error:  # it does not converge: they are not alike
        return None
    warp = np.asarray(found_warp)
    if not _is_cut(warp):
        return None
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, warp, (FULL, FULL), flags=how, borderMode=cv2.BORDER_REPLICATE))


def _is_cut(warp: Array) -> bool:
    """Whether an affine map only scales, to a window inside the picture."""
    (across, skew, left), (other_skew, down, top) = warp
    inside = min(left, top) > -2 and max(left + across * FULL, top + down * FULL) < FULL + 2
    return bool(
        inside and max(abs(skew), abs(other_skew)) < 0.01 and min(across, down) > 0.85 and max(across, down) < 1
    )
