"""LoRAs of a job: named in the prompt or in the call, found, loaded once, switched between batches."""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch.nn import ModuleDict

from pai_modelscope import zoo
from pai_modelscope.config.option import Bounds, problem_of_number, shown
from pai_modelscope.errors import UserError
from pai_modelscope.images.infotext import RememberedFile
from pai_modelscope.tensor_files import PICKLES
from pai_modelscope.text.prompt_tags import split_loras
from pai_modelscope.untrusted import open_regular

if TYPE_CHECKING:
    from pai_modelscope.adapters import LoraFile


@dataclass(frozen=True)
class Use:
    """A LoRA at a weight; `source` is where it comes from: a file, a folder, a name of the zoo or a hub id."""

    name: str
    source: str
    weight: float


def resolve_loras(prompt: str, given: object, loaded: Mapping[str, str]) -> tuple[str, tuple[Use, ...]]:
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
        tag = next((tag for tag in (name, name.replace(".", "_")) if tag in tags), name)  # once, names had no '.'
        if weight is not None and tag in tags and tags[tag] != weight:
            warnings.warn(
                f"The LoRA {name!r} has two weights, {tags[tag]:g} in the prompt and {weight} beside it: the prompt's "
                "counts.",
                stacklevel=2,
            )
        weight = tags.pop(tag, 1.0 if weight is None else weight)
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
    """What prompts call it: the file's name without its ending, or the last part of an id; `_` for what ends a tag."""
    path = Path(source)
    name = path.stem if path.suffix in (".safetensors", *PICKLES) else path.name
    return re.sub(r"[:<>\s]+", lambda gap: " " if gap[0].isspace() else "_", name).strip()


def _in_zoo(name: str) -> bool:
    return any(entry.kind == "lora" and entry.name == name for entry in zoo.ENTRIES)


@dataclass
class Loras:
    """The LoRAs of one pipeline."""

    pipe: Any
    sources: dict[str, str] = field(default_factory=dict)  # by name
    _digests: dict[str, str] = field(default_factory=dict)
    _adapters: dict[str, str] = field(default_factory=dict)  # what PEFT calls each: it takes no '.'
    _on: tuple[Use, ...] = ()

    def add(self, source: str | os.PathLike[str], name: str | None = None) -> str:
        """Load a LoRA, switched off; gives its name. On a `UserError` the model is as it was."""
        from pai_modelscope.adapters import lora_place, read_lora

        if not isinstance(source, str | os.PathLike) or not isinstance(name, str | None):
            raise UserError(f"a LoRA is {shown(source)} and its name {shown(name)}; give a file or an id, and a text")
        name = name or lora_name(source)
        place = lora_place(source)
        digest = _digest(place)
        if isinstance(source, RememberedFile) and digest != source.digest:
            raise UserError(f"{source} is not the LoRA any more that the picture was made with: it has changed")
        lora = read_lora(place)
        adapter = self._adapter(name)
        self._insert(lora, adapter, name)
        self._adapters[name], self.sources[name], self._digests[name] = adapter, str(source), digest
        self._set(self._on)
        return name

    def _insert(self, lora: "LoraFile", adapter: str, name: str) -> None:
        """Load a LoRA and teach the words that its file bundles; where they can't be learned, neither is done."""
        from pai_modelscope.adapters import Embedding, load_embedding, load_lora, unload_lora

        load_lora(self.pipe, lora, adapter)
        learned = self.pipe.tokenizer.added_tokens_encoder
        try:
            for word, vectors in lora.words.items():
                if word in learned:
                    warnings.warn(
                        f"The LoRA {name!r} brings the word {word!r}, which is learned already and stays as it is.",
                        stacklevel=4,
                    )
                else:
                    load_embedding(self.pipe, Embedding(word, vectors))
        except BaseException:
            unload_lora(self.pipe, adapter)
            self._set(self._on)
            raise

    def _adapter(self, name: str) -> str:
        """A name that PEFT takes, and that no other LoRA has."""
        plain = name.replace(".", "_")
        plain = f"{plain}_" if hasattr(ModuleDict, plain) else plain
        while plain in self._adapters.values() and name not in self._adapters:
            plain += "_"
        return plain

    def _set(self, uses: tuple[Use, ...]) -> None:
        from pai_modelscope.adapters import set_loras

        set_loras(self.pipe, {self._adapters[use.name]: use.weight for use in uses})

    def load(self, uses: tuple[Use, ...]) -> None:
        """Load those that are not there yet."""
        for use in uses:
            if use.name not in self.sources:
                self.add(use.source, use.name)

    def switch(self, uses: tuple[Use, ...]) -> bool:
        """Exactly these on, at their weights; tells whether anything changed."""
        if uses == self._on:
            return False
        self.load(uses)
        self._set(uses)
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
    from pai_modelscope.adapters.lora_io.locate import find_lora

    total = hashlib.sha256()
    for file in find_lora(place):
        with open_regular(file) as opened:
            content: Any = opened
            total.update(hashlib.file_digest(content, "sha256").digest())
    return total.hexdigest()[:16]
