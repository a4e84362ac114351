"""Hugging Face's own client, held to what an honest hub does: paths, sizes, hashes, and limits on all that it sends.

The client makes paths of commits and of the hashes in ETags, as they come. It asks through an `httpx.Client` that it
lets a program set, so both are looked at there before the client sees them.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from glob import escape
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import httpx
from huggingface_hub import HfApi, constants, set_client_factory, snapshot_download
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import _http

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.untrusted import inside, parse_json
from pai_modelscope.zoo.listed import Answers, Listed, check_free_space, check_listing, fetching, is_hash, printable_log

# What `datasets` reads into memory, whatever its size.
_READ_WHOLE = ("README.md", "dataset_infos.json", ".huggingface.yaml")


def download(repo_id: str, kind: str, revision: str | None, choose: Callable[[Iterable[str]], Iterable[str]]) -> Path:
    """Fetch what `choose` takes of the listed paths into Hugging Face's cache, and return the folder.

    kind: 'model' or 'dataset'.

    Raises:
        UserError: a listing that is not honest, before anything is fetched; a file that is another than listed.
        Exception: the client's own errors.
    """
    revision = revision or constants.DEFAULT_REVISION
    with watched():
        listed, commit = _list(repo_id, kind, revision)
        folder = Path(constants.HF_HUB_CACHE, f"{kind}s--{repo_id.replace('/', '--')}")
        check_listing(listed, folder)
        wanted = set(choose(file.path for file in listed))
        files = [file for file in listed if file.path in wanted]
        check_free_space(files, folder)
        patterns = [escape(file.path) for file in files]
        got = Path(snapshot_download(repo_id, repo_type=kind, revision=revision, allow_patterns=patterns))
        if got.name != commit:
            raise UserError("it changed while it was fetched, or is not to be reached: try again.")
        for file in files:
            _verify(got, file, folder)
        return got


def _list(repo_id: str, kind: str, revision: str) -> tuple[list[Listed], str]:
    api = HfApi()
    commit = api.repo_info(repo_id, repo_type=kind, revision=revision).sha
    if not is_hash(commit):
        raise UserError("it names no commit.")
    tree = api.list_repo_tree(repo_id, repo_type=kind, revision=commit, recursive=True)
    files = [file for file in islice(tree, limits.HUB_FILES + 1) if isinstance(file, RepoFile)]
    return [Listed(file.path, file.size, file.lfs.sha256 if file.lfs else file.blob_id) for file in files], str(commit)


def _verify(snapshot: Path, file: Listed, folder: Path) -> None:
    """Compare a fetched file with its listing; one that is another is removed from the cache."""
    path = inside(folder, f"{snapshot.relative_to(folder)}/{file.path}")
    if path.is_file() and path.stat().st_size == file.size and _hash_of(path, file) == file.hash:
        return
    for place in (path.resolve(), path):
        place.unlink(missing_ok=True)
    raise UserError(f"{file.path} is not the file of {file.size} bytes that it lists: download it again.")


def _hash_of(path: Path, file: Listed) -> str | None:
    if file.hash is None:
        return None
    digest = hashlib.sha256() if len(file.hash) == 64 else hashlib.sha1(b"blob %d\0" % file.size)
    with path.open("rb") as content:
        while part := content.read(2**20):
            digest.update(part)
    return digest.hexdigest()


@contextmanager
def watched() -> Iterator[None]:
    """Hold all that this process asks of Hugging Face's protocol to our limits, `datasets` among it."""
    before: Callable[[], httpx.Client] = _http._GLOBAL_CLIENT_FACTORY
    if isinstance(before, _Watch):
        yield
        return
    set_client_factory(_Watch(before))
    try:
        with printable_log("huggingface_hub"):
            yield
    finally:
        set_client_factory(before)


class _Watch:
    """Makes the client that asks. The first thing that is wrong ends every other transfer, too."""

    def __init__(self, make: Callable[[], httpx.Client]) -> None:
        self._make = make
        self.failure: UserError | None = None
        self.waiting: float | None = None  # since when, where the hub was asked and did not answer
        self._answers = Answers()
        self._files: dict[str, tuple[str, str]] = {}  # names and sizes of files by their address, as the hub said
        self._announced: set[str] = set()

    def __call__(self) -> httpx.Client:
        client = self._make()
        hooks = client.event_hooks
        client.event_hooks = {
            "request": [*hooks["request"], self.request],
            "response": [*hooks["response"], self.response],
        }
        return client

    def request(self, request: httpx.Request) -> None:
        request.headers["Accept-Encoding"] = "identity"  # the bytes that are counted are those that come
        waits = request.extensions.get("timeout") or {}
        most = limits.HUB_SILENCE_SECONDS
        request.extensions["timeout"] = {
            kind: min(waits.get(kind) or most, most) for kind in ("connect", "read", "write", "pool")
        }
        now = time.monotonic()
        self.waiting = now if self.waiting is None else self.waiting
        if now - self.waiting > limits.HUB_PATIENCE_SECONDS:
            self.fail(f"nothing came for {limits.HUB_PATIENCE_SECONDS} seconds ({_name(request)})")
        self.check()

    def response(self, response: httpx.Response) -> None:
        self.check()
        request, headers = response.request, response.headers
        if "X-Repo-Commit" in headers and not is_hash(headers["X-Repo-Commit"]):
            self.fail(f"it names the commit {headers['X-Repo-Commit'][:80]!r}: that is no 40 hexadecimal digits")
        if headers.get("Content-Encoding", "identity") != "identity":
            self.fail(f"it answers with the encoding {headers['Content-Encoding'][:40]!r}, which was not asked for")
        if response.status_code < 500:
            self.waiting = None
        file = self._files.get(str(request.url))
        if request.method == "HEAD":
            self._head(response)
        elif file and response.is_redirect:
            self._files[self._target(response)] = file
        elif file and response.is_success:
            self._file(response, *file)
        else:
            self._answer(response)

    def check(self) -> None:
        if self.failure:
            raise self.failure

    def fail(self, message: str) -> None:
        self.failure = self.failure or UserError(f"{message}.")
        raise self.failure

    def _head(self, response: httpx.Response) -> None:
        """The client calls a file by the ETag, whatever it is, and fetches it from where this answer points."""
        if not (response.is_success or response.is_redirect):
            return
        name, target = _name(response.request), self._target(response)
        follows = response.is_redirect and httpx.URL(target).host == response.request.url.host
        tag = response.headers.get("X-Linked-ETag") or response.headers.get("ETag", "")
        if tag and not follows and not is_hash(tag.removeprefix("W/").strip('"')):
            self.fail(f"it names {name} by {tag[:80]!r}: those are no 40 or 64 hexadecimal digits")
        size = response.headers.get("X-Linked-Size") or ("" if response.is_redirect else _length(response))
        self._files[target] = name, size

    def _target(self, response: httpx.Response) -> str:
        """Where the answer points, or the address that was asked."""
        target = urljoin(str(response.request.url), response.headers.get("Location", ""))
        if urlsplit(target).scheme not in ("http", "https"):
            self.fail(f"it sends {_name(response.request)} to {target[:80]!r}, which is no address of the web")
        return str(httpx.URL(target))

    def _file(self, response: httpx.Response, name: str, size: str) -> None:
        size = _length(response) or size
        most = limits.TEXT_BYTES if name in _READ_WHOLE else limits.HUB_FILE_BYTES
        if not size.isdecimal() or int(size[:20]) > most:
            self.fail(f"{name} comes without its size, or with more than {most} bytes")
        if name not in self._announced:
            self._announced.add(name)
            fetching(name, int(size))
        response.stream = self._counted(response, name, int(size))

    def _counted(self, response: httpx.Response, name: str, most: int, answers: Answers | None = None) -> "_Body":
        assert isinstance(response.stream, httpx.SyncByteStream)  # the client is a synchronous one
        return _Body(response.stream, self, name, most, answers)

    def _answer(self, response: httpx.Response) -> None:
        """Read an answer that is no file. What names a commit in it becomes a path in the client, too."""
        try:
            self._answers.begin(_length(response))
            response.stream = self._counted(response, "its answer", limits.HUB_ANSWER_BYTES, self._answers)
            text = response.read()
            value = parse_json(text, "its answer") if response.is_success and text[:1] in (b"{", b"[") else None
        except UserError as error:
            self.fail(str(error).rstrip("."))
        commit = value.get("sha") if isinstance(value, dict) else None
        if commit is not None and not is_hash(commit):
            self.fail(f"it names the commit {str(commit)[:80]!r}: that is no 40 hexadecimal digits")


class _Body(httpx.SyncByteStream):
    """A body that is counted, and given up where it crawls or does not end."""

    def __init__(
        self, stream: httpx.SyncByteStream, watch: _Watch, name: str, most: int, answers: Answers | None = None
    ):
        self._stream, self._watch, self._name, self._most, self._answers = stream, watch, name, most, answers

    def __iter__(self) -> Iterator[bytes]:
        began, here, whole = time.monotonic(), 0, 0
        for part in self._stream:
            self._watch.check()
            here, whole = here + len(part), whole + len(part)
            if self._answers:
                self._answers.more(len(part))
            if whole > self._most:
                self._watch.fail(f"{self._name} has more than {self._most} bytes, as was said")
            if (now := time.monotonic()) - began >= limits.HUB_SPEED_SECONDS:
                if here < limits.HUB_SPEED * limits.HUB_SPEED_SECONDS:
                    self._watch.fail(f"{self._name} comes at less than {limits.HUB_SPEED} bytes a second")
                began, here = now, 0
            yield part
        self._watch.waiting = None

    def close(self) -> None:
        self._stream.close()


def _length(response: httpx.Response) -> str:
    return str(response.headers.get("Content-Length", ""))


def _name(request: httpx.Request) -> str:
    """The file that is asked for, else the path of the address."""
    path = unquote(request.url.path)
    return path.split("/resolve/", 1)[-1].split("/", 1)[-1] if "/resolve/" in path else path
