"""A run's folder: what no run made there stays."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pai_modelscope import files
from pai_modelscope.cli import main
from pai_modelscope.errors import UserError
from pai_modelscope.training.ownership import STATE_FOLDER, RunFolder
from tests.support.command_line import names
from tests.support.training_runs import Regression, Table, run, steps_saved

SMALL = [
    "--train_data_dir",
    "shipped:style",
    "--resolution",
    "64",
    "--max_train_steps",
    "1",
    "--train_batch_size",
    "1",
    "--rank",
    "2",
]
SMALL += ["--max_train_samples", "2"]


def lora(folder: Path, *more: str) -> int:
    return main(["train", "lora", *SMALL, "--output_dir", str(folder), *more])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FOREIGN = [
    ("result/thesis.txt", {}),
    ("result", {}),
    ("run.json", {}),
    ("log.jsonl", {}),
    ("samples/step-000000.png", {}),
    ("checkpoint-5", {}),
    ("checkpoint-5/mine.txt", {"overwrite_output_dir": True, "resume_from_checkpoint": None}),
    ("checkpoint-5/optimizer.bin", {"overwrite_output_dir": True, "resume_from_checkpoint": None}),
]


@pytest.mark.parametrize(("name", "options"), FOREIGN)
def test_what_no_run_made_is_refused_before_training(tmp_path, name, options):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("years of work")
    with pytest.raises(UserError, match="move it away, or give another output_dir") as error:
        run(tmp_path, table=(table := Table()), **options)
    assert str(tmp_path / name) in str(error.value) and not table.seen
    assert (tmp_path / name).read_text() == "years of work"


@pytest.mark.parametrize("name", ["result/notes.txt", "result/README.md", "checkpoint-12/notes.txt"])
def test_what_was_added_or_changed_since_a_run_is_refused(tmp_path, name):
    """The file may be called as one of ours is: its content says that somebody wrote in it."""
    run(tmp_path)
    with open(tmp_path / name, "a") as file:
        file.write("mine")
    before = contents(tmp_path)
    for options in ({}, {"overwrite_output_dir": True, "resume_from_checkpoint": None}):
        with pytest.raises(UserError, match=name):
            run(tmp_path, **options)
    assert contents(tmp_path) == before
    (tmp_path / name).rename(tmp_path / "kept")
    assert run(tmp_path)[1]["finished"] and "mine" in (tmp_path / "kept").read_text()


def test_an_earlier_runs_checkpoint_is_said_before_pictures_of_the_class_are_drawn(tmp_path, capsys):
    (tmp_path / "checkpoint-1").mkdir()
    drawing = ["--instance_prompt", "一只糯糯猫", "--class_prompt", "一只猫", "--output_dir", str(tmp_path)]
    assert main(["train", "dreambooth", *SMALL, *drawing]) == 2
    assert "already holds checkpoint-1" in capsys.readouterr().err
    assert not (tmp_path / "class").exists()


def test_overwriting_removes_a_runs_files_alone(tmp_path):
    run(tmp_path, checkpointing_steps=4, checkpoints_total_limit=0)
    mine = ["notes.txt", "samples/mine.png", "partial-notes.txt", "README.md", "checkpoints/a", "checkpoint-05/a"]
    for name in mine:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    run(tmp_path, overwrite_output_dir=True, resume_from_checkpoint=None, max_train_steps=2)
    assert steps_saved(tmp_path) == [2, 5]  # checkpoint-05 is none of ours
    assert all((tmp_path / name).read_text() == "mine" for name in mine)
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [1, 2]


def test_a_note_put_into_a_checkpoint_while_it_trains_is_kept(tmp_path):
    class Noting(Table):
        def batch(self, *args):
            if len(self.seen) == 5:
                (tmp_path / "checkpoint-4/notes.txt").write_text("mine")
            return super().batch(*args)

    with pytest.warns(UserWarning, match=r"checkpoint-4 is kept: .*notes\.txt was made, or changed, by no run"):
        run(tmp_path, table=Noting(), checkpointing_steps=4)
    assert (tmp_path / "checkpoint-4/notes.txt").read_text() == "mine" and steps_saved(tmp_path) == [4, 12]


def test_a_file_put_beside_the_result_while_it_trains_is_kept(tmp_path):
    class Noting(Regression):
        def save(self, folder):
            (tmp_path / "result").mkdir()
            (tmp_path / "result/notes.txt").write_text("mine")
            super().save(folder)

    with pytest.raises(UserError, match=r"result/notes\.txt"):
        run(tmp_path, method=Noting())
    assert (tmp_path / "result/notes.txt").read_text() == "mine" and steps_saved(tmp_path) == [12]


@pytest.mark.skipif(os.name == "nt", reason="links need rights")
@pytest.mark.parametrize("name", ["result", "checkpoint-3", "checkpoint-3/optimizer.bin", STATE_FOLDER])
def test_a_link_is_never_followed(tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/years").write_text("of work")
    (tmp_path / "run" / name).parent.mkdir(parents=True)
    target = tmp_path / "elsewhere" / ("years" if name.endswith(".bin") else "")
    (tmp_path / "run" / name).symlink_to(target)
    with pytest.raises(UserError, match=name):
        run(tmp_path / "run", overwrite_output_dir=True, resume_from_checkpoint=None)
    assert names(tmp_path / "elsewhere") == ["years"]


def test_a_removed_link_leaves_what_it_leads_to(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").touch()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    files.remove(tmp_path / "b")
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == ["file"]


@pytest.mark.parametrize("flat", [False, True])
def test_a_run_of_an_earlier_version_goes_on_and_is_overwritten(tmp_path, flat):
    """It kept no list: what its files are called, under its card and beside its run.json, tells that they are ours."""
    more = ("--flat",) if flat else ()
    assert lora(tmp_path, *more, "--legacy") == 0
    shutil.rmtree(tmp_path / STATE_FOLDER)
    assert lora(tmp_path, *more, "--resume_from_checkpoint", "latest", "--max_train_steps", "2") == 0
    shutil.rmtree(tmp_path / STATE_FOLDER)
    assert lora(tmp_path, *more, "--overwrite_output_dir") == 0
    assert (tmp_path / ("README.md" if flat else "result/README.md")).is_file() and steps_saved(tmp_path) == [1]
    shutil.rmtree(tmp_path / STATE_FOLDER)
    (tmp_path / "run.json").write_text("{}")  # nobody says any more whose they are
    assert lora(tmp_path, *more, "--overwrite_output_dir") == 2


def test_flat_replaces_nothing(tmp_path, capsys):
    (tmp_path / "README.md").write_text("mine")
    assert lora(tmp_path, "--flat") == 2
    assert "README.md" in capsys.readouterr().err and names(tmp_path) == [STATE_FOLDER, "README.md"]
    assert lora(tmp_path) == 0  # it lies in the way of a flat run only
    assert (tmp_path / "README.md").read_text() == "mine"
    (tmp_path / "README.md").unlink()
    resumed = ("--flat", "--resume_from_checkpoint", "latest")
    assert lora(tmp_path, *resumed) == 0 and lora(tmp_path, *resumed) == 0
    assert not (tmp_path / "result").exists() and "pai_modelscope" in (tmp_path / "README.md").read_text()


def test_flat_leaves_the_result_where_it_is_if_something_came_in_between(tmp_path):
    from pai_modelscope.training.flat import flatten

    run(tmp_path)
    (tmp_path / "layer.pt").write_text("mine")
    with pytest.raises(UserError, match=r"the result stays in .*result: .*layer\.pt"):
        flatten(RunFolder(tmp_path), 12)
    assert (tmp_path / "layer.pt").read_text() == "mine" and names(tmp_path / "result") == ["README.md", "layer.pt"]


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"files": 3}', '{"files": {"result/a": 3}}', "[" * 10**5, '{"files": {"result/layer.pt": [[]]}}'],
)
def test_a_damaged_list_is_one_line(tmp_path, content):
    run(tmp_path)
    (tmp_path / STATE_FOLDER / "made.json").write_text(content)
    with pytest.raises(UserError, match=r"made\.json|README\.md"):
        run(tmp_path)


@pytest.mark.parametrize("content", ["[" * 10**5, "3", '{"resumed": 5}', "\xff", '{"versions": [], "config": 3}'])
def test_a_run_json_of_another_form_is_one_line_or_goes_on(tmp_path, content):
    run(tmp_path, max_train_seconds=1e-9)
    (tmp_path / "run.json").write_text(content, encoding="latin-1")
    try:
        assert run(tmp_path)[1]["finished"]
    except UserError as error:
        assert "run.json" in str(error)


def test_lines_of_a_log_that_are_none_are_left_out(tmp_path):
    run(tmp_path, max_train_steps=3)
    odd = [
        "[" * 10**5,
        "3",
        '{"step": 1e999}',
        '{"step": "2"}',
        '{"step": 2, "loss": "x"}',
        '{"step": ' + "9" * 5000 + "}",
    ]
    with open(tmp_path / "log.jsonl", "a", encoding="utf-8") as file:
        file.write("\n".join([*odd, "x" * (3 * 2**20), '{"step": 3, "loss": 1e999}', "{"]))
    run(tmp_path, max_train_steps=3)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows][:3] == [1, 2, 3] and all(row["step"] <= 3 for row in rows)
    assert "the last logged loss is" in (tmp_path / "result/README.md").read_text()


def test_what_a_killed_writer_left_in_a_shared_folder_is_swept(tmp_path):
    """Not what another process, here or on another machine, may still be writing."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    here = files._machine()
    left = f"partial-{here}-{process.pid}-{'a' * 32}.safetensors"
    kept = [f"partial-{here}-{os.getpid()}-{'a' * 32}.safetensors", f"partial-00000000-1-{'a' * 32}.safetensors"]
    kept += [f"partial-{here}-{process.pid}-notes.safetensors", "partial-notes.txt", "a.safetensors"]
    for name in (left, *kept):
        (tmp_path / name).touch()
    files.sweep(tmp_path, r"[0-9a-f]{32}\.safetensors")
    assert names(tmp_path) == sorted(kept)
