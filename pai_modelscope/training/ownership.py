"""What in a run's folder a run of this program made: nothing else there is ever replaced or removed.

The hidden folder `.pai_modelscope` in it is ours alone: a list of the files of results and checkpoints, the lock of the
run that goes on, and what is being written. Runs of earlier versions had no list: their files are known by their names,
beside a `run.json` that says whose it is.

A run's folder may come from elsewhere, with links in it. A run writes through none of them: `RunFolder.refuse_links`
comes before the first thing is written.
"""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from pai_modelscope import untrusted
from pai_modelscope.errors import UserError
from pai_modelscope.files import PARTIAL, publish, remove
from pai_modelscope.methods.fine_tuning import CACHE, CLASS

STATE_FOLDER, _LIST = ".pai_modelscope", "made.json"
RESULT, RUN, LOG, SAMPLES = "result", "run.json", "log.jsonl", "samples"
TRACKED = "logs"  # as CACHE and CLASS, a folder that a run fills and never empties
_WANDB = "wandb"  # Weights & Biases' folder, in which it makes links of its own
CHECKPOINT = re.compile(r"checkpoint-(0|[1-9][0-9]{0,17})")
SAMPLE = re.compile(r"step-\d{6,}\.png")
IDENTITY = "training.json"  # of a checkpoint

_IN_CHECKPOINTS = re.compile(
    r"training\.json|trained\.safetensors|(optimizer|scheduler)(_\d+)?\.bin|scaler\.pt|random_states_\d+\.pkl"
    r"|custom_checkpoint_\d+\.pkl|model(_\d+)?\.safetensors|pytorch_model(_fsdp)?(_\d+)?\.bin"
    r"|(pytorch_model_fsdp|optimizer)_\d+/(\.metadata|__\d+_\d+\.distcp)"  # FSDP
    r"|pytorch_model(_\d+)?/\w+\.pt|latest|zero_to_\w+\.py"  # DeepSpeed
)
_IN_EARLIER_RESULTS = re.compile(
    r"README\.md|LICENSE(\.\w+)?|(.*/)?([^/]+\.safetensors(\.index\.json)?|[^/]*model[^/]*\.(bin|msgpack)(\.index\.json)?"
    r"|(config|configuration|model_index|generation_config|\w+_config|tokenizer|special_tokens_map|added_tokens|vocab)"
    r"\.json|vocab\.txt|merges\.txt)"
)
_OF_A_SYSTEM = {".DS_Store", "Thumbs.db", "desktop.ini"}  # what file managers leave in any folder
_CARD_BYTES = 2**20
_BY_SIZE = 2**20  # bytes beyond which the lists of earlier versions knew a file by its size alone

# Digests by device, inode, size and time of the last change, so that one process reads no file of its run twice: a
# checkpoint of 14 GB, which is digested as it is saved, takes no time when it is dropped.
_digests: dict[tuple[int, int, int, int], str] = {}


class RunFolder:
    """The folder of a run, and which of its files are ours. What it writes, only the main process does."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.state_folder = self.path / STATE_FOLDER
        self.scratch = self.state_folder / "unfinished"

    def check(self, results: Iterable[str] = (RESULT,)) -> None:
        """Raise `UserError` for the first file that a run would replace or remove, and that no run made. `results`:
        names of the files and folders that it will put here, see `put`."""
        self.refuse_links()
        if self.state_folder.exists() and not self.state_folder.is_dir():
            raise _foreign(self.state_folder)
        ours = self.ours()
        candidates: list[Path | None] = [None if ours else self._at(RUN), None if ours else self._at(LOG)]
        candidates += [] if ours else sorted(self._samples())
        candidates += [self.foreign_in_checkpoint(folder) for folder in self.checkpoints()]
        candidates += [self.foreign_in(name) for name in results]
        if foreign := next((path for path in candidates if path is not None), None):
            raise _foreign(foreign)

    def refuse_links(self) -> None:
        """Raise `UserError` for a link through which a run would write, or remove, what lies outside of its folder.

        The folder itself may be a link; results and checkpoints are looked through by `check`.
        """
        names = (STATE_FOLDER, RUN, LOG, SAMPLES, CACHE, CLASS, TRACKED, _WANDB)
        links = [path for name in names if (path := self.path / name).is_symlink()]
        links += [path for path in _children(self.state_folder) if path.is_symlink()]  # in `unfinished`, links alone go
        links += [path for path in _children(self.path / SAMPLES) if path.is_symlink()]
        for name in (CACHE, CLASS, TRACKED):  # a file that is there is read at most, such as a linked class picture
            links += [path for path in (self.path / name).rglob("*") if path.is_symlink() and not path.is_file()]
        if links:
            raise UserError(
                f"{links[0]} is a link, and a run writes through none that lies in its folder: remove the link, or "
                "give another output_dir"
            )

    def ours(self) -> bool:
        """Whether a run wrote here before. Raises `UserError` for a list of ours that can't be read."""
        if (self.state_folder / _LIST).exists():
            self._read_list()
            return True
        path = self.path / RUN
        try:
            run = untrusted.read_json(path) if path.is_file() else None
        except UserError:
            return False
        run = run if isinstance(run, dict) else {}
        versions, config = run.get("versions"), run.get("config")
        return isinstance(versions, dict) and "pai_modelscope" in versions and isinstance(config, dict)

    def checkpoints(self) -> list[Path]:
        """What is called as a checkpoint is, from the oldest to the newest."""
        folders = [path for path in self.path.glob("checkpoint-*") if CHECKPOINT.fullmatch(path.name)]
        return sorted(folders, key=lambda path: int(path.name.partition("-")[2]))

    def foreign_in_checkpoint(self, folder: Path, going: bool = False) -> Path | None:
        """The first thing in what is called a checkpoint that no run made; `going`: or that was changed since, for a
        checkpoint that is to be removed. A run may go on from one that the user changed."""
        if folder.is_symlink() or not folder.is_dir():
            return folder
        stamps_of, ours = self._read_list(), self.ours() or (folder / IDENTITY).is_file()
        # A checkpoint of an earlier version is not listed, though a file may have been put in it since.
        listed = f"{folder.name}/{IDENTITY}" in stamps_of
        for path, name in _files(folder):
            stamps, named = stamps_of.get(f"{folder.name}/{name}"), bool(ours and _IN_CHECKPOINTS.fullmatch(name))
            known = stamps is not None or (named and not (going and listed))
            if not known or (going and listed and not _known(path, stamps or [])):
                return path
        return None

    def foreign_in(self, name: str) -> Path | None:
        """The first thing under `name`, a file or a folder, that no run made."""
        place, stamps_of = self.path / name, self._read_list()
        if not place.exists() and not place.is_symlink():
            return None
        if place.is_symlink() or not (place.is_dir() or place.is_file()):
            return place
        files = [(place, "")] if place.is_file() else list(_files(place))
        listed = any(file == name or file.startswith(f"{name}/") for file in stamps_of)
        for path, within in files:
            whole = f"{name}/{within}".rstrip("/")
            known = _known(path, stamps_of.get(whole, [])) if listed else self._of_earlier(place, whole, within or name)
            if not known:
                return path
        return None

    def begin(self) -> None:
        """Make the state folder, and remove what a killed run left half-written; to be called under the lock."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        for path in self.scratch.iterdir():
            remove(path)
        if not self.ours():
            return
        for path in self.path.glob(f"{PARTIAL}*"):  # an earlier version wrote beside the names
            name = re.sub(rf"^{PARTIAL}(old-|\d+-)?", "", path.name)
            files = _files(path) if path.is_dir() and not path.is_symlink() else []
            known = _IN_CHECKPOINTS if CHECKPOINT.fullmatch(name) else _IN_EARLIER_RESULTS if name == RESULT else None
            if name in (RUN, LOG) or (known and all(known.fullmatch(within) for _, within in files)):
                remove(path)

    def put(self, partial: Path, name: str) -> Path:
        """Give the folder or file `partial` the place `name`, where nothing or an earlier one of ours lies.

        Raises `UserError` for something else there; `partial` stays.
        """
        if foreign := self.foreign_in(name):
            raise _foreign(foreign)
        stamps_of, files = self._read_list(), _files(partial) if partial.is_dir() else [(partial, "")]
        now = {f"{name}/{within}".rstrip("/"): [_stamp(path)] for path, within in files}
        # Whichever of the two lies there when the process is killed, it is listed.
        self._write_list({file: stamps_of.get(file, []) + now.get(file, []) for file in stamps_of | now})
        publish(partial, self.path / name, self.scratch)
        self._write_list(_without(stamps_of, name) | now)
        return self.path / name

    def forget(self) -> None:
        """Remove an earlier run's checkpoints, log and validation pictures. The newest checkpoint goes last, so that a
        run that is killed in between can still go on. Raises `UserError` where anything else lies among them."""
        self.check(())
        for folder in self.checkpoints():
            if foreign := self.foreign_in_checkpoint(folder, going=True):
                raise _foreign(foreign)
        for folder in self.checkpoints():
            self.drop(folder)
        for path in self._samples():
            path.unlink(missing_ok=True)
        if (samples := self.path / SAMPLES).is_dir() and not any(samples.iterdir()):
            samples.rmdir()
        (self.path / LOG).unlink(missing_ok=True)

    def drop(self, checkpoint: Path) -> None:
        """Remove a checkpoint; one that holds something else stays, with a warning."""
        if foreign := self.foreign_in_checkpoint(checkpoint, going=True):
            warnings.warn(f"{checkpoint} is kept: {foreign} was made, or changed, by no run.", stacklevel=2)
            return
        going = self.scratch / checkpoint.name
        remove(going)
        checkpoint.rename(going)
        self._write_list(_without(self._read_list(), checkpoint.name))
        remove(going)

    def _at(self, name: str) -> Path | None:
        path = self.path / name
        return path if path.exists() or path.is_symlink() else None

    def _samples(self) -> list[Path]:
        return [path for path in (self.path / SAMPLES).glob("step-*.png") if SAMPLE.fullmatch(path.name)]

    def _of_earlier(self, place: Path, whole: str, within: str) -> bool:
        """Whether a file is an earlier version's, which kept no list: named as its results, under a card of ours."""
        card = place / "README.md" if place.is_dir() else self.path / "README.md"
        return self.ours() and _is_our_card(card) and _IN_EARLIER_RESULTS.fullmatch(within) is not None

    def _read_list(self) -> dict[str, list[str]]:
        path = self.state_folder / _LIST
        if not path.exists():
            return {}
        content = untrusted.read_json(path)
        files = content.get("files") if isinstance(content, dict) else None
        if not isinstance(files, dict) or not all(isinstance(stamps, list) for stamps in files.values()):
            raise UserError(f"{path} is damaged: move the results and checkpoints in {self.path} away, and remove it.")
        return {name: list(map(str, stamps)) for name, stamps in files.items() if isinstance(stamps, list)}

    def _write_list(self, files: dict[str, list[str]]) -> None:
        meaning = "what runs of pai_modelscope wrote here, and may replace; by size and SHA-256"
        self.replace_text(_LIST, json.dumps({"about": meaning, "files": files}, indent=1) + "\n")

    def replace_text(self, name: str, text: str) -> None:
        """Write a small file of the state folder: whole, or as it was if the process is killed. Does not wait for the
        disk."""
        partial = self.scratch / name
        remove(partial)  # what a killed run left, and never through a link
        with open(partial, "x", encoding="utf-8") as file:
            file.write(text)
        partial.replace(self.state_folder / name)


def _without(stamps_of: dict[str, list[str]], name: str) -> dict[str, list[str]]:
    return {file: stamps for file, stamps in stamps_of.items() if file != name and not file.startswith(f"{name}/")}


def _children(folder: Path) -> list[Path]:
    return [] if folder.is_symlink() or not folder.is_dir() else sorted(folder.iterdir())


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """All in a folder that is no folder, and its name within; links are not followed."""
    for path in sorted(folder.rglob("*")):
        if (path.is_symlink() or not path.is_dir()) and path.name not in _OF_A_SYSTEM:
            yield path, path.relative_to(folder).as_posix()


def _stamp(path: Path) -> str:
    """By what a file is known again: its size and the digest of its whole content, "" for what is no file.

    That costs a second for a GiB, where the disk takes as long. No less would do: values that a user changed in a file
    of weights leave its size, most of its bytes, and in a copy of the folder also its times and inode no proof.
    """
    if path.is_symlink() or not path.is_file():
        return ""
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if key not in _digests:
            _digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{status.st_size} {_digests[key]}"


def _known(path: Path, stamps: list[str]) -> bool:
    """Whether a file is one of those that a list's `stamps` stand for."""
    now = _stamp(path)
    size = now.partition(" ")[0]
    return now in stamps or (size in stamps and size != "" and int(size) > _BY_SIZE)


def _is_our_card(path: Path) -> bool:
    try:
        return path.is_file() and "\n- pai_modelscope\n---\n" in untrusted.read_text(path, _CARD_BYTES)
    except UserError:
        return False


def _foreign(path: Path) -> UserError:
    return UserError(
        f"{path} was made, or changed, by no run of this program, which would replace or remove it: move it away, or "
        "give another output_dir"
    )
