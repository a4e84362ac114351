"""What goes with a dish: steam, chopsticks, a spoon."""

import math

import cv2
import numpy as np

from recipes.dishes.piece import Look, Piece
from recipes.dishes.scene import Scene, Surface
from recipes.dishes.shapes import box, disc
from recipes.drawing.colour import colour

LEAST_STEAM = 0.045  # mean difference that steam must make where it is thickest, 0 to 1


def beside(scene: Scene) -> None:
    """A pair of chopsticks or a spoon, on the table to the right."""
    if scene.facts.beside == "筷子":
        _chopsticks(scene)
    elif scene.facts.beside == "勺子":
        _spoon(scene)


def _chopsticks(scene: Scene) -> None:
    ink = colour(str(scene.rng.choice(["7a3b22", "2c2522", "b8272a", "c99a5c"])))
    length = scene.side * 0.46
    lean = math.pi / 2 + scene.between(-0.12, 0.16)
    x, y = scene.width - scene.side * scene.between(0.060, 0.085), scene.height * scene.between(0.5, 0.56)
    for k, turn in ((0, 0.0), (1, scene.between(0.02, 0.05))):
        stick = np.array([[-1, -0.022], [1, -0.034], [1, 0.034], [-1, 0.022]])
        sprite = Piece(scene, length).lump(stick, Look(ink, gloss=0.5, dome=0.8), length, lean + turn, 0.0).done(1.2)
        scene.stamp(sprite, x - k * scene.side * 0.045, y, "筷子")


def _spoon(scene: Scene) -> None:
    size = scene.side * 0.15
    lean = math.pi / 2 + scene.between(-0.2, 0.2)
    white = Look(colour("f6f4ee"), gloss=0.9, dome=0.6)
    piece = Piece(scene, size * 2.0)
    piece.lump(
        box(0.95, 0.17, 0.16), white, size, lean, 0.1, (math.cos(lean) * size * 0.65, math.sin(lean) * size * 0.65)
    )
    bowl = (-math.cos(lean) * size * 0.62, -math.sin(lean) * size * 0.62)
    piece.lump(disc(0.58, 0.42), white, size, lean, 0.1, bowl)
    hollow = Look(colour("dcd9d2"), gloss=0.5, dome=-0.6, edge=0.8, contour=0.5)
    piece.lump(disc(0.47, 0.32), hollow, size, lean, 0.1, bowl)
    x, y = scene.width - scene.side * scene.between(0.08, 0.10), scene.height * scene.between(0.52, 0.6)
    scene.stamp(piece.done(1.2), x, y, "勺子")


def steam(scene: Scene, surface: Surface) -> bool:
    """Wisps that rise from the dish; whether they can be seen."""
    wisps = _wisps(scene, surface)
    side = 128
    mask = np.zeros((side, side), np.uint8)
    scale = np.array([side / scene.width, side / scene.height])
    thick = 1 if scene.style.flat or scene.style.contour is not None else 5
    for wisp in wisps:
        points = np.rint(wisp * scale * 8).astype(np.int32)
        half = len(points) // 2
        cv2.polylines(mask, [points], False, 150, thick, cv2.LINE_AA, 3)
        cv2.polylines(mask, [points[:half]], False, 255, thick + 1, cv2.LINE_AA, 3)
    lined = scene.style.flat or scene.style.contour is not None
    if lined:
        alpha = np.zeros((scene.height, scene.width), np.uint8)
        for wisp in wisps:
            cv2.polylines(
                alpha, [np.rint(wisp * 8).astype(np.int32)], False, 255, max(2, round(7 * scene.pixel)), cv2.LINE_AA, 3
            )
        cover = alpha.astype(np.float32) * np.float32((0.75 if scene.style.flat else 0.6) / 255)
    else:
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 4.2)
        soft = np.clip(soft * np.float32(0.66 / max(float(soft.max()), 1.0)), 0, 1)
        cover = cv2.resize(soft, (scene.width, scene.height), interpolation=cv2.INTER_CUBIC)
        cover = np.clip(cover, 0, 1)
    before = scene.rgb.copy()
    ink = (1.0, 1.0, 1.0)
    dense = cover > 0.33
    if lined and dense.any() and float(scene.rgb[:, dense].mean()) > 0.78:
        ink = (0.55, 0.56, 0.58)
    scene.tinge(cover, ink)
    return bool(dense.any()) and float(np.abs(scene.rgb[:, dense] - before[:, dense]).mean()) > LEAST_STEAM


def _wisps(scene: Scene, surface: Surface) -> list[np.ndarray]:
    wisps = []
    count = scene.count(3, 4)
    for k in range(count):
        t = np.linspace(0, 1, 40)
        u = (k - (count - 1) / 2) * 0.36 + scene.between(-0.06, 0.06)
        x, y = surface.at(u, -0.1 + scene.between(-0.15, 0.15), 0.1)
        tall = scene.side * scene.between(0.30, 0.42)
        sway = scene.side * 0.035 * np.sin(t * scene.between(5, 7) + scene.angle()) * (0.5 + t)
        wisps.append(np.stack([x + sway, y - tall * t], 1))
    return wisps
