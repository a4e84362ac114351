"""LoRAs of a job: named in the prompt or in the call, found, loaded once, switched between batches."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pai_modelscope import zoo
from pai_modelscope.config.option import Bounds, problem_of_number, shown
from pai_modelscope.errors import UserError
from pai_modelscope.images.infotext import RememberedFile
from pai_modelscope.text.loras import split_loras
from pai_modelscope.untrusted import open_regular


@dataclass(frozen=True)
class Use:
    """A LoRA at a weight; `source` is where it comes from: a file, a folder, a name of the zoo or a hub id."""

    name: str
    source: str
    weight: float


def settle_loras(prompt: str, given: Any, loaded: Mapping[str, str]) -> tuple[str, tuple[Use, ...]]:
    """The prompt without its `<lora:name:weight>` tags, and the LoRAs of tags and of the option `loras` together.

    `given`: {name or source: weight}; a weight of None is 1, and a tag's weight goes first. `loaded`: name to source.

    Raises:
        UserError: a weight that is no number, a name that nothing or more than one thing is known by.
    """
    text, tags = split_loras(prompt)
    if given is not None and not isinstance(given, Mapping):
        raise UserError(f"loras is {type(given).__name__}; give a dict such as {{'poem.safetensors': 0.4}}")
    uses: dict[str, Use] = {}
    for source, weight in (given or {}).items():
        if not isinstance(source, str | os.PathLike):
            raise UserError(f"a LoRA is {shown(source)}; give a file, a folder, a name or an id")
        source = source if isinstance(source, str) else os.fspath(source)
        name = source if source in loaded else lora_name(source)
        weight = tags.pop(name, 1.0 if weight is None else weight)
        if problem_of_number("weight", weight, whole=False, bounds=Bounds()):
            raise UserError(f"the weight of the LoRA {name!r} is {shown(weight)}; give a number such as 0.8")
        other = uses[name].source if name in uses else loaded.get(name, source)
        if source != name and _absolute(other) != _absolute(source):
            raise UserError(
                f"two LoRAs are called {name!r}, {other} and {source}: load one under another name, by "
                "sampler.add_lora(FILE, name), or rename its file"
            )
        uses[name] = Use(name, other, float(weight))
    for name, weight in tags.items():
        if name not in loaded and not _in_zoo(name):
            known = f"loaded are {', '.join(loaded)}" if loaded else "none is loaded"
            raise UserError(
                f"the prompt names the LoRA {name!r}, {known}: add it by sampler.add_lora(FILE), by "
                "loras={FILE: weight}, or by --lora FILE"
            )
        uses[name] = Use(name, loaded.get(name, name), weight)
    return text, tuple(uses.values())


def lora_name(source: str | os.PathLike[str]) -> str:
    """What prompts call it: the file's name without its ending, or the last part of an id; without any '.'."""
    path = Path(source)
    return (path.stem if path.suffix in (".safetensors", ".bin", ".pt") else path.name).replace(".", "_")


def _in_zoo(name: str) -> bool:
    return any(entry.kind == "lora" and entry.name == name for entry in zoo.ENTRIES)


@dataclass
class Loras:
    """The LoRAs of one pipeline."""

    pipe: Any
    sources: dict[str, str] = field(default_factory=dict)  # by name
    _digests: dict[str, str] = field(default_factory=dict)
    _on: tuple[Use, ...] = ()

    def add(self, source: str | os.PathLike[str], name: str | None = None) -> str:
        """Load a LoRA, switched off; gives its name. On a `UserError` the model is as it was."""
        from pai_modelscope.adapters import load_lora, read_lora, set_loras

        if not isinstance(source, str | os.PathLike) or not isinstance(name, str | None):
            raise UserError(f"a LoRA is {shown(source)} and its name {shown(name)}; give a file or an id, and a text")
        name = name or lora_name(source)
        place = Path(source) if os.path.exists(source) else zoo.model_dir(source)
        digest = _digest(place)
        if isinstance(source, RememberedFile) and digest != source.digest:
            raise UserError(f"{source} is not the LoRA any more that the picture was made with: it has changed")
        load_lora(self.pipe, read_lora(place), name)
        set_loras(self.pipe, {use.name: use.weight for use in self._on})
        self.sources[name], self._digests[name] = str(source), digest
        return name

    def load(self, uses: tuple[Use, ...]) -> None:
        """Load those that are not there yet."""
        for use in uses:
            if use.name not in self.sources:
                self.add(use.source, use.name)

    def switch(self, uses: tuple[Use, ...]) -> bool:
        """Exactly these on, at their weights; tells whether anything changed."""
        from pai_modelscope.adapters import set_loras

        if uses == self._on:
            return False
        self.load(uses)
        set_loras(self.pipe, {use.name: use.weight for use in uses})
        self._on = uses
        return True

    def remembered(self, uses: tuple[Use, ...]) -> str | None:
        """What an infotext keeps beside the tags: which files they mean."""
        files = [RememberedFile.write(_absolute(use.source), self._digests[use.name]) for use in uses]
        return json.dumps(files, ensure_ascii=False) if files else None


def tagged(prompt: str, uses: tuple[Use, ...]) -> str:
    """The prompt with a tag for every LoRA, as the WebUI writes it."""
    tags = "".join(f" <lora:{use.name}:{use.weight:g}>" for use in uses)
    return split_loras(prompt)[0] + tags


def _absolute(source: str) -> str:
    return os.path.abspath(source) if os.path.exists(source) else source


def _digest(place: Path) -> str:
    from pai_modelscope.adapters.find import find_lora

    total = hashlib.sha256()
    for file in find_lora(place):
        with open_regular(file) as opened:
            total.update(hashlib.file_digest(opened, "sha256").digest())
    return total.hexdigest()[:16]
