"""A hub is a stranger: what it lists, names and sends is looked over before the real clients write it to a disk."""

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pai_modelscope import model_dir
from tests.hub_server import Files, HubServer, _Handler, read_folder

TRY = """
import json, sys, resource
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
from pai_modelscope import UserError, limits, model_dir
from pai_modelscope.data.tables import modelscope_folder
from pai_modelscope.data import open_training_set
limits.HUB_SILENCE_SECONDS, limits.HUB_PATIENCE_SECONDS, limits.HUB_SPEED_SECONDS = 1, 3, 2

def said(call, *args):
    try:
        return f'OPENED {call(*args)}'
    except UserError as error:
        return str(error)
"""
HASH = "ab" * 32
SAFE = {"Type": "blob", "Size": 3, "Sha256": HASH}


@pytest.fixture(scope="module")
def files() -> Files:
    return read_folder(model_dir("pai-diffusion-mini-zh"))


@pytest.fixture
def hub(files: Files) -> Iterator[HubServer]:
    with HubServer({("some/model", "master"): files, ("some/model", "main"): files}) as server:
        yield server


def tried(hub: HubServer, cache: Path, code: str, **environment: str) -> tuple[Any, str]:
    """What `code` prints as JSON in a process of its own that knows only `hub`, and its stderr."""
    done = subprocess.run(
        [sys.executable, "-c", TRY + code],
        env={**os.environ, **hub.environment(cache), "MODELSCOPE_REPO_TREE_PAGE_MAX_ATTEMPTS": "2", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1]), done.stderr


def picture_bytes(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (number * 50, 100, 150)).save(file, "PNG")
    return file.getvalue()


def written(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


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


# Answers without an end, and bodies that are others


def endless(handler: _Handler) -> None:
    """Spaces, which JSON allows, for as long as anybody reads."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" " * 2**20)
    except OSError:
        handler.close_connection = True


def crawling(handler: _Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "10000000")
    handler.end_headers()
    try:
        for _ in range(60):
            handler.wfile.write(b"x")
            time.sleep(0.5)
    except OSError:
        handler.close_connection = True


def silent(handler: _Handler) -> None:
    time.sleep(15)
    handler.close_connection = True


def failing(handler: _Handler) -> None:
    handler.send_json({"Code": 500, "Message": "a\x1b]0;pwned\x07b"}, 500)


def at(words: str, reply: Callable[[_Handler], None]) -> Callable[[_Handler], bool]:
    """Answers every request whose address holds `words` by `reply`."""

    def answer(handler: _Handler) -> bool:
        if words in handler.path and handler.command == "GET":
            reply(handler)
            return True
        return False

    return answer


@pytest.mark.parametrize(
    ("words", "reply", "what"),
    [
        ("repo/files", endless, "more than 8388608 bytes"),
        ("/api/models/", endless, "more than 8388608 bytes"),
        ("repo/files", lambda h: h.send_json({"Data": {"Files": [{"Path": "a" * 100}] * 90_000}}), "more than 8388608"),
        (
            "/tree/",
            lambda h: h.send_json([{"type": "file", "path": "a", "size": 1, "oid": "a"}] * 60_000),
            "60000|50001",
        ),
        (
            "/tree/",
            lambda h: h.send_json([], 200, {"Link": f'<{h.server.hub.address}{h.path}>; rel="next"'}),
            "20 pages",
        ),
        ("/api/models/", lambda h: h.send_json({"sha": "/somewhere/x"}), "'/somewhere/x'"),
        ("/api/models/", lambda h: h.send_json({"sha": "../x"}), "'../x'"),
        ("/api/models/", lambda h: h.send_json(deep(100)), "nests more than 64"),
    ],
    ids=["endless", "endless-hf", "many-bytes", "many-files", "pages", "commit", "commit-dots", "deep"],
)
def test_an_answer_beyond_a_limit_is_refused(hub: HubServer, tmp_path: Path, words: str, reply, what: str):
    hub.answer = at(words, reply)
    hub.repositories.pop(("some/model", "master" if words.startswith("/") else "main"))  # one hub has it
    said, _ = tried(hub, tmp_path, "limits.HUB_PAGES = 20; print(json.dumps(said(model_dir, 'some/model')))")
    assert re.search(what, said), said
    assert not hub.downloads()


def deep(levels: int) -> list[Any]:
    return [deep(levels - 1)] if levels else []


def test_pages_of_a_data_set_that_are_always_full_end(hub: HubServer, tmp_path: Path):
    page = {"Data": {"Files": [{"Path": f"{i}.txt", **SAFE} for i in range(200)]}}
    hub.answer = at("/repo/tree", lambda handler: handler.send_json(page))
    said, _ = tried(hub, tmp_path, "limits.HUB_PAGES = 20; print(json.dumps(said(modelscope_folder, 'some/data')))")
    assert "33554432 in all" in said or "20 pages" in said
    assert len(hub.requests) <= 21


@pytest.mark.parametrize("reply", [crawling, silent, failing], ids=lambda reply: reply.__name__)
@pytest.mark.parametrize(("there", "words"), [("master", "FilePath="), ("main", "/resolve/")], ids=["ms", "hf"])
def test_a_file_that_does_not_come_is_given_up_and_named(
    hub: HubServer, files: Files, tmp_path: Path, there: str, words: str, reply
):
    hub.repositories = {("some/model", there): files}
    hub.answer = at(words, reply)
    began = time.monotonic()
    said, log = tried(hub, tmp_path, "print(json.dumps(said(model_dir, 'some/model')))")
    assert time.monotonic() - began < 45  # without limits: hours
    assert any(name in said for name in files), said
    assert "Fetching " in log or reply is not crawling
    assert not {"\x1b", "\x07"} & set(said + log)


@pytest.mark.parametrize(("there", "words"), [("master", "FilePath="), ("main", "/resolve/")], ids=["ms", "hf"])
@pytest.mark.parametrize("change", ["other", "shorter", "longer"])
def test_a_file_of_other_bytes_than_listed_is_no_model(
    hub: HubServer, files: Files, tmp_path: Path, there: str, words: str, change: str
):
    good = files["model_index.json"]
    other = {"other": bytes(reversed(good)), "shorter": good[:-1], "longer": good + b"x"}[change]
    hub.repositories = {("some/model", there): files}

    def send(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(other)))
        handler.end_headers()
        handler.wfile.write(other)

    def answer(handler: _Handler) -> bool:
        return "model_index" in handler.path and at(words, send)(handler)

    hub.answer = answer
    said, _ = tried(hub, tmp_path, "print(json.dumps(said(model_dir, 'some/model')))")
    assert "model_index.json" in said and not said.startswith("OPENED"), said
    hub.stop()
    said, _ = tried(hub, tmp_path, "print(json.dumps(said(model_dir, 'some/model')))")
    assert not said.startswith("OPENED"), said


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
    hub: HubServer, files: Files, tmp_path: Path, headers: dict[str, str]
):
    hub.repositories = {("some/model", "main"): files}
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


# Data sets go by the same road

PICTURES = """
found = open_training_set('{}:some/data')
print(json.dumps([[each.captions, list(each.read().getpixel((0, 0)))] for each in found]))"""


@pytest.fixture
def pictures(hub: HubServer) -> Files:
    found = {f"train/{i}.png": picture_bytes(i) for i in range(2)}
    rows = [json.dumps({"file_name": f"{i}.png", "text": f"{i}号"}, ensure_ascii=False) for i in range(2)]
    found["train/metadata.jsonl"] = "\n".join(rows).encode()
    hub.datasets = {("some/data", "master"): found, ("some/data", "main"): found}
    return found


@pytest.mark.parametrize("place", ["modelscope", "huggingface"])
def test_a_data_set_of_a_hub_opens(hub: HubServer, pictures: Files, tmp_path: Path, place: str):
    if place == "modelscope":
        hub.datasets["some/data", "master"] = {name.removeprefix("train/"): data for name, data in pictures.items()}
    seen, log = tried(hub, tmp_path, PICTURES.format(place))
    assert seen == [[[f"{i}号"], [i * 50, 100, 150]] for i in range(2)]
    assert "Fetching " in log
    asked = len(hub.downloads())
    assert tried(hub, tmp_path, PICTURES.format(place))[0] == seen
    assert len(hub.downloads()) - asked < 3  # what `datasets` asks of a card; no picture again


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_a_data_sets_card_names_only_files_of_the_hub(hub: HubServer, pictures: Files, tmp_path: Path, where: str):
    (tmp_path / "secret.csv").write_text("image,text\n1,2\n")
    with HubServer() as other:
        other.answer = lambda handler: bool(handler.send_json([]) or True)
        path = str(tmp_path / "secret.csv") if where == "here" else f"{other.address}/x.csv"
        pictures["README.md"] = f"---\nconfigs:\n- config_name: default\n  data_files: {path}\n---\n".encode()
        said, _ = tried(hub, tmp_path, "print(json.dumps(said(open_training_set, 'huggingface:some/data')))")
    assert path in said and "no file of a data set" in said, said


def test_a_picture_of_other_bytes_than_listed_is_no_data_set(hub: HubServer, pictures: Files, tmp_path: Path):
    def answer(handler: _Handler) -> bool:
        if "/1.png" not in handler.path or handler.command != "GET":
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(pictures["train/1.png"])))
        handler.end_headers()
        handler.wfile.write(bytes(len(pictures["train/1.png"])))
        return True

    hub.answer = answer
    said, _ = tried(hub, tmp_path, "print(json.dumps(said(open_training_set, 'huggingface:some/data')))")
    assert "train/1.png is not the file" in said, said
