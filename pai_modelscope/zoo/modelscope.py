"""ModelScope's own client, held to what an honest hub does: paths, sizes, hashes, and limits on all that it sends.

The client compares each file with the size and the SHA-256 that the listing names, and continues a partial file.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ParamSpec, Protocol

import requests
from modelscope_hub import HubApi, ProgressCallback, get_default_config
from modelscope_hub.errors import NotExistError
from modelscope_hub.types import DownloadReport, DownloadRetryPolicy

from pai_modelscope import limits
from pai_modelscope.errors import UserError
from pai_modelscope.zoo.listed import Answers, Listed, check_free_space, check_listing, fetching, is_id, printable_log

_Arguments = ParamSpec("_Arguments")
_AT_ONCE = 8  # files; one that fails ends the download after the others of its batch


def download(repo_id: str, kind: str, revision: str | None, choose: Callable[[Iterable[str]], Iterable[str]]) -> Path:
    """Fetch what `choose` takes of the listed paths into ModelScope's cache, and return the folder.

    kind: 'model' or 'dataset'.

    Raises:
        UserError: a listing that is not honest, before anything is fetched; a file that did not come, or is another.
        Exception: the client's own errors.
    """
    if not is_id(repo_id):
        raise UserError(f"the id {repo_id[:80]!r} is not OWNER/NAME.")
    with printable_log("modelscope_hub"):
        api = HubApi()
        try:
            listed = _list(api, repo_id, kind, revision)
        except NotExistError:  # not on the Chinese site: perhaps on the international one
            api = HubApi(endpoint=api.resolve_endpoint_for_read(repo_id, repo_type=kind))
            listed = _list(api, repo_id, kind, revision)
        folder = get_default_config().cache_dir / f"{kind}s" / repo_id.replace("/", "--")
        check_listing(listed, folder)
        wanted = set(choose(file.path for file in listed))
        files = [file for file in listed if file.path in wanted]
        check_free_space(files, folder)
        return _fetch(api, repo_id, kind, revision, files)


def _list(api: HubApi, repo_id: str, kind: str, revision: str | None) -> list[Listed]:
    with _counted(api):
        listing = api.list_repo_files(repo_id, kind, revision=revision)
    return [Listed(file.path, file.size, file.sha256 or None) for file in listing if file.type != "tree"]


def _fetch(api: HubApi, repo_id: str, kind: str, revision: str | None, files: list[Listed]) -> Path:
    policy = DownloadRetryPolicy(
        recovery_timeout=limits.HUB_PATIENCE_SECONDS,
        idle_timeout=limits.HUB_SILENCE_SECONDS,
        low_speed_window=limits.HUB_SPEED_SECONDS,
    )
    entries = [{"Path": file.path, "Size": file.size, "Sha256": file.hash} for file in files]
    if not entries:
        raise UserError("it lists no files.")
    with TemporaryDirectory() as notes:  # what the client remembers of a download: nothing for the next one
        for start in (0, *range(1, len(entries), _AT_ONCE)):
            report = api.download_repo_report(
                repo_id,
                kind,
                revision=revision,
                file_list=entries[start : start + _AT_ONCE if start else 1],
                tracker_path=Path(notes, f"{start}.json"),
                retry_policy=policy,
                progress_callbacks=[_Fetching],
            )
            with closing(report):
                if not report.complete:
                    raise UserError(_failure(report))
    return Path(report.output_dir)


def _failure(report: DownloadReport) -> str:
    failed = next((file for file in report.iter_files() if file.error), None)
    errors = [report.global_error, *report.listing_errors]
    return (
        f"{failed.path}: {failed.error}" if failed else next((error for error in errors if error), "it was interrupted")
    )


class _Fetching(ProgressCallback):
    """Says which file begins; the client makes one for each."""

    def __init__(self, filename: str, file_size: int):
        super().__init__(filename, file_size)
        fetching(filename, file_size)


@contextmanager
def _counted(api: HubApi) -> Iterator[None]:
    """Bounds what is read of the hub's answers."""
    answers = Answers()

    def count(response: requests.Response, **_: object) -> None:
        answers.begin(response.headers.get("Content-Length"))
        response.raw = _Counted(response.raw, answers)

    sessions = [value for value in vars(api.legacy).values() if isinstance(value, requests.Session)]
    assert sessions, "this version of modelscope_hub keeps its connections elsewhere"
    for session in sessions:
        session.hooks["response"].append(count)
    try:
        yield
    finally:
        for session in sessions:
            session.hooks["response"].remove(count)


class _Body(Protocol):
    """What is used of urllib3's response."""

    def stream(self, amt: int | None, decode_content: bool | None) -> Iterator[bytes]: ...


class _Counted:
    """urllib3's response, whose bytes are counted as they are read."""

    def __init__(self, raw: _Body, answers: Answers):
        self._raw, self._answers = raw, answers

    def __getattr__(self, name: str) -> object:
        attribute = getattr(self._raw, name)
        if name == "stream":
            return self._stream
        return self._read(attribute) if name in ("read", "read1") else attribute

    def _read(self, read: Callable[_Arguments, bytes]) -> Callable[_Arguments, bytes]:
        def counted(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> bytes:
            data = read(*args, **kwargs)
            self._answers.more(len(data))
            return data

        return counted

    def _stream(self, amt: int | None = 2**16, decode_content: bool | None = None) -> Iterator[bytes]:
        for data in self._raw.stream(amt, decode_content):
            self._answers.more(len(data))
            yield data
