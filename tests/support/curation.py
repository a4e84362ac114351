"""Scorers for the tests of curation."""

import os
import signal
from collections.abc import Sequence

from pai_modelscope.curation.pairs import Pair
from pai_modelscope.curation.scorer import Scorer, ScorerSpec, Scores

DEADLY_CAPTION = "要命"


class Killer(Scorer):
    """Kills its process, as the system does where memory runs out, when it sees one caption."""

    def score(self, pairs: Sequence[Pair]) -> Scores:
        if any(pair.caption == DEADLY_CAPTION for pair in pairs):
            os.kill(os.getpid(), signal.SIGKILL)
        return {"killer": [0] * len(pairs)}


class Fussy(Scorer):
    """Takes no advertising, and has nothing to say of a picture whose caption says nothing."""

    def score(self, pairs: Sequence[Pair]) -> Scores:
        for pair in pairs:
            if "包邮" in pair.caption:
                raise ValueError("包邮")
        return {"fussy": [None if pair.caption == "一张图" else 1.0 for pair in pairs]}


KILLER = ScorerSpec("killer", {"killer": "whole"}, "tests.support.curation:Killer", "kills its process")
