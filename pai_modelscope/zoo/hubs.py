"""The two hubs through their own clients, which keep the caches, resume downloads and check sums.

Neither client imports torch or ModelScope's library; both are imported only when a hub or a cache is asked.
"""

import glob
from pathlib import Path

from pai_modelscope.zoo.folders import needed


def modelscope_cached(model_id: str, revisions: tuple[str | None, ...]) -> Path | None:
    """The folder in ModelScope's cache, of the first of these revisions that is there (None: the newest one)."""
    from modelscope_hub import HubApi
    from modelscope_hub.errors import CacheNotFound

    for revision in revisions:
        try:
            return Path(HubApi().download_repo(model_id, "model", revision=revision, local_files_only=True))
        except CacheNotFound as error:  # of several revisions the client chooses none
            if revision is None and error.cache_dir:
                snapshots = [each for each in Path(error.cache_dir).glob("*") if each.is_dir()]
                if snapshots:
                    return max(snapshots, key=lambda each: each.stat().st_mtime)
    return _oldest_modelscope_layout(model_id)


def _oldest_modelscope_layout(model_id: str) -> Path | None:
    """ModelScope's library before 1.20 kept `hub/OWNER/NAME`, which today's client no longer looks for."""
    from modelscope_hub import get_default_config

    owner, name = model_id.split("/", 1)
    root = get_default_config().cache_dir
    folders = [root / part / owner / name.replace(".", "___") for part in ("hub", "")]
    return next((folder for folder in folders if folder.is_dir() and any(folder.iterdir())), None)


def modelscope_download(model_id: str, revision: str | None) -> Path:
    """Fetch what is needed of a model into ModelScope's cache, where its own pipelines find it too.

    A partial file from an earlier try is continued. Raises the client's errors.
    """
    from modelscope_hub import HubApi
    from modelscope_hub.errors import NotExistError

    api = HubApi()
    try:
        listed = api.list_repo_files(model_id, "model", revision=revision)
    except NotExistError:  # not on the Chinese site: perhaps on the international one
        api = HubApi(endpoint=api.resolve_endpoint_for_read(model_id))
        listed = api.list_repo_files(model_id, "model", revision=revision)
    wanted = set(needed(each.path for each in listed if each.type != "tree"))
    files = [{"Path": each.path, "Size": each.size, "Sha256": each.sha256} for each in listed if each.path in wanted]
    return Path(api.download_repo(model_id, "model", revision=revision, file_list=files))


def huggingface_cached(model_id: str, revision: str | None) -> Path | None:
    """The snapshot folder in Hugging Face's cache, or None."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model_id, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError as error:
        # It also calls a snapshot incomplete that lacks the files which we never fetch: `problem` is to judge.
        partial = getattr(error, "snapshot_path", None)
        return Path(partial) if partial else None


def huggingface_download(model_id: str, revision: str | None) -> Path:
    """Fetch what is needed of a model into Hugging Face's cache. Raises the client's errors."""
    from huggingface_hub import HfApi, snapshot_download

    wanted = [glob.escape(each) for each in needed(HfApi().list_repo_files(model_id, revision=revision))]
    return Path(snapshot_download(model_id, revision=revision, allow_patterns=wanted))


def reason(error: BaseException) -> str:
    """A client's error in one line: the operating system's word on it where there is one, else the client's own."""
    failed = next(iter(getattr(error, "failed_files", {}).items()), None)
    if failed:
        return f"{failed[0]}: {reason(failed[1])}"
    innermost = error
    while cause := innermost.__cause__ or innermost.__context__:
        innermost = cause
    if isinstance(innermost, OSError) and innermost.strerror:
        return f"{innermost.strerror} ({type(error).__name__})"
    text = " ".join(str(getattr(error, "message", None) or error).split()) or type(error).__name__
    text = text.split(" for url: ")[0].rstrip(".")
    return text if len(text) <= 160 else text[:157] + "..."
