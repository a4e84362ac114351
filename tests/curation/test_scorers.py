"""Scorers of other packages, and which specs are refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pai_modelscope.curation.plan import read_plan
from pai_modelscope.curation.scorer import ScorerSpec, register_scorer, scorers_named
from pai_modelscope.curation.selection import scores_of
from pai_modelscope.errors import UserError

ROOT = Path(__file__).parents[2]
BRIGHTNESS = """
from pai_modelscope.curation.scorer import Scorer, ScorerSpec

class Brightness(Scorer):
    def score(self, pairs):
        return {"brightness": [sum(pair.picture.convert("L").resize((1, 1)).tobytes()) for pair in pairs]}

SPEC = ScorerSpec("brightness", {"brightness": "whole"}, "its_brightness:Brightness", "the mean of the grays")
"""


def test_a_scorer_of_an_installed_package_scores(noisy: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    info = site / "its_brightness-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: its_brightness\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[pai_modelscope.scorers]\nbrightness = its_brightness:SPEC\nbad = its_brightness:Scorer\n"
    )
    (site / "its_brightness.py").write_text(BRIGHTNESS)
    command = [sys.executable, "-m", "pai_modelscope.cli", "curate", "score", str(noisy), str(tmp_path / "out")]
    done = subprocess.run(
        [*command, "--scorer", "brightness", "--workers", "1"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "the scorer 'bad' of its_brightness can't be used" in done.stderr
    rows = scores_of(tmp_path / "out", read_plan(tmp_path / "out")).to_table().to_pylist()
    found = {row["path"]: row["brightness"] for row in rows if row["problem"] is None}
    assert len(found) == 67 and found["darker.png"] < found["03.png"]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (ScorerSpec("mine", {"clip": "number"}, "a:B", ""), "has the column 'clip' of another"),
        (ScorerSpec("mine", {"id": "text"}, "a:B", ""), "has the column 'id' of another"),
        (ScorerSpec("clip", {"clip": "number"}, "a:B", ""), "there is a scorer 'clip' already"),
        ("clip", "is no ScorerSpec"),
    ],
)
def test_what_is_no_scorer(spec: ScorerSpec, says: str) -> None:
    with pytest.raises(UserError, match=says):
        register_scorer(spec)


def test_what_cannot_be_loaded_is_one_line() -> None:
    for target in ("no_such_module:Scorer", "json:loads", "json:nothing"):
        with pytest.raises(UserError, match="the scorer 'mine'"):
            ScorerSpec("mine", {"mine": "number"}, target, "").load()
    with pytest.raises(UserError, match="named twice"):
        scorers_named(["clip", "clip"])
