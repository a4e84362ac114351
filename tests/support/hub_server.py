"""A model hub on 127.0.0.1 for the real clients of ModelScope and Hugging Face, as far as they ask in these tests.

It serves folders, accepts what a push sends, can cut a download in the middle, and remembers every request. A test may
answer any request itself, as no honest hub would.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Files = dict[str, bytes]


def read_folder(folder: Path, **changes: bytes | None) -> Files:
    """The files of a folder; `changes` replaces files by name, or drops those that are None.

    A name's dots are written as two underscores: `configuration__json=b'{}'`.
    """
    files: dict[str, bytes | None] = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    files.update({name.replace("__", "."): content for name, content in changes.items()})
    return {name: content for name, content in files.items() if content is not None}


class HubServer:
    """Serves `repositories`, a mapping of (id, revision) to files; use it in a `with` statement."""

    def __init__(self, repositories: Mapping[tuple[str, str], Files] | None = None) -> None:
        self.repositories: dict[tuple[str, str], Files] = dict(repositories or {})
        self.datasets: dict[tuple[str, str], Files] = {}
        self.answer: Callable[[_Handler], bool] | None = None  # answers a request and returns True, or leaves it
        self.listed: list[dict[str, Any]] = []  # what listings hold besides, in ModelScope's words
        self.blobs: dict[str, bytes] = {}
        self.created: list[dict[str, Any]] = []
        self.requests: list[str] = []  # 'GET /path?query Range'
        self.cut: set[str] = set()  # files whose next download ends after half of its bytes
        self.refuse_writes = False
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Be a hub that is down: the port refuses connections."""
        self._server.shutdown()
        self._server.server_close()

    def downloads(self) -> list[str]:
        """The files whose contents were asked for, in order."""
        return [name for line in self.requests for name in [_file_of(line)] if name]

    def environment(self, cache: Path) -> dict[str, str]:
        """What points both clients here, with caches and login of their own."""
        return {
            "MODELSCOPE_ENDPOINT": self.address,
            "MODELSCOPE_CACHE": str(cache / "modelscope"),
            "MODELSCOPE_HOME": str(cache / "modelscope_home"),
            "HF_ENDPOINT": self.address,
            "HF_HOME": str(cache / "huggingface"),
            "HF_HUB_DISABLE_XET": "1",
        }


def _file_of(line: str) -> str | None:
    method, target, *_ = line.split(" ")
    url = urlsplit(target)
    if method == "GET" and "/resolve/" in url.path:
        return unquote(url.path.split("/resolve/")[1].split("/", 1)[1])
    return parse_qs(url.query).get("FilePath", [None])[0] if method == "GET" else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: HubServer

    def handle_error(self, *_: object) -> None:
        """A client that hangs up in the midst of an answer is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self._serve("GET")

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def _serve(self, method: str) -> None:
        self.server.hub.requests.append(f"{method} {self.path} {self.headers.get('Range', '')}")
        url = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(url.query).items()}
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.hub.answer and self.server.hub.answer(self):
            return
        parts = unquote(url.path).strip("/").split("/")
        match method, parts:
            case "GET", ["api", "v1", "models", owner, name]:
                self._model(f"{owner}/{name}")
            case "GET", ["api", "v1", "models" | "datasets" as kind, owner, name, "repo", "files" | "tree"]:
                self._list(kind, f"{owner}/{name}")
            case "GET", ["api", "v1", "models" | "datasets" as kind, owner, name, "repo"]:
                self._file(kind, f"{owner}/{name}", self.query.get("Revision", "master"), self.query["FilePath"])
            case "POST", ["api", "v1", "models"]:
                self._create()
            case "POST", ["api", "v1", "repos", "models", _, _, "info", "lfs", "objects", "batch"]:
                self._lfs_batch()
            case "PUT", ["blobs", digest]:
                self.server.hub.blobs[digest] = self.body
                self.send_json({"Code": 200})
            case "POST", ["api", "v1", "repos", "models", owner, name, "commit", revision]:
                self._commit(f"{owner}/{name}", revision)
            case "GET", ["api", "models" | "datasets" as kind, owner, name, "tree", revision, *path]:
                self._hf_tree(kind, f"{owner}/{name}", revision, "/".join(path))
            case "POST", ["api", "models" | "datasets" as kind, owner, name, "paths-info", revision]:
                self._hf_paths(kind, f"{owner}/{name}", revision)
            case "GET", ["api", "models" | "datasets" as kind, owner, name]:
                self._hf_repository(kind, f"{owner}/{name}", "main")
            case "GET", ["api", "models" | "datasets" as kind, owner, name, "revision", revision]:
                self._hf_repository(kind, f"{owner}/{name}", revision)
            case "GET" | "HEAD", ["datasets", owner, name, "resolve", revision, *path]:
                self._file("datasets", f"{owner}/{name}", revision, "/".join(path), hf=True)
            case "GET" | "HEAD", [owner, name, "resolve", revision, *path]:
                self._file("models", f"{owner}/{name}", revision, "/".join(path), hf=True)
            case _:
                self._missing(f"no route {self.path}")

    # ModelScope's client
    def _model(self, model_id: str) -> None:
        if not any(known == model_id for known, _ in self.server.hub.repositories):
            return self._missing(f"no model {model_id}")
        owner, name = model_id.split("/")
        self.send_json({"Code": 200, "Data": {"Path": owner, "Owner": owner, "Name": name, "Visibility": 5}})

    def _list(self, kind: str, repo_id: str) -> None:
        files = self._files(kind).get((repo_id, self.query.get("Revision", "master")))
        if files is None:
            return self._missing(f"no {repo_id} at revision {self.query.get('Revision')}")
        entries = [_entry(name, data) for name, data in files.items()] + self.server.hub.listed
        page, size = int(self.query.get("PageNumber", 1)), int(self.query.get("PageSize", len(entries)))
        self.send_json({"Code": 200, "Data": {"Files": entries[(page - 1) * size : page * size]}})

    def _create(self) -> None:
        if self.server.hub.refuse_writes:
            return self.send_json({"Code": 403, "Message": "no permission"}, 403)
        wanted = json.loads(self.body)
        if (f"{wanted['Path']}/{wanted['Name']}", "master") in self.server.hub.repositories:
            return self.send_json({"Code": 409, "Message": "the model exists already"}, 409)
        self.server.hub.created.append(wanted)
        self.server.hub.repositories[f"{wanted['Path']}/{wanted['Name']}", "master"] = {}
        self.send_json({"Code": 200, "Data": {"Path": wanted["Path"], "Name": wanted["Name"]}})

    def _lfs_batch(self) -> None:
        objects = []
        for each in json.loads(self.body)["objects"]:
            upload = {"upload": {"href": f"{self.server.hub.address}/blobs/{each['oid']}"}}
            objects.append({"oid": each["oid"], "actions": {} if each["oid"] in self.server.hub.blobs else upload})
        self.send_json({"Code": 200, "Data": {"objects": objects}})

    def _commit(self, model_id: str, revision: str) -> None:
        files = self.server.hub.repositories.setdefault((model_id, revision), {})
        for each in json.loads(self.body)["actions"]:
            inline = each["type"] == "normal"
            files[each["path"]] = base64.b64decode(each["content"]) if inline else self.server.hub.blobs[each["sha256"]]
        self.send_json({"Code": 200, "Success": True, "Data": {"oid": "0" * 40}})

    # Hugging Face's client
    def _hf_tree(self, kind: str, repo_id: str, revision: str, under: str) -> None:
        files = self._files(kind).get((repo_id, revision))
        if files is None:
            return self._missing("no such repository", {"X-Error-Code": "RepoNotFound"})
        tree = [_hf_entry(name, data) for name, data in files.items() if name.startswith(under)]
        more = [{"type": "file", "path": each["Path"], "size": each["Size"], "oid": "0" * 40}
                for each in self.server.hub.listed]  # fmt: skip
        self.send_json(tree + more)

    def _hf_paths(self, kind: str, repo_id: str, revision: str) -> None:
        files = self._files(kind).get((repo_id, revision), {})
        wanted = parse_qs(self.body.decode()).get("paths") or json.loads(self.body)["paths"]
        self.send_json([_hf_entry(name, files[name]) for name in wanted if name in files])

    def _hf_repository(self, kind: str, repo_id: str, revision: str) -> None:
        files = self._files(kind).get((repo_id, revision))
        if files is None:
            return self._missing("no such repository", {"X-Error-Code": "RepoNotFound"})
        commit = revision if _is_commit(revision) else _commit_of(repo_id, revision)
        self._files(kind)[repo_id, commit] = files
        self.send_json({"id": repo_id, "sha": commit, "siblings": [{"rfilename": name} for name in files], "tags": []})

    # Both
    def _files(self, kind: str) -> dict[tuple[str, str], Files]:
        return self.server.hub.datasets if kind == "datasets" else self.server.hub.repositories

    def _file(self, kind: str, repo_id: str, revision: str, name: str, hf: bool = False) -> None:
        data = self._files(kind).get((repo_id, revision), {}).get(name)
        if hf and not _is_commit(revision):
            revision = _commit_of(repo_id, revision)
        if data is None:
            return self._missing(f"no file {name}", {"X-Error-Code": "EntryNotFound"})
        start = int(self.headers["Range"].split("=")[1].split("-")[0]) if "Range" in self.headers else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if hf:
            self.send_header("X-Repo-Commit", revision)
            self.send_header("ETag", f'"{_hf_hash(name, data)}"')
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        if name in self.server.hub.cut:
            self.server.hub.cut.discard(name)
            self.wfile.write(data[start : start + (len(data) - start) // 2])
            self.close_connection = True
            return
        self.wfile.write(data[start:])

    def send_json(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        payload = json.dumps(value).encode()
        self.send_response(status)
        for key, each in (headers or {}).items():
            self.send_header(key, each)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def _missing(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        self.send_json({"Code": 404, "Message": message, "error": message}, 404, headers)


def _entry(name: str, data: bytes) -> dict[str, Any]:
    return {"Path": name, "Name": name.rsplit("/", 1)[-1], "Type": "blob", "Size": len(data), "Sha256": _sha(data)}


def _hf_entry(name: str, data: bytes) -> dict[str, Any]:
    """Weights lie in Git's large file storage, named by SHA-256; the rest in Git, named by its own hash."""
    entry: dict[str, Any] = {"type": "file", "path": name, "size": len(data), "oid": _git(data)}
    if _is_large(name):
        entry["lfs"] = {"oid": _sha(data), "size": len(data), "pointerSize": 134}
    return entry


def _hf_hash(name: str, data: bytes) -> str:
    return _sha(data) if _is_large(name) else _git(data)


def _is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".parquet", ".png"))


def _git(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _is_commit(revision: str) -> bool:
    return len(revision) == 40


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _commit_of(model_id: str, revision: str) -> str:
    return hashlib.sha1(f"{model_id}@{revision}".encode()).hexdigest()
