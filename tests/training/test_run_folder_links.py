"""A run folder from elsewhere with links in it: nothing outside the folder is written, replaced or removed."""

import json
import os
from pathlib import Path

import pytest

from pai_modelscope.errors import UserError
from pai_modelscope.training.ownership import STATE_FOLDER
from tests.support.command_line import names
from tests.support.training_runs import Table, run, steps_saved
from tests.training.test_run_folder import contents, lora

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights")

OVERWRITE = {"overwrite_output_dir": True, "resume_from_checkpoint": None}
FOLDERS = [
    STATE_FOLDER,
    f"{STATE_FOLDER}/unfinished",
    "samples",
    "cache",
    "class",
    "class/0123",
    "logs",
    "logs/pai_modelscope",
    "wandb",
]
FILES = ["log.jsonl", "run.json", f"{STATE_FOLDER}/lock", f"{STATE_FOLDER}/holder.json", "samples/step-000012.png"]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    (folder / "inner").mkdir(parents=True)
    for name in ("thesis.txt", "step-000001.png", "step-000012.png", "inner/notes.txt"):
        (folder / name).write_text("years of work")
    return folder


def linked(folder: Path, name: str, target: Path, made: bool) -> Path:
    """A run folder in which `name` is a link; `made`: with a list of files, as a run leaves it."""
    (folder / name).parent.mkdir(parents=True)
    (folder / name).symlink_to(target)
    if made and name != STATE_FOLDER:
        (folder / STATE_FOLDER).mkdir(exist_ok=True)
        (folder / STATE_FOLDER / "made.json").write_text(json.dumps({"about": "x", "files": {}}))
    return folder / name


@pytest.mark.parametrize("options", [{}, OVERWRITE], ids=["latest", "overwrite"])
@pytest.mark.parametrize("made", [True, False])
@pytest.mark.parametrize("name", FOLDERS)
def test_a_link_to_a_folder_is_refused_before_anything_is_written(tmp_path, outside, name, made, options):
    link, before, table = linked(tmp_path / "run", name, outside, made), contents(outside), Table()
    with pytest.raises(UserError, match="is a link") as error:
        run(tmp_path / "run", table=table, **options)
    assert str(link) in str(error.value) and not table.seen
    assert contents(outside) == before and names(outside) == [
        "inner",
        "step-000001.png",
        "step-000012.png",
        "thesis.txt",
    ]


@pytest.mark.parametrize("options", [{}, OVERWRITE], ids=["latest", "overwrite"])
@pytest.mark.parametrize("target", ["thesis.txt", "new"])
@pytest.mark.parametrize("name", FILES)
def test_a_link_to_a_file_is_refused_too_and_one_that_leads_nowhere(tmp_path, outside, name, target, options):
    link, before = linked(tmp_path / "run", name, outside / target, True), contents(outside)
    with pytest.raises(UserError, match="is a link") as error:
        run(tmp_path / "run", **options)
    assert str(link) in str(error.value) and contents(outside) == before


@pytest.mark.parametrize("name", ["holder.json", "made.json", "checkpoint-12", "result"])
def test_links_among_what_is_unfinished_are_removed_alone(tmp_path, outside, name):
    before = contents(outside)
    target = outside if "." not in name else outside / "thesis.txt"
    linked(tmp_path / "run", f"{STATE_FOLDER}/unfinished/{name}", target, True)
    assert run(tmp_path / "run")[1]["finished"]
    assert contents(outside) == before and names(tmp_path / "run" / STATE_FOLDER / "unfinished") == []


def test_the_command_line_says_so_in_a_line(tmp_path, outside, capsys):
    link, before = linked(tmp_path / "run", "cache", outside, True), contents(outside)
    assert lora(tmp_path / "run", "--cache_latents", "--resume_from_checkpoint", "latest") == 2
    said = capsys.readouterr().err
    assert f"{link} is a link" in said and "Traceback" not in said and contents(outside) == before


def test_the_users_own_links_stay_allowed(tmp_path):
    """The folder of a run may be one, that of a cache too, and what a run has nothing to do with."""
    (tmp_path / "disk/run").mkdir(parents=True)
    (tmp_path / "disk/cache").mkdir()
    for name in ("run", "cache"):
        (tmp_path / name).symlink_to(tmp_path / "disk" / name)
    (tmp_path / "disk/run/pictures").symlink_to(tmp_path / "disk")
    assert lora(tmp_path / "run", "--cache_latents", "--cache_dir", str(tmp_path / "cache")) == 0
    assert steps_saved(tmp_path / "disk/run") == [1] and list((tmp_path / "disk/cache").glob("*.safetensors"))
    run(tmp_path / "run2")
    (tmp_path / "run2/class").mkdir()
    (tmp_path / "run2/class/a.png").symlink_to(tmp_path / "run2/run.json")
    assert run(tmp_path / "run2")[1]["finished"]
