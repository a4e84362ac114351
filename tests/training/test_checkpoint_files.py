"""What a checkpoint's files may hold: tensors and plain values. No code of theirs runs, whoever wrote them."""

import json
import os
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pai_modelscope.errors import UserError
from pai_modelscope.training import checkpoint_files
from tests.support.training_runs import run

RECORDED = Path(__file__).parents[1] / "support/recorded/run-of-0.1.0.tar.gz"
PICKLES = ("custom_checkpoint_0.pkl", "custom_checkpoint_1.pkl", "optimizer.bin", "random_states_0.pkl")
OPTIONS = {"noise": 0.3, "ema_decay": 0.9, "max_train_steps": 6}


class Code:
    """Makes the folder `path` where it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that stopped after its first step."""
    folder = tmp_path_factory.mktemp("begun") / "run"
    run(folder, max_train_seconds=1e-9, **OPTIONS)
    return folder


@pytest.fixture
def checkpoint(begun: Path, tmp_path: Path) -> Path:
    shutil.copytree(begun, tmp_path / "run")
    return tmp_path / "run/checkpoint-1"


def refused(checkpoint: Path, name: str) -> str:
    """The message, which names the file."""
    with pytest.raises(UserError) as error:
        run(checkpoint.parent, **OPTIONS)
    assert str(checkpoint / name) in str(error.value), str(error.value)
    return str(error.value)


@pytest.mark.parametrize("form", ["pickle", "torch", "old"])
@pytest.mark.parametrize("name", [*PICKLES, "scaler.pt", "scheduler.bin"])
def test_code_in_a_file_never_runs(checkpoint, tmp_path, name, form):
    file, code = checkpoint / name, {"state": Code(tmp_path / "ran"), "param_groups": []}
    if form == "pickle":
        file.write_bytes(pickle.dumps(code))
    else:
        torch.save(code, file, _use_new_zipfile_serialization=form == "torch")
    said = refused(checkpoint, name)
    assert not (tmp_path / "ran").exists()
    assert form != "torch" or "it asks for posix.mkdir" in said


@pytest.mark.parametrize("name", PICKLES)
@pytest.mark.parametrize("content", [[], {}, {"last_epoch": "x", "base_lrs": [[]], "state": 3, "param_groups": [0]}])
def test_values_of_another_form_are_one_line(checkpoint, name, content):
    torch.save(content, checkpoint / name)
    with pytest.raises(UserError, match="checkpoint-1"):
        run(checkpoint.parent, **OPTIONS)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["param_groups"][0].update(lr=float("nan")),
        lambda state: state["param_groups"][0].update(betas=["a", "b"]),
        lambda state: state["param_groups"][0].update(amsgrad=True),
        lambda state: state["param_groups"][0].update(params=[0]),
        lambda state: state["state"][0].update(exp_avg=torch.zeros(3, 5)),
        lambda state: state["state"][0].update(exp_avg=torch.zeros(1).expand(1, 4)),
        lambda state: state["state"][0].update(step="x"),
        lambda state: state["state"].update({99: {}}),
    ],
)
def test_the_state_of_another_optimizer_is_refused(checkpoint, change):
    state = torch.load(checkpoint / "optimizer.bin")
    change(state)
    torch.save(state, checkpoint / "optimizer.bin")
    assert "is no state of this optimizer" in refused(checkpoint, "optimizer.bin")


def test_states_of_generators_that_do_not_fit_are_refused(checkpoint, tmp_path):
    """accelerate goes on without them, and the run would not be the same."""
    file = checkpoint / "random_states_0.pkl"
    torch.save({**checkpoint_files.read(file), "random_state": (3, (1, 2), None)}, tmp_path / "other")
    (tmp_path / "other").replace(file)  # the file that was read is mapped
    assert "can't be read" in refused(checkpoint, "random_states_0.pkl")


def test_a_file_that_is_compressed_is_refused_for_it_may_grow(checkpoint):
    file = checkpoint / "custom_checkpoint_0.pkl"
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    assert "compressed" in refused(checkpoint, file.name)


@pytest.mark.skipif(os.name == "nt", reason="no named pipes")
@pytest.mark.parametrize("name", ["optimizer.bin", "trained.safetensors", "training.json", "notes"])
def test_a_named_pipe_is_refused_not_waited_for(checkpoint, name):
    (checkpoint / name).unlink(missing_ok=True)
    os.mkfifo(checkpoint / name)
    refused(checkpoint, name)


@pytest.mark.parametrize("name", ["pytorch_model_fsdp_0", "optimizer_0"])
def test_the_index_of_a_sharded_checkpoint_is_data(checkpoint, tmp_path, name):
    (checkpoint / name).mkdir()
    for content in (Code(tmp_path / "ran"), json.loads, torch.load, pickle.Unpickler):
        (checkpoint / name / ".metadata").write_bytes(pickle.dumps(content))
        assert "it asks for" in refused(checkpoint, f"{name}/.metadata")
    assert not (tmp_path / "ran").exists()


def test_the_environment_is_as_it_was(monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    before, known = dict(os.environ), torch.serialization.get_safe_globals()
    with checkpoint_files.only_values():
        assert os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] == "1"
    assert dict(os.environ) == before and torch.serialization.get_safe_globals() == known


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        "[]",
        "null",
        '{"world_size": 1e400}',
        '{"world_size": "x"}',
        '{"world_size": 0}',
        '{"world_size": ' + "9" * 5000 + "}",
        b"\xff\xfe",
    ],
)
def test_an_identity_that_is_none_is_one_line(checkpoint, content):
    file = checkpoint / "training.json"
    file.write_bytes(content) if isinstance(content, bytes) else file.write_text(content)
    with pytest.raises(UserError, match=r"checkpoint-1 is no checkpoint of this training .*training\.json"):
        run(checkpoint.parent, **OPTIONS)


@pytest.mark.parametrize("value", ["x" * 10**6, ["a"], {"a": 1}, [1] * 10**5, None, float("nan")])
def test_what_differs_is_told_in_a_short_line(checkpoint, value):
    file = checkpoint / "training.json"
    names = ("method", "model", "samples", "seed", "global_batch")
    file.write_text(json.dumps(json.loads(file.read_text()) | dict.fromkeys(names, value)))
    with pytest.raises(UserError, match="can't be continued") as error:
        run(checkpoint.parent, **OPTIONS)
    assert len(str(error.value)) < 3000


def test_a_run_of_an_earlier_version_goes_on_exactly(tmp_path):
    """Recorded with 0.1.0, after the first of six steps; the rest draws from the generators' states that it holds."""
    with tarfile.open(RECORDED) as archive:
        archive.extractall(tmp_path / "run", filter="data")
    went_on, done, _ = run(tmp_path / "run", **OPTIONS)
    whole, _, _ = run(tmp_path / "whole", **OPTIONS)
    assert done["finished"]
    for name, value in whole.items():
        torch.testing.assert_close(went_on[name], value, rtol=1e-6, atol=1e-7)


def test_a_checkpoint_is_written_as_it_was(tmp_path, begun):
    """What this version writes, the one before can go on from: the same files with the same values in them."""
    with tarfile.open(RECORDED) as archive:
        archive.extractall(tmp_path, filter="data")
    ours, theirs = begun / "checkpoint-1", tmp_path / "checkpoint-1"
    assert sorted(os.listdir(ours)) == sorted(os.listdir(theirs))
    for name in PICKLES:
        one, other = (checkpoint_files.read(folder / name) for folder in (ours, theirs))
        assert checkpoint_files.alike(one, other) and one.keys() == other.keys()
    one, other = (load_file(folder / "trained.safetensors") for folder in (ours, theirs))
    torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)  # processors add in orders of their own
