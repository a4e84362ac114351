"""Skeletons in OpenPose's points and colours."""

from colorsys import hsv_to_rgb
from math import atan2, degrees, hypot

import numpy as np

Point = tuple[float, float] | None  # x and y in pixels; None: not seen


def openpose_points(landmarks: list[Point]) -> list[Point]:
    """Put MediaPipe's 33 points in the order of OpenPose's 18, whose neck lies between the shoulders."""
    left, right = landmarks[11], landmarks[12]
    neck = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2) if left and right else None
    rest = [landmarks[i] for i in (12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)]
    return [landmarks[0], neck, *rest]


# Pairs of points in the order of their colours (OpenPose's COCO model).
_LIMBS = [(1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)]
_LIMBS += [(1, 0), (0, 14), (14, 16), (0, 15), (15, 17)]


def draw_skeleton(canvas: np.ndarray, points: list[Point]) -> None:
    """Draw OpenPose's 18 points, (x, y) in pixels or None where unseen, on an RGB canvas: limbs darker than joints."""
    import cv2

    radius = max(1, round(max(canvas.shape[:2]) / 128))
    colours = [[round(255 * part) for part in hsv_to_rgb(i / 18, 1, 1)] for i in range(18)]
    for (start, end), colour in zip(_LIMBS, colours[: len(_LIMBS)], strict=True):
        a, b = points[start], points[end]
        if a and b:
            centre = round((a[0] + b[0]) / 2), round((a[1] + b[1]) / 2)
            half = round(hypot(a[0] - b[0], a[1] - b[1]) / 2), radius
            polygon = cv2.ellipse2Poly(centre, half, round(degrees(atan2(b[1] - a[1], b[0] - a[0]))), 0, 360, 1)
            cv2.fillConvexPoly(canvas, np.array(polygon), [0.6 * part for part in colour])
    for point, colour in zip(points, colours, strict=True):
        if point:
            cv2.circle(canvas, (round(point[0]), round(point[1])), radius, colour, -1)
