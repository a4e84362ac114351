"""A hub is a stranger: what it lists, names and sends is looked over before the real clients write it to a disk."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub_child import SAFE, tried, written
from tests.support.hub_server import Files, HubServer, _Handler

# Paths


def hostile_paths(cache: Path) -> list[str]:
    return [
        "../../../../../../x",
        str(cache / "victim.txt"),
        "unet/../../../../victim.txt",
        "../../../PAI--other/snapshots/master/x.safetensors",
        "..\\..\\x",
        "a\\b",
        "C:x",
        "x\0y",
        "a\n\x1b]0;pwned\x07b",
        "\u202eexe.bin",
        ".",
        "a" * 5000,
    ]


def test_a_path_that_leads_out_of_the_folder_is_refused_before_anything_is_fetched(hub: HubServer, tmp_path: Path):
    """Of models and data sets, from both hubs; what lies there is neither read nor removed."""
    paths = hostile_paths(tmp_path)
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    model = next(iter(hub.repositories.values()))
    for number in range(len(paths)):
        hub.repositories[f"evil/m{number}", "master"] = hub.repositories[f"evil/h{number}", "main"] = model
        hub.datasets[f"evil/d{number}", "master"] = {"0.txt": b"a"}
    numbered = {f"evil/{kind}{number}": path for number, path in enumerate(paths) for kind in "mhd"}

    def answer(handler: _Handler) -> bool:
        evil = [path for name, path in numbered.items() if f"/{name}/" in handler.path]
        hub.listed = [{**SAFE, "Path": path} for path in evil]
        return False

    hub.answer = answer
    code = f"""
every = [(said(model_dir, f'evil/m{{i}}'), said(model_dir, f'evil/h{{i}}'), said(modelscope_folder, f'evil/d{{i}}'))
         for i in range({len(paths)})]
print(json.dumps(every))"""
    every, log = tried(hub, tmp_path / "cache", code)
    shown = [repr(path)[1:-1][:40] for path in paths]
    for path, messages in zip(shown, every, strict=True):
        assert all(path in said for said in messages), (path, messages)
    assert not hub.downloads()
    assert victim.read_text() == "mine"
    assert not [name for name in written(tmp_path) if "home" not in name and name != "victim.txt"]
    assert not {"\x1b", "\x07", "\u202e"} & set(json.dumps(every, ensure_ascii=False) + log)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"Size": -1}, "with -1 bytes"),
        ({"Size": 10**30}, "bytes; valid are up to"),
        ({"Size": 10**12}, "are free"),
        ({"Size": "many"}, "many"),
        ({"Sha256": "/somewhere"}, "'/somewhere'"),
        ({"Sha256": ["a"]}, r"\['a'\]"),
        ({"Path": ["a"]}, r"\['a'\]"),
    ],
)
def test_a_size_or_a_hash_that_is_none_is_refused(hub: HubServer, tmp_path: Path, entry: dict[str, Any], words: str):
    hub.repositories.pop(("some/model", "main"))
    hub.listed = [{**SAFE, "Path": "x.txt", **entry}]
    said, _ = tried(hub, tmp_path, "print(json.dumps(said(model_dir, 'some/model')))")
    assert re.search(words, said), said
    assert not hub.downloads()


# What Hugging Face's client makes paths of


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"/somewhere/x"'},
        {"ETag": '"../../x"'},
        {"ETag": '".."'},
        {"X-Linked-ETag": '"/somewhere/x"'},
        {"X-Repo-Commit": "/somewhere/x"},
        {"X-Repo-Commit": "../../x"},
        {"Location": "file:///etc/passwd", "status": "302"},
        {"Location": "http://127.0.0.2:9/x", "ETag": '"../x"', "status": "302"},
    ],
    ids=str,
)
def test_a_hash_or_a_commit_that_is_a_path_never_reaches_the_client(
    hub: HubServer, shipped_files: Files, tmp_path: Path, headers: dict[str, str]
):
    hub.repositories = {("some/model", "main"): shipped_files}
    outside = tmp_path / "outside"
    headers = {key: value.replace("/somewhere", str(outside)) for key, value in headers.items()}

    def answer(handler: _Handler) -> bool:
        if handler.command != "HEAD" or "/resolve/" not in handler.path:
            return False
        handler.send_response(int(headers.get("status", 200)))
        for key, value in {"ETag": f'"{"ab" * 20}"', "X-Repo-Commit": "ab" * 20, **headers}.items():
            handler.send_header(key, value)
        handler.send_header("Content-Length", "3")
        handler.end_headers()
        return True

    hub.answer = answer
    said, _ = tried(hub, tmp_path / "cache", "print(json.dumps(said(model_dir, 'some/model')))")
    assert not said.startswith("OPENED") and ("hexadecimal" in said or "no address" in said), said
    assert not outside.exists()
    assert not [name for name in written(tmp_path) if "/blobs/" in name or "/snapshots/" in name or name == "x"]
