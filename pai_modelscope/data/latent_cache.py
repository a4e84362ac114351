"""Tensors on disk by what they were made of, so that nothing stale is ever read.

An entry's key is a hash of all that its tensors follow from. Entries of one shape lie together in safetensors shards,
which are memory-mapped. A shard has its final name once it is whole, and is named after its keys; its head lists them,
so that there is no index beside the shards that could disagree with them.
"""

import hashlib
import json
import os
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from tqdm.auto import tqdm

from pai_modelscope.errors import UserError
from pai_modelscope.files import PARTIAL, sweep, whole
from pai_modelscope.untrusted import check_regular, parse_json

Compute = Callable[[Sequence[int]], dict[str, torch.Tensor]]
_NO_SETTINGS = {"transformers_version", "dtype", "torch_dtype"}  # the weights say their types themselves
_FORMAT = "pai_modelscope cache 1"  # another number makes all entries anew


def key_of(*parts: object) -> str:
    """SHA-256 of `parts`, which JSON can hold."""
    return hashlib.sha256(json.dumps([_FORMAT, *parts], ensure_ascii=False).encode()).hexdigest()


def weights_digest(model: nn.Module) -> str:
    """SHA-256 of a model's weights, their types and its configuration: other weights, other digest."""
    sha256 = hashlib.sha256()
    config = getattr(model, "config", None) or {}
    config = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    settings = {name: value for name, value in config.items() if name[0] != "_" and name not in _NO_SETTINGS}
    sha256.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, weight in sorted(model.state_dict().items()):
        sha256.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        sha256.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return sha256.hexdigest()


class _Rows(Protocol):
    """A tensor in a file, of which single rows are read."""

    def __getitem__(self, row: int) -> torch.Tensor: ...


class _Shard(Protocol):
    """An opened safetensors file."""

    def keys(self) -> list[str]: ...

    def get_slice(self, name: str) -> _Rows: ...


class ShardCache:
    """The entries of a folder, and those to come."""

    def __init__(self, folder: str | os.PathLike[str]):
        """Reads the heads of the shards in `folder`; what is no whole shard is left alone, to be made again."""
        self.folder = Path(folder)
        self._places: dict[str, tuple[Path, int]] = {}
        self._open: dict[Path, _Shard] = {}
        self.refresh()

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def refresh(self) -> None:
        """See what other processes have finished since."""
        known = {path for path, _ in self._places.values()}
        for path in sorted(self.folder.glob("*.safetensors")):
            if path not in known and not path.name.startswith(PARTIAL):
                self._places.update({key: (path, row) for row, key in enumerate(_keys(path))})

    def build(
        self,
        keys: Sequence[str],
        groups: Sequence[Hashable],
        compute: Compute,
        *,
        per_shard: int = 256,
        process_index: int = 0,
        num_processes: int = 1,
        wait: Callable[[], None] = lambda: None,
        desc: str = "cache",
    ) -> None:
        """Make the entries that are missing, this process its part of the shards.

        Which entries share a shard follows from those that are missing, not from processes: two processes write the
        same bytes as one, and a build that goes on after an interruption the same as one that was not interrupted.

        Args:
            keys: of all entries that will be asked for; some may be equal.
            groups: what shape each entry has; shards hold one kind.
            compute: places among `keys` to tensors by name, one row for each place.
            per_shard: entries in a shard.
            wait: returns once all processes have called it (`accelerator.wait_for_everyone`); called twice.

        Raises:
            UserError: the folder can't be written, or another process has not done its part.
        """
        missing = {key: place for place, key in enumerate(keys) if key not in self}
        shards = []
        for group in dict.fromkeys(groups):
            part = sorted(key for key, place in missing.items() if groups[place] == group)
            shards += [part[start : start + per_shard] for start in range(0, len(part), per_shard)]
        wait()  # all have planned before the first writes
        sweep(self.folder, r"[0-9a-f]{32}\.safetensors")  # other runs may share the folder, and go on writing
        try:
            local_shards = shards[process_index::num_processes]
            for shard in tqdm(local_shards, desc=desc, disable=None if process_index == 0 and local_shards else True):
                _write(self.folder, shard, compute([missing[key] for key in shard]))
        except OSError as error:
            raise UserError(f"The cache in {self.folder} can't be written ({error}); give another folder.") from None
        wait()
        self.refresh()
        if lost := sum(key not in self for key in missing):
            raise UserError(f"{lost} of {len(missing)} entries are not in {self.folder}; run again to make them.")

    def read(self, keys: Sequence[str]) -> dict[str, torch.Tensor]:
        """The entries of `keys`, stacked. Raises `UserError` if a shard was removed or damaged meanwhile."""
        rows: list[dict[str, torch.Tensor]] = []
        for key in keys:
            path, row = self._places[key]
            try:
                if path not in self._open:
                    self._open[path] = safe_open(path, "pt")
                shard = self._open[path]
                rows.append({name: shard.get_slice(name)[row] for name in shard.keys()})  # noqa: SIM118
            except (OSError, SafetensorError) as error:
                raise UserError(f"{path} can't be read any more ({error}); run again to make it anew.") from None
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def _keys(path: Path) -> list[str]:
    try:
        check_regular(path)
        with safe_open(path, "pt") as shard:
            keys = parse_json((shard.metadata() or {}).get("keys", "[]"), str(path))
    except (OSError, SafetensorError, ValueError):
        return []
    texts = [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []
    return texts if isinstance(keys, list) and len(texts) == len(keys) else []


def _write(folder: Path, keys: Sequence[str], tensors: dict[str, torch.Tensor]) -> None:
    plain = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    try:
        with whole(folder / f"{key_of(*keys)[:32]}.safetensors") as path:
            save_file(plain, path, metadata={"keys": json.dumps(list(keys))})
    except SafetensorError as error:  # such as a full disk
        raise OSError(str(error)) from None
