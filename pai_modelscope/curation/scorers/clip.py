"""How well a caption fits its picture, by the Chinese CLIP that ships."""

import hashlib
from collections.abc import Sequence

from pai_modelscope.curation.pairs import Pair
from pai_modelscope.curation.scorer import Scorer, Scores
from pai_modelscope.evaluation.clip import IMAGE_TOWER, ChineseClip


class ClipScorer(Scorer):
    """`clip`: cosine of the features, -1 to 1. It knows what the shipped model knows, paintings, icons, portraits and
    dishes; of photographs it says little."""

    def __init__(self) -> None:
        self._clip = ChineseClip.load()

    def score(self, pairs: Sequence[Pair]) -> Scores:
        images = self._clip.images([pair.picture for pair in pairs])
        texts = self._clip.texts([pair.caption for pair in pairs])
        return {"clip": [round(float(value), 5) for value in (images * texts).sum(-1)]}

    def digest(self) -> str:
        content = (IMAGE_TOWER / "model.safetensors").read_bytes()
        return hashlib.sha256(content).hexdigest()[:16]
