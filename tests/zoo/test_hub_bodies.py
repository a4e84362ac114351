"""What a hub sends: answers without an end, files that crawl or are others than listed, data sets by the same road."""

import io
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.hub_child import IMPATIENT, SAFE, at, tried
from tests.support.hub_server import Files, HubServer, _Handler


def picture_bytes(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (number * 50, 100, 150)).save(file, "PNG")
    return file.getvalue()


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
@pytest.mark.slow
def test_a_file_that_does_not_come_is_given_up_and_named(
    hub: HubServer, shipped_files: Files, tmp_path: Path, there: str, words: str, reply
):
    hub.repositories = {("some/model", there): shipped_files}
    hub.answer = at(words, reply)
    began = time.monotonic()
    said, log = tried(hub, tmp_path, IMPATIENT + "print(json.dumps(said(model_dir, 'some/model')))")
    assert time.monotonic() - began < 100  # without limits: hours
    assert any(name in said for name in shipped_files), said
    assert "Fetching " in log or reply is not crawling
    assert not {"\x1b", "\x07"} & set(said + log)


@pytest.mark.parametrize(("there", "words"), [("master", "FilePath="), ("main", "/resolve/")], ids=["ms", "hf"])
@pytest.mark.parametrize("change", ["other", "shorter", "longer"])
def test_a_file_of_other_bytes_than_listed_is_no_model(
    hub: HubServer, shipped_files: Files, tmp_path: Path, there: str, words: str, change: str
):
    good = shipped_files["model_index.json"]
    other = {"other": bytes(reversed(good)), "shorter": good[:-1], "longer": good + b"x"}[change]
    hub.repositories = {("some/model", there): shipped_files}

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


def test_an_id_asks_modelscope_and_then_hugging_face(hub: HubServer, pictures: Files, tmp_path: Path) -> None:
    del hub.datasets["some/data", "master"]  # ModelScope's
    code = """
captions = [each.captions[0] for each in open_training_set('some/data')]
print(json.dumps([captions, said(open_training_set, 'a/nowhere')]))"""
    (captions, said), _ = tried(hub, tmp_path, code)
    assert captions == ["0号", "1号"]
    assert said.index("can't be fetched from ModelScope") < said.index("can't be loaded from Hugging Face")


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
