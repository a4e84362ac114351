"""Checkpoints that would hang a run or take all memory are refused in a line, at little cost."""

import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.metadata import MetadataIndex

from pai_modelscope.errors import UserError
from pai_modelscope.training import checkpoint_files
from tests.support.limited import answers_within

CALL = """
from pathlib import Path
from pai_modelscope.training import checkpoint_files
def call(name):
    checkpoint_files.check(Path(name))
    return "read"
"""
BOMB = b"X\x01\0\0\0a" + b"q\0h\0\x86" * 40  # a tuple of two tuples of two tuples, and so on: 2**40 strings to hash
FIELD = b"X\x03\0\0\0fqn"
INDEX = b"ctorch.distributed.checkpoint.metadata\nMetadataIndex\n"
MEMORY_FORMAT = b"ctorch.distributed.checkpoint.metadata\n_MEM_FORMAT_ENCODING\n"
LAYOUT = b"ctorch.serialization\n_get_layout\n"
HUGE = 150_000_000

PICKLES = {
    "key": b"\x80\x02}" + BOMB + b"K\x01s.",
    "keys": b"\x80\x02}(" + BOMB + b"K\x01u.",
    "set": b"\x80\x04\x8f(" + BOMB + b"\x90.",
    "bytearray": b"\x80\x05\x96" + struct.pack("<Q", 20 * HUGE) + b".",
}
INDICES = PICKLES | {
    "number": b"\x80\x02K\x01r" + struct.pack("<I", HUGE) + b".",
    "text number": b"K\x01p%d\n." % HUGE,
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 20 * HUGE) + b"K\x01.",
    "name of a tensor": b"\x80\x02}" + INDEX + b")\x81}" + FIELD + BOMB + b"sbK\x01s.",
    "place of a tensor": b"\x80\x02}" + INDEX + b"X\x01\0\0\0x" + BOMB + b"\x86RK\x01s.",
    "kind": b"\x80\x02" + MEMORY_FORMAT + BOMB + b"\x85R.",
    "kind that is new": b"\x80\x02" + MEMORY_FORMAT + BOMB + b"\x85\x81.",
    "layout": b"\x80\x02" + LAYOUT + BOMB + b"\x85R.",
    "values for a class": b"\x80\x02" + INDEX + b"N}X\x08\0\0\0__hash__Ns\x86b.",
    "values for a function": b"\x80\x02" + LAYOUT + b"}X\x04\0\0\0nameK\x01sb.",
}


def zipped(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3\n")
    return path


def refused(folders: list[Path], name: str) -> None:
    answers = answers_within(CALL, [str(folder) for folder in folders], seconds=60)
    for folder, said in answers.items():
        assert said.startswith(f"UserError: {folder}/{name}") and "remove the folder" in said.lower(), said
        assert len(said) < 600


def test_pickles_that_take_for_ever_are_refused(tmp_path):
    for case, content in PICKLES.items():
        zipped(tmp_path / case / "optimizer.bin", content)
    refused([tmp_path / case for case in PICKLES], "optimizer.bin")


@pytest.mark.slow
def test_indices_that_take_for_ever_are_refused(tmp_path):
    for case, content in INDICES.items():
        (tmp_path / case / "optimizer_0").mkdir(parents=True)
        (tmp_path / case / "optimizer_0/.metadata").write_bytes(content)
    refused([tmp_path / case for case in INDICES], "optimizer_0/.metadata")


def test_an_index_changes_no_class_and_no_function(tmp_path):
    (tmp_path / "optimizer_0").mkdir()
    for case in ("values for a class", "values for a function"):
        (tmp_path / "optimizer_0/.metadata").write_bytes(INDICES[case])
        with pytest.raises(UserError, match="values for what has none"):
            checkpoint_files.check(tmp_path)
    assert MetadataIndex.__hash__ is not None and "name" not in vars(torch.serialization._get_layout)


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """What PyTorch writes of a state with tensors, numbers and lists."""
    state = {"state": {f"layer.{i}": {"step": torch.tensor(3.0), "exp_avg": torch.ones(4, i)} for i in (1, 2)}}
    dcp.save({**state, "lr": 0.1, "groups": [{"params": ["layer.1"]}]}, checkpoint_id=tmp_path / "c/o", no_dist=True)
    return tmp_path / "c"


def test_an_honest_index_is_read(sharded):
    checkpoint_files.check(sharded)
    assert (sharded / "o/.metadata").is_file() and list((sharded / "o").glob("*.distcp"))


def index_of(sharded: Path) -> tuple[Path, dcp.Metadata]:
    path = sharded / "o/.metadata"
    return path, pickle.loads(path.read_bytes())


@pytest.mark.slow
def test_a_piece_that_takes_for_ever_is_refused(sharded):
    path, index = index_of(sharded)
    content = zipped(sharded.parent / "bomb", PICKLES["key"]).read_bytes()
    first = next(iter(index.storage_data.values()))
    with open(sharded / "o" / first.relative_path, "ab") as file:
        first.offset, first.length = file.tell(), len(content)
        file.write(content)
    path.write_bytes(pickle.dumps(index))
    refused([sharded], f"o/{first.relative_path}")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"relative_path": "../../outside"}, "leads out of"),
        ({"relative_path": "missing"}, "No such file"),
        ({"relative_path": 3}, "can't be read"),
        ({"offset": -1}, "names bytes from -1"),
        ({"length": 2**40}, "names bytes from"),
        ({"length": "x"}, "can't be read"),
        ({"transform_descriptors": ["zstd"]}, "compressed"),
    ],
)
def test_pieces_elsewhere_are_refused(sharded, change, told):
    (sharded.parent / "outside").write_bytes(b"x")
    path, index = index_of(sharded)
    vars(next(iter(index.storage_data.values()))).update(change)
    path.write_bytes(pickle.dumps(index))
    with pytest.raises(UserError, match=told):
        checkpoint_files.check(sharded)
