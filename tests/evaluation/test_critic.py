"""The judge's word on any pictures: names, styles, likeness."""

import subprocess
import sys

import pytest

from pai_modelscope import open_dataset
from pai_modelscope.evaluation import Critic


@pytest.fixture(scope="module")
def critic() -> Critic:
    return Critic(samples=40)


def test_real_drawings_are_named(critic):
    rows = open_dataset("held_pair", size=128).shuffle(seed=0).select(range(24))
    pictures = [row["image"] for row in rows]
    found = [critic.finds([picture], name)[0] for picture, name in zip(pictures, rows["name"], strict=True)]
    assert sum(found) >= 15  # one in 700 by chance
    assert [names[0] for names in critic.names(pictures, 1)] == [names[0] for names in critic.names(pictures)]


def test_the_style_of_a_drawing_is_told(critic):
    rows = [
        row for split in ("style", "base") for row in open_dataset(split, size=128).shuffle(seed=1).select(range(12))
    ]
    said = critic.styles([row["image"] for row in rows])
    scores = critic.style_scores([row["image"] for row in rows], rows[0]["style"])
    assert scores[:12].mean() > scores[12:].mean() + 0.5
    assert sum(one == row["style"] for one, row in zip(said, rows, strict=True)) >= 20


def test_likeness_to_a_text_and_to_pictures(critic):
    rows = open_dataset("held_concept", size=128)
    name = rows[0]["name"]
    same = [row["image"] for row in rows if row["name"] == name][:3]
    other = [row["image"] for row in rows if row["name"] != name][:3]
    assert critic.likeness(same, name).mean() > critic.likeness(other, name).mean()
    assert critic.likeness(same[:1], same[1:]).mean() > critic.likeness(other[:1], same[1:]).mean()


@pytest.mark.slow
def test_a_program_without_a_main_guard_runs_once(tmp_path):
    """Enough drawings are looked at that they were once rendered by processes, each of which ran the program anew."""
    program = tmp_path / "program.py"
    program.write_text(
        "print('starts')\n"
        "from PIL import Image\n"
        "from pai_modelscope.evaluation import Critic\n"
        "print(len(Critic(samples=60).styles([Image.new('RGB', (256, 256), 'white')])))\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["starts", "1"]
