"""Noise that is made once: fractal clouds, and the tooth and fibres of paper."""

import math
from functools import cache

import cv2
import numpy as np

SIDE = 2048  # of the bank of fractal noise
PAPER_SIDE = 1024
_SEED = 7


@cache
def fractal_bank(octaves: int = 9) -> np.ndarray:
    """(2048, 2048) float32 of mean 0 and deviation 1: up to nine octaves, each 0.56 of the one before."""
    rng, total, amplitude = np.random.default_rng(_SEED), np.zeros((SIDE, SIDE), np.float32), 1.0
    for cells in (4, 8, 16, 32, 64, 128, 256, 512, 1024)[:octaves]:
        cell = rng.standard_normal((cells, cells)).astype(np.float32)
        total += np.float32(amplitude) * cv2.resize(cell, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        amplitude *= 0.56
    return (total - total.mean()) / total.std()


@cache
def grain() -> np.ndarray:
    """(1024, 1024) float32: white noise of deviation 1."""
    return np.random.default_rng(_SEED + 1).standard_normal((PAPER_SIDE, PAPER_SIDE)).astype(np.float32)


@cache
def tooth() -> np.ndarray:
    """(1024, 1024) float32 of deviation 1: the rough surface of watercolour paper."""
    smooth = cv2.GaussianBlur(grain(), (0, 0), 1.0)
    return smooth / smooth.std()


@cache
def fibres() -> np.ndarray:
    """(1024, 1024) float32: rice paper, its tooth with short threads in it."""
    rng, threads = np.random.default_rng(_SEED + 2), np.zeros((PAPER_SIDE, PAPER_SIDE), np.uint8)
    for _ in range(2600):
        start, angle = rng.uniform(0, PAPER_SIDE, 2), rng.uniform(0, 2 * math.pi)
        bend = angle + rng.normal(0, 0.5)
        middle = start + 9 * np.array([math.cos(angle), math.sin(angle)])
        end = middle + 8 * np.array([math.cos(bend), math.sin(bend)])
        thread = np.array([start, middle, end], np.int32)
        cv2.polylines(threads, [thread], False, int(rng.integers(60, 255)), 1, cv2.LINE_AA)
    return tooth() * np.float32(0.7) + (cv2.GaussianBlur(threads, (0, 0), 0.6).astype(np.float32) / 60 - 0.25)


def fractal(
    rng: np.random.Generator,
    height: int,
    width: int,
    frequency: float = 1.0,
    vertical: float | None = None,
    octaves: int = 9,
) -> np.ndarray:
    """(height, width) float32 of mean 0 and deviation 1, a window of the bank at a random place.

    `frequency`: pixels of the bank for each pixel across; `vertical`: for each pixel down, where it differs.
    `octaves`: with few of them, up to four, the noise is smooth.
    """
    bank = fractal_bank(octaves)
    rows = int(np.clip(height * (vertical or frequency), 4, SIDE - 8))
    columns = int(np.clip(width * frequency, 4, SIDE - 8))
    y, x = int(rng.integers(0, SIDE - rows)), int(rng.integers(0, SIDE - columns))
    window = cv2.resize(bank[y : y + rows, x : x + columns], (width, height), interpolation=cv2.INTER_LINEAR)
    mean, deviation = cv2.meanStdDev(window)
    return (window - np.float32(mean[0, 0])) * np.float32(1 / (deviation[0, 0] + 1e-4))


def smoothstep(x: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 up to `start`, 1 from `end` on, and a smooth cubic between."""
    t = np.clip((x - start) * np.float32(1 / (end - start)), 0, 1)
    return t * t * (3 - 2 * t)
