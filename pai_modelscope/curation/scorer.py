"""What a scorer is, and which there are: the package's, those of installed packages, those that a program registers.

A package brings one by an entry point: in its `pyproject.toml`

    [project.entry-points."pai_modelscope.scorers"]
    brightness = "its_package.brightness:BRIGHTNESS"

where BRIGHTNESS is a `ScorerSpec`. Its module imports no torch itself.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pai_modelscope.config.option import short_repr
from pai_modelscope.curation.pairs import Pair
from pai_modelscope.errors import UserError, reason
from pai_modelscope.plugins import installed

GROUP = "pai_modelscope.scorers"  # of entry points
Kind = Literal["number", "whole", "flag", "text", "bytes"]
Value = float | int | bool | str | bytes | None
Scores = Mapping[str, Sequence[Value]]  # by column, a value a pair; None: it can't be said


class Scorer(ABC):
    """Looks at pairs and says something of each. It drops none: that is the selection's work.

    It is made once a process. A pair whose picture can't be read does not come here.
    """

    @abstractmethod
    def score(self, pairs: Sequence[Pair]) -> Scores:
        """A value of each column for each pair, in their order.

        An error is blamed on one pair: the others are scored again without it.
        """

    def digest(self) -> str:
        """Of all that the scores depend on beside the pair, such as weights; rules may be bound to it."""
        return "1"


@dataclass(frozen=True)
class ScorerSpec:
    """A scorer before its module is imported. `columns`: what each holds; `target`: 'module:Class'; `help`: a phrase;
    `batch`: pairs that it is given at once."""

    name: str
    columns: Mapping[str, Kind]
    target: str
    help: str
    batch: int = 64

    def load(self) -> Scorer:
        """Make it. Raises `UserError`: it can't be imported, or lacks what it needs."""
        module, _, name = self.target.partition(":")
        try:
            scorer = getattr(importlib.import_module(module), name)()
        except UserError:
            raise
        except Exception as error:  # of a package of somebody else
            raise UserError(f"the scorer {self.name!r} can't be loaded ({reason(error)})") from None
        if not isinstance(scorer, Scorer):
            raise UserError(f"the scorer {self.name!r}: {self.target} is no Scorer")
        return scorer


_HERE = "pai_modelscope.curation.scorers"
_BUILT_IN = (
    ScorerSpec(
        "picture",
        {
            "width": "whole", "height": "whole", "side": "whole", "aspect": "number", "contrast": "number",
            "sharpness": "number", "border": "number",
        },
        f"{_HERE}.picture:PictureScorer",
        "size, and whether the picture is plain, blurred or framed",
    ),
    ScorerSpec(
        "caption",
        {
            "characters": "whole", "chinese": "number", "address": "flag", "phone": "flag", "advert": "flag",
            "repeated": "number",
        },
        f"{_HERE}.caption:CaptionScorer",
        "length, share of Chinese, addresses, telephone numbers, advertising",
    ),
    ScorerSpec("thumbnail", {"thumbnail": "bytes"}, f"{_HERE}.thumbnail:ThumbnailScorer", "what finds duplicates"),
    ScorerSpec("clip", {"clip": "number"}, f"{_HERE}.clip:ClipScorer", "whether the caption fits, by the shipped CLIP"),
    ScorerSpec("nsfw", {"nsfw": "number"}, f"{_HERE}.nsfw:NsfwScorer", "how unsafe, by Yahoo's Open NSFW"),
)  # fmt: skip
_registered: dict[str, ScorerSpec] = {spec.name: spec for spec in _BUILT_IN}
OWN_COLUMNS = ("id", "part", "place", "path", "caption", "digest", "problem")  # of every table of scores


def register_scorer(spec: ScorerSpec) -> None:
    """Add a scorer of one's own. Raises `UserError`: no `ScorerSpec`, or a name or column that another has."""
    try:
        checked = _checked(spec, "register_scorer's")
    except (TypeError, ValueError) as error:
        raise UserError(str(error)) from None
    _registered[checked.name] = checked


def scorers() -> dict[str, ScorerSpec]:
    """All by their names. Warns, once, of an installed one that can't be used."""
    others = installed(GROUP, "scorer", _checked)
    return _registered | {spec.name: spec for spec in others if spec.name not in _registered}


def scorers_named(names: Sequence[str]) -> list[ScorerSpec]:
    """Raises `UserError` with the names that there are, and for a name that comes twice."""
    known = scorers()
    for name in names:
        if name not in known:
            raise UserError(f"there is no scorer {short_repr(name)}; valid are {', '.join(known)}")
    if len(set(names)) < len(names):
        raise UserError(f"a scorer is named twice: {', '.join(names)}")
    return [known[name] for name in names]


def _checked(loaded: object, place: str) -> ScorerSpec:
    if not isinstance(loaded, ScorerSpec):
        raise TypeError(f"{place} {short_repr(loaded)} is no ScorerSpec")
    taken = {column for spec in _registered.values() if spec.name != loaded.name for column in spec.columns}
    if double := sorted((taken | set(OWN_COLUMNS)) & set(loaded.columns)):
        raise ValueError(f"the scorer {loaded.name!r} has the column {double[0]!r} of another: give it another name")
    if (known := _registered.get(loaded.name, loaded)) != loaded:
        raise ValueError(f"there is a scorer {loaded.name!r} already ({known.target}): give it another name")
    return loaded
