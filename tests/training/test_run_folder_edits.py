"""What a user changed in a run's result or checkpoints is not replaced, however large it is."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from pai_modelscope.errors import UserError
from pai_modelscope.training.ownership import STATE_FOLDER
from tests.support.training_runs import Regression, run, steps_saved
from tests.training.test_run_folder import contents

LARGE = 3 * 2**20  # bytes
OVERWRITE = {"overwrite_output_dir": True, "resume_from_checkpoint": None}


class Large(Regression):
    """Its checkpoints and its result have a file of megabytes."""

    def __init__(self):
        torch.manual_seed(7)
        super().__init__()
        self.register_buffer("large", self.layer.weight.new_zeros(LARGE // 4))

    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "large.bin").write_bytes(bytes(LARGE))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "run"
    run(folder, method=Large())
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """In which all files are as they were, but younger."""
    shutil.copytree(made, tmp_path / "run", copy_function=shutil.copy)
    return tmp_path / "run"


def edit(path: Path) -> None:
    """Other values in the midst of a file, which is as large and as old as before."""
    before = path.stat()
    with open(path, "r+b") as file:
        file.seek(before.st_size // 2)
        file.write(b"edited")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("options", [{}, OVERWRITE], ids=["latest", "overwrite"])
def test_a_large_file_of_a_result_that_was_edited_is_refused(copy, options):
    edit(copy / "result/large.bin")
    before = contents(copy)
    with pytest.raises(UserError, match=r"large\.bin was made, or changed, by no run"):
        run(copy, method=Large(), **options)
    assert contents(copy) == before


@pytest.mark.parametrize("options", [{}, OVERWRITE], ids=["latest", "overwrite"])
def test_a_copy_of_a_run_goes_on_and_is_overwritten(copy, options):
    assert run(copy, method=Large(), **options)[1]["finished"]
    assert steps_saved(copy) == [12]


def test_an_edited_file_is_noticed_in_the_process_that_wrote_it(tmp_path):
    run(tmp_path, method=Large())
    with open(tmp_path / "result/large.bin", "r+b") as file:
        file.write(b"edited")
    with pytest.raises(UserError, match=r"large\.bin"):
        run(tmp_path, method=Large(), **OVERWRITE)


@pytest.mark.parametrize("name", ["trained.safetensors", "optimizer.bin", "training.json", "scaler.pt"])
def test_an_edited_checkpoint_is_not_overwritten(copy, name):
    """Nor is a file that was added to it under a name that a checkpoint's file may have."""
    file = copy / "checkpoint-12" / name
    edit(file) if file.exists() else file.write_text("mine")
    before = contents(copy)
    with pytest.raises(UserError, match=rf"{name} was made, or changed, by no run"):
        run(copy, method=Large(), **OVERWRITE)
    assert contents(copy) == before


def test_a_run_goes_on_from_an_edited_checkpoint_and_keeps_it(copy):
    edit(copy / "checkpoint-12/trained.safetensors")
    with pytest.warns(UserWarning, match=r"checkpoint-12 is kept: .*trained\.safetensors was made, or changed, by no"):
        run(copy, method=Large(), max_train_steps=14, checkpoints_total_limit=1)
    assert steps_saved(copy) == [12, 14] and b"edited" in (copy / "checkpoint-12/trained.safetensors").read_bytes()


def test_a_list_of_an_earlier_version_still_counts(copy):
    """It knew large files by their sizes."""
    path = copy / STATE_FOLDER / "made.json"
    files = json.loads(path.read_text())["files"]
    sizes = {name: [each.split()[0] if "large" in name else each for each in stamps] for name, stamps in files.items()}
    assert sizes != files
    path.write_text(json.dumps({"about": "x", "files": sizes}))
    assert run(copy, method=Large(), **OVERWRITE)[1]["finished"]
    assert json.loads(path.read_text())["files"]["result/large.bin"] == files["result/large.bin"]
