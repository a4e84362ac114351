"""How a name becomes a folder on this machine."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pai_modelscope.errors import UserError
from pai_modelscope.zoo import hubs
from pai_modelscope.zoo.entries import Entry, lookup, suggestion
from pai_modelscope.zoo.folders import PIPELINE_TYPE, is_family, problem
from pai_modelscope.zoo.listed import is_id

SHIPPED = "pai-diffusion-mini-zh"
if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # Python 3.11 has no constructor for subclasses of Path itself


class ModelFolder(_Path):
    """A path that ModelScope's `pipeline(task, folder)` takes as it is.

    That function knows ids and folders as strings, and else objects with a `model_dir`, whose configuration.json it
    reads, or with a `pipeline`, which stands in for that file: Hugging Face's copies of our models have none.
    """

    @property
    def model_dir(self) -> str:
        return str(self)

    @classmethod
    def of(cls, folder: Path) -> "ModelFolder":
        made = cls(folder)
        if is_family(folder) and not (folder / "configuration.json").exists():
            made.__dict__["pipeline"] = {"type": PIPELINE_TYPE}
        return made


def model_dir(
    name_or_id_or_folder: str | os.PathLike[str], *, revision: str | None = None, local_files_only: bool = False
) -> ModelFolder:
    """Find the local folder of a model, adapter or ControlNet; a hub is asked only for what is nowhere on this machine.

    Tried in this order: a folder of that path; the model shipped in this package; ModelScope's cache; Hugging
    Face's cache; ModelScope; Hugging Face. An interrupted download is continued by the next call.

    name_or_id_or_folder: a folder, a name of the zoo, or an id on either hub (`PAI/...`, `alibaba-pai/...`).
    revision: branch, tag or commit; default: the one that the zoo names, else the hub's default branch.
    local_files_only: never ask a hub.

    Raises UserError that says what was tried and why each failed.
    """
    if not isinstance(name_or_id_or_folder, str | os.PathLike):
        kind = type(name_or_id_or_folder).__name__
        raise UserError(f"a model is named by a text or a path, not by {kind}: give a folder, a name or a hub id")
    name = os.fspath(name_or_id_or_folder)
    folder = Path(name).expanduser()
    if name.strip() and os.path.exists(folder):  # False, not an error, for a prompt given in place of a model
        return _checked(folder)
    entry = lookup(name)
    if entry is not None and entry.shipped:
        return _checked(shipped_folder(entry.name))
    if entry is None and not is_id(name):
        raise UserError(
            f"there is no folder {name!r}, and the zoo has no such name. Give a folder, a name from the zoo or a hub "
            f"id such as PAI/pai-diffusion-artist-large-zh. {suggestion(name)}"
        )
    if revision and not re.fullmatch(r"\w[\w.+-]*(/\w[\w.+-]*)*", revision):  # the clients make a folder of it
        raise UserError(f"revision {revision[:80]!r} is none: give a branch, a tag or a commit.")
    return _from_hubs(name, entry, revision, local_files_only)


def shipped_folder(name: str = SHIPPED) -> Path:
    """Where the package keeps a model of its own."""
    return Path(__file__).parent.parent / "assets" / name


def _checked(folder: Path) -> ModelFolder:
    if not folder.is_dir():
        if folder.exists():
            raise UserError(f"{str(folder)!r} is a file; give the model's folder")
        raise UserError(f"this installation lacks its model {str(folder)!r}; install pai_modelscope again")
    trouble = problem(folder)
    if trouble:
        raise UserError(
            f"{str(folder)!r} is not a complete model: {trouble}. Copy or download it again, or give another folder"
        )
    return ModelFolder.of(folder.resolve())


def _from_hubs(name: str, entry: Entry | None, revision: str | None, local_files_only: bool) -> ModelFolder:
    modelscope_id = entry.modelscope_id if entry else name
    huggingface_id = entry.huggingface_id if entry else name
    preferred = revision or (entry.revision if entry else None)
    # The zoo's revisions are ModelScope's tags; Hugging Face keeps the same files on its default branch.
    branch = None if entry and revision == entry.revision else revision
    cached: list[tuple[str, Callable[[], Path | None]]] = []
    online: list[tuple[str, Callable[[], Path | None]]] = []
    if modelscope_id:
        revisions = (revision,) if revision else tuple(dict.fromkeys((preferred, None)))
        cached.append(("ModelScope's cache", lambda: hubs.modelscope_cached(modelscope_id, revisions)))
        online.append((f"ModelScope {modelscope_id}", lambda: hubs.modelscope_download(modelscope_id, preferred)))
    if huggingface_id:
        cached.append(("Hugging Face's cache", lambda: hubs.huggingface_cached(huggingface_id, branch)))
        online.append((f"Hugging Face {huggingface_id}", lambda: hubs.huggingface_download(huggingface_id, branch)))
    tried: list[str] = []
    for place, fetch in cached if local_files_only else cached + online:
        folder = _attempt(place, fetch, tried)
        if folder is not None:
            return ModelFolder.of(folder)
    at = f" at revision {revision!r}" if revision else ""
    way_out = "allow downloading" if local_files_only else "check the id, the revision and the network"
    meant = f". {suggestion(name)}" if entry is None else ""
    raise UserError(f"no model {name!r}{at}: {'; '.join(tried)}. Way out: {way_out}, or give a local folder{meant}")


def _attempt(place: str, fetch: Callable[[], Path | None], tried: list[str]) -> Path | None:
    """The complete folder that `fetch` finds, or None with the reason noted in `tried`."""
    try:
        folder = fetch()
    except Exception as error:  # the clients raise errors of many families, some of them bare requests' or httpx's
        tried.append(f"{place}: {hubs.reason(error)}")
        return None
    trouble = problem(folder) if folder else "not there"
    if trouble:
        tried.append(f"{place}: {f'incomplete in {folder}, ' if folder else ''}{trouble}")
        return None
    return folder
