"""A picture of 16 x 16 pixels, by which duplicates are found."""

from collections.abc import Sequence

from PIL import Image

from pai_modelscope.curation.pairs import Pair
from pai_modelscope.curation.scorer import Scorer, Scores

SIDE = 16


class ThumbnailScorer(Scorer):
    """RGB, row by row, 768 bytes: whatever the picture's aspect, so that a stretched copy is the same."""

    def score(self, pairs: Sequence[Pair]) -> Scores:
        return {"thumbnail": [pair.picture.resize((SIDE, SIDE), Image.Resampling.BOX).tobytes() for pair in pairs]}
