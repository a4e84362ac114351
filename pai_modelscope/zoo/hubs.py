"""The two hubs through their own clients, which keep the caches and resume downloads.

Neither client imports torch or ModelScope's library; both are imported only when a hub or a cache is asked.
"""

from pathlib import Path

from pai_modelscope.errors import UserError
from pai_modelscope.untrusted import inside
from pai_modelscope.zoo.folders import needed


def modelscope_cached(model_id: str, revisions: tuple[str | None, ...]) -> Path | None:
    """Find the folder in ModelScope's cache, of the first of these revisions that is there (None: the newest one)."""
    from modelscope_hub import HubApi
    from modelscope_hub.errors import CacheNotFound

    for revision in revisions:
        try:
            return Path(HubApi().download_repo(model_id, "model", revision=revision, local_files_only=True))
        except CacheNotFound as error:  # of several revisions the client chooses none
            if revision is None and error.cache_dir and (newest := _newest(Path(error.cache_dir))):
                return newest
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

    A partial file from an earlier try is continued. Raises `UserError` and the client's errors.
    """
    from pai_modelscope.zoo import modelscope

    return modelscope.download(model_id, "model", revision, needed)


def huggingface_cached(model_id: str, revision: str | None) -> Path | None:
    """Find the snapshot folder in Hugging Face's cache, or None."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    snapshot: str | None
    try:
        snapshot = snapshot_download(model_id, revision=revision, local_files_only=True)
    except LocalEntryNotFoundError as error:
        # It also calls a snapshot incomplete that lacks the files which we never fetch: `problem` is to judge.
        snapshot = getattr(error, "snapshot_path", None)
    folder = Path(constants.HF_HUB_CACHE, f"models--{model_id.replace('/', '--')}", "snapshots")
    if snapshot:
        return inside(folder, Path(snapshot).relative_to(folder.resolve()).as_posix())
    return _newest(folder) if revision is None else None


def _newest(folder: Path) -> Path | None:
    """Of several snapshots, that which changed last: a copied cache may lack the names that pointed to them."""
    snapshots = [path for path in folder.glob("*") if path.is_dir()]
    return max(snapshots, key=lambda path: path.stat().st_mtime, default=None)


def huggingface_download(model_id: str, revision: str | None) -> Path:
    """Fetch what is needed of a model into Hugging Face's cache. Raises `UserError` and the client's errors."""
    from pai_modelscope.zoo import huggingface

    return huggingface.download(model_id, "model", revision, needed)


def reason(error: BaseException) -> str:
    """Write a client's error in one line: the operating system's word where there is one, else the client's own."""
    if isinstance(error, UserError):
        return str(error).rstrip(".")
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
