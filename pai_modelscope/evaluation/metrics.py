"""The measures, as pure functions on features and pictures; none knows a model, a data set or a device."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from PIL import Image

from pai_modelscope.images.annotators import annotate
from pai_modelscope.images.colors import NAMED_COLOURS


def ranks(
    image_features: torch.Tensor, text_features: torch.Tensor, targets: Sequence[frozenset[int] | set[int]]
) -> torch.Tensor:
    """For every picture, how many wrong texts score at least as high as its best right one: 0 is a first place.

    `image_features` (n, D) and `text_features` (m, D) are of unit length; `targets[i]` holds the rows of the texts
    that are right for picture i. A tie with a wrong text counts against the picture, so that a judge that gives
    every text the same score finds nothing.
    """
    similarity = image_features.float() @ text_features.float().T
    right = torch.zeros_like(similarity, dtype=torch.bool)
    for row, columns in enumerate(targets):
        right[row, list(columns)] = True
    best = similarity.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
    return ((similarity >= best) & ~right).sum(1)


def retrieval(
    image_features: torch.Tensor,
    text_features: torch.Tensor,
    targets: Sequence[frozenset[int] | set[int]],
    k: int,
) -> float:
    """R@k: the share of pictures with a right text among the k nearest (Radford et al. 2021, arXiv:2103.00020)."""
    return (ranks(image_features, text_features, targets) < k).double().mean().item()


def chance(targets: Sequence[frozenset[int] | set[int]], candidates: int, k: int) -> float:
    """R@k of pictures that say nothing: 1 - C(m - t, k) / C(m, k), over pictures with t right texts among m."""
    missed = [
        math.prod(max(candidates - len(right) - i, 0) / (candidates - i) for i in range(min(k, candidates)))
        for right in targets
    ]
    return 1.0 - sum(missed) / len(missed)


def frechet_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Fréchet distance of two Gaussians fitted to features (n, D) and (m, D) (Heusel et al. 2017, arXiv:1706.08500).

    |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)). The last trace is that of (S_a^(1/2) S_b S_a^(1/2))^(1/2),
    a symmetric positive semi-definite matrix whose eigenvalues `eigh` finds also when n < D makes S singular, where
    a general matrix square root fails. Few samples bias the distance upwards: compare only figures of equal n and m.
    """
    a, b = a.double().cpu(), b.double().cpu()
    cov_a, cov_b = torch.cov(a.T).reshape(a.shape[1], -1), torch.cov(b.T).reshape(b.shape[1], -1)
    root_a = _symmetric_root(cov_a)
    eigenvalues: torch.Tensor = torch.linalg.eigvalsh(root_a @ cov_b @ root_a)
    cross = eigenvalues.clamp(min=0).sqrt().sum()
    return ((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross).item()


def _symmetric_root(matrix: torch.Tensor) -> torch.Tensor:
    """The square root of a symmetric positive semi-definite matrix; rounding below zero is clipped."""
    values: torch.Tensor
    vectors: torch.Tensor
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures with values in [0, 1], from the mean error over all pixels."""
    error = (a.double() - b.double()).square().mean().item()
    return float("inf") if error == 0 else -10 * float(np.log10(error))


def border_colour(image: Image.Image, width: int = 4) -> tuple[float, float, float]:
    """The median colour of the outermost `width` pixels: what lies behind a drawing that leaves the edge free."""
    pixels = np.asarray(image.convert("RGB"))
    inner = np.zeros(pixels.shape[:2], dtype=bool)
    inner[width:-width, width:-width] = True
    red, green, blue = np.median(pixels[~inner], axis=0)
    return float(red), float(green), float(blue)


def background_colour(image: Image.Image) -> str:
    """The named colour nearest in RGB to the border of a picture."""
    border = np.array(border_colour(image))
    return min(NAMED_COLOURS, key=lambda name: float(np.square(border - NAMED_COLOURS[name]).sum()))


def edge_agreement(edges: Image.Image, image: Image.Image, tolerance: int = 2) -> float:
    """How far the edges of a picture are those that were asked for, 0 to 1: the F1 score of edge pixels.

    `edges` is a Canny picture, white on black; the picture's own edges are found in the same way. A pixel counts as
    found where the other picture has an edge within `tolerance` pixels: precision is the share of the picture's edges
    that were asked for, recall the share of the asked ones that are there.
    """
    asked = np.asarray(edges.convert("L")) > 127
    drawn = np.asarray(annotate("canny", image.convert("RGB")).convert("L")) > 127
    if not asked.any() or not drawn.any():
        return float(asked.any() == drawn.any())
    precision = (drawn & _widened(asked, tolerance)).sum() / drawn.sum()
    recall = (asked & _widened(drawn, tolerance)).sum() / asked.sum()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def _widened(edges: np.ndarray, by: int) -> np.ndarray:
    return cv2.dilate(edges.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)) > 0


def halves(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The left and right half of a picture, each trimmed to what is drawn on it."""
    middle = image.width // 2
    left = image.crop((0, 0, middle, image.height))
    right = image.crop((middle, 0, image.width, image.height))
    return trim(left), trim(right)


def trim(image: Image.Image, threshold: int = 32, margin: float = 0.08) -> Image.Image:
    """Cut to the smallest square around all pixels that differ from the border colour by more than `threshold`.

    The square is `margin` of its side larger on every side and filled up with the border colour where it leaves the
    picture; a picture without a drawing comes back whole.
    """
    colour = border_colour(image)
    pixels = np.asarray(image.convert("RGB")).astype(float)
    rows, columns = np.nonzero(np.abs(pixels - np.array(colour)).max(-1) > threshold)
    if not len(rows):
        return image
    box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    side = round(max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * margin))
    left, top = round((box[0] + box[2] - side) / 2), round((box[1] + box[3] - side) / 2)
    square = Image.new("RGB", (side, side), tuple(round(c) for c in colour))
    square.paste(image.convert("RGB"), (-left, -top))
    return square


def ridge_probe(features: torch.Tensor, labels: torch.Tensor, classes: int, strength: float = 1.0) -> torch.Tensor:
    """A linear classifier (D + 1, classes) from features (n, D) to labels (n,) in closed form; the last row is added.

    Ridge regression on targets +1 and -1 (Hoerl and Kennard 1970), on standardised features so that `strength` means
    the same for any encoder: enough to tell drawing styles apart, and the same on every machine.
    """
    features = features.double().cpu()
    mean, scale = features.mean(0), features.std(0).clamp(min=1e-9)
    inputs = (features - mean) / scale
    targets = torch.nn.functional.one_hot(labels, classes).double() * 2 - 1
    gram = inputs.T @ inputs + strength * torch.eye(inputs.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(gram, inputs.T @ (targets - targets.mean(0))) / scale[:, None]
    return torch.cat([weights, (targets.mean(0) - mean @ weights)[None]])


def probe_classes(features: torch.Tensor, probe: torch.Tensor) -> torch.Tensor:
    """The class (n,) that a `ridge_probe` gives to features (n, D)."""
    return probe_scores(features, probe).argmax(1)


def probe_scores(features: torch.Tensor, probe: torch.Tensor) -> torch.Tensor:
    """(n, classes), near 1 for the class of features (n, D) and near -1 for the others."""
    return features.double().cpu() @ probe[:-1] + probe[-1]
