"""LoRAs and embeddings of a call: named, found, known by the digest of their files, and in use for one batch at a time.

The networks, the tokenizer and the table of the text encoder are shared: what a batch needs is switched on by its
session and off again after it. Words of embeddings are learned by a copy of the tokenizer, and their vectors stand in
front of the table while texts are encoded, as in the training of textual inversion.
"""

import copy
import functools
import hashlib
import io
import json
import os
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, cast

import torch

from pai_modelscope import zoo
from pai_modelscope.adapters import Embedding, LoraFile, lora_place, read_embeddings, read_lora
from pai_modelscope.adapters.embedding_loader import Words, add_words, check_width
from pai_modelscope.adapters.lora_io.locate import find_lora
from pai_modelscope.config.option import Bounds, problem_of_number, short_repr
from pai_modelscope.errors import UserError
from pai_modelscope.images.infotext import RememberedFile
from pai_modelscope.sampling.loaded_model import LoadedModel
from pai_modelscope.tensor_files import PICKLES
from pai_modelscope.text.placeholders import mentioned_tokens
from pai_modelscope.untrusted import open_regular

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_VOCABULARIES = 4  # that a sampler keeps


# What a request says of its adapters.


@dataclass(frozen=True)
class AdapterUse:
    """A LoRA at a weight. `source`: a file, a folder, a name of the zoo or a hub id; `digest`: of its files, empty as
    long as it was not opened."""

    name: str
    source: str
    weight: float
    digest: str = ""


def resolve_loras(tags: Mapping[str, float], option: object, loaded: Mapping[str, str]) -> tuple[AdapterUse, ...]:
    """The LoRAs of a prompt's tags and of the option `loras` together.

    `tags`: name to weight; `option`: {name or source: weight}, where None is 1, and a tag's weight goes first;
    `loaded`: name to source.

    Raises:
        UserError: a weight that is no number, a name that nothing or more than one thing is known by.
    """
    tags = dict(tags)
    if option is not None and not isinstance(option, Mapping):
        raise UserError(f"loras is {type(option).__name__}; give a dict such as {{'poem.safetensors': 0.4}}")
    uses: dict[str, AdapterUse] = {}
    for source, weight in (option or {}).items():
        if not isinstance(source, str | os.PathLike):
            raise UserError(f"a LoRA is {short_repr(source)}; give a file, a folder, a name or an id")
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
            raise UserError(f"the weight of the LoRA {name!r} is {short_repr(weight)}; give a number such as 0.8")
        other = uses[name].source if name in uses else loaded.get(name, source)
        if source != name and _absolute(other) != _absolute(source):
            raise UserError(
                f"two LoRAs are called {name!r}, {other} and {source}: load one under another name, by "
                "sampler.add_lora(FILE, name), or rename its file"
            )
        uses[name] = AdapterUse(name, source if isinstance(source, RememberedFile) else other, float(weight))
    for name, weight in tags.items():
        if name not in loaded and not _in_zoo(name):
            known = f"loaded are {', '.join(loaded)}" if loaded else "none is loaded"
            raise UserError(
                f"the prompt names the LoRA {name!r}, {known}: add it by sampler.add_lora(FILE), by "
                "loras={FILE: weight}, or by --lora FILE"
            )
        uses[name] = AdapterUse(name, loaded.get(name, name), weight)
    return tuple(uses.values())


def resolve_embeddings(option: object) -> tuple[str, ...]:
    """The option `embeddings`, a file or a list of files. Raises `UserError` for anything else."""
    files = [option] if isinstance(option, str | os.PathLike) else option
    if not isinstance(files, list | tuple) or not all(isinstance(file, str | os.PathLike) for file in files):
        raise UserError(f"embeddings is {type(option).__name__}; give a file or a list of files")
    return tuple(file if isinstance(file, str) else os.fspath(file) for file in files)


def lora_name(source: str | os.PathLike[str]) -> str:
    """What prompts call it: the file's name without its ending, or the last part of an id; `_` for what ends a tag."""
    path = Path(source)
    name = path.stem if path.suffix in (".safetensors", *PICKLES) else path.name
    return re.sub(r"[:<>\s]+", lambda gap: " " if gap[0].isspace() else "_", name).strip()


def remembered_loras(uses: Sequence[AdapterUse]) -> str | None:
    """What an infotext keeps beside the tags: which files they mean."""
    files = [RememberedFile.write(_absolute(use.source), use.digest) for use in uses]
    return json.dumps(files, ensure_ascii=False) if files else None


def _in_zoo(name: str) -> bool:
    return any(entry.kind == "lora" and entry.name == name for entry in zoo.ENTRIES)


def _absolute(source: str) -> str:
    return os.path.abspath(source) if os.path.exists(source) else source


# What the texts of a call may say.


@dataclass(frozen=True)
class _Word:
    """A word and its vectors (n, width). `path` and `digest`: of the embedding's file; of a word that a LoRA bundles,
    the digest is the LoRA's and the path is empty."""

    token: str
    vectors: torch.Tensor = field(compare=False, repr=False)
    path: str
    digest: str


class _TextEncoder(Protocol):
    def get_input_embeddings(self) -> torch.nn.Module: ...

    def set_input_embeddings(self, value: torch.nn.Module) -> None: ...


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer, and the vectors (n, width) of the words that it learned; `first`: the id of the first.

    `files`: the path and digest of the file that each word of an embedding came from.
    """

    tokenizer: "PreTrainedTokenizerBase"
    vectors: torch.Tensor | None = None
    first: int = 0
    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, tokenizer: "PreTrainedTokenizerBase", words: Sequence[_Word], width: int) -> "Vocabulary":
        """A copy of the tokenizer that knows these words; without any, the tokenizer itself.

        Raises:
            UserError: a word that can't be one or is one already, vectors of another width.
        """
        if not words:
            return cls(tokenizer)
        taught = copy.deepcopy(tokenizer)
        names: list[str] = []
        for word in words:
            check_width(Embedding(word.token, word.vectors), width)
            names += add_words(taught, word.token, len(word.vectors))
        first = taught.convert_tokens_to_ids(names[0])
        files = {word.token: (word.path, word.digest) for word in words if word.path}
        return cls(taught, torch.cat([word.vectors.float() for word in words]), first, files)

    def remembered(self, *texts: str) -> str | None:
        """The files of the words that the texts say, for an infotext."""
        used = set[str]().union(*(mentioned_tokens(self.tokenizer, text) for text in texts)) if self.files else set()
        files = dict.fromkeys(file for word, file in self.files.items() if word in used)
        return json.dumps([RememberedFile.write(*file) for file in files], ensure_ascii=False) if files else None

    @contextmanager
    def before(self, text_encoder: _TextEncoder) -> Iterator[None]:
        """The words' vectors stand in front of the table of the text encoder inside."""
        if self.vectors is None:
            yield
            return
        table = text_encoder.get_input_embeddings()
        device = next(table.parameters()).device
        text_encoder.set_input_embeddings(Words(table, self.vectors, self.first).to(device).requires_grad_(False))
        try:
            yield
        finally:
            text_encoder.set_input_embeddings(table)


# What a sampler knows by name.


@dataclass
class _KnownLora:
    """`stamps`: the path, size and time of change of each file when its digest was taken."""

    source: str
    place: Path
    digest: str
    stamps: list[tuple[str, int, int]]
    words: tuple[_Word, ...] = ()
    added: bool = False  # by `add_lora`: its words are known to every text


class Adapters:
    """The LoRAs and embeddings that a sampler knows by name; they are read from their files when they are needed."""

    def __init__(self, model: LoadedModel):
        self.model = model
        self._loras: dict[str, _KnownLora] = {}
        self._words: list[_Word] = []
        self._vocabularies: dict[tuple[_Word, ...], Vocabulary] = {}
        self._tokenizer: tuple[object, int] = (None, 0)  # of these, and how many words it had of its own

    @property
    def sources(self) -> dict[str, str]:
        """Where each LoRA comes from, by its name."""
        return {name: lora.source for name, lora in self._loras.items()}

    @property
    def words(self) -> dict[str, tuple[int, ...]]:
        """The shape (n, width) of each word's vectors, of those that every text may say."""
        return {word.token: tuple(word.vectors.shape) for word in self._added()}

    def add_lora(self, source: str | os.PathLike[str], name: str | None = None) -> str:
        """Have prompts and the option `loras` know a LoRA by a name, which is returned. On a `UserError` the model and
        the names are as they were."""
        if not isinstance(source, str | os.PathLike) or not isinstance(name, str | None):
            raise UserError(
                f"a LoRA is {short_repr(source)} and its name {short_repr(name)}; give a file or an id, and a text"
            )
        name = name or lora_name(source)
        if not name:
            raise UserError(f"the LoRA {short_repr(source)} has no name: give one, as in sampler.add_lora(FILE, 'ink')")
        with self.model.lock:
            known = self._loras.get(name)
            if known is not None and _absolute(known.source) != _absolute(os.fspath(source)):
                raise UserError(f"A LoRA named {name!r} is loaded already: give another name.")
            self._open(name, source).added = True
        return name

    def add_embedding(self, source: str | os.PathLike[str], token: str | None = None) -> str:
        """Have texts know the words of an embedding's file, and return the first. `token` is another name for the word.

        Raises:
            UserError: the file holds several words and `token` is given; a word that can't be or is known already.
        """
        if not isinstance(source, str | os.PathLike) or not isinstance(token, str | None):
            raise UserError(
                f"an embedding is {short_repr(source)} and its word {short_repr(token)}; give a file and a text"
            )
        with self.model.lock:
            words = self._embedding(source, token)
            if new := [word for word in words if word not in self._words]:
                self._vocabulary([*self._added(), *new])
                self._words += new
        return words[0].token

    def vocabulary(self, embeddings: Iterable[str] = (), uses: Iterable[AdapterUse] = ()) -> Vocabulary:
        """What texts may say: the words that were added, those of these embeddings' files, and those that these LoRAs
        bring."""
        files = dict.fromkeys(embeddings)
        if not (files or self._words or self._loras):
            return Vocabulary(self.model.pipe.tokenizer)
        with self.model.lock:
            words = dict.fromkeys(self._added())
            for file in files:
                words |= dict.fromkeys(self._embedding(file, None))
            tokens = {word.token for word in words}
            for name in dict.fromkeys(use.name for use in uses):
                new = [word for word in self._loras[name].words if word.token not in tokens]
                words |= dict.fromkeys(new)
                tokens |= {word.token for word in new}
            return self._vocabulary(list(words))

    def open(self, uses: Iterable[AdapterUse]) -> tuple[AdapterUse, ...]:
        """The same LoRAs, each in its place in the model, switched off, and with its digest.

        Raises:
            UserError: one that can't be read or does not fit the model.
        """
        with self.model.lock:
            return tuple(replace(use, digest=self._open(use.name, use.source).digest) for use in uses)

    def load(self, use: AdapterUse, keep: Collection[str] = ()) -> None:
        """Have a LoRA that was opened lie ready in the model, beside those with the digests `keep`."""
        lora = self._loras[use.name]

        def read() -> LoraFile:
            lora_place(lora.source)  # says what is gone, and where it may be
            if _lora_digest(lora.place) != use.digest:
                raise UserError(f"{use.source} has changed since its pictures were asked for: ask again")
            return read_lora(lora.place, self.model.family.lora_prefixes)

        self.model.load(use.digest, read, keep)

    def _open(self, name: str, source: str | os.PathLike[str]) -> _KnownLora:
        lora = self._loras.get(name)
        # A file that is gone serves as long as it lies in the model.
        if lora is None or lora.source != str(source) or _stamps(lora.place) not in (lora.stamps, []):
            place = lora_place(source)
            stamps, digest = _stamps(place), _lora_digest(place)
            lora = _KnownLora(str(source), place, digest, stamps, added=lora is not None and lora.added)
        if isinstance(source, RememberedFile) and lora.digest != source.digest:
            raise UserError(f"{source} is not the LoRA any more that the picture was made with: it has changed")
        if lora is not self._loras.get(name):
            file = read_lora(lora.place, self.model.family.lora_prefixes)
            lora.words = self._bundled(file, name, lora.digest)
            self.model.load(lora.digest, lambda: file)
            self._loras[name] = lora
        else:
            self.load(AdapterUse(name, lora.source, 0.0, lora.digest))
        return lora

    def _bundled(self, file: LoraFile, name: str, digest: str) -> tuple[_Word, ...]:
        """The words that a LoRA's file brings and that are new. Raises `UserError` for one that can't be learned."""
        learned = self._vocabulary(self._added(but=name)).tokenizer.added_tokens_encoder
        words = []
        for token, vectors in file.words.items():
            if token in learned:
                warnings.warn(
                    f"The LoRA {name!r} brings the word {token!r}, which is learned already and stays as it is.",
                    stacklevel=5,
                )
            else:
                words.append(_Word(token, vectors, "", digest))
        if words:
            self._vocabulary(words)
        return tuple(words)

    def _added(self, but: str = "") -> list[_Word]:
        """The words that every text may say: of `add_embedding` and of `add_lora`."""
        words = dict.fromkeys(self._words)
        for name, lora in self._loras.items():
            if lora.added and name != but:
                words |= dict.fromkeys(word for word in lora.words)
        return list(words)

    def _embedding(self, source: str | os.PathLike[str], token: str | None) -> list[_Word]:
        """The words of an embedding's file, under the name by which they were added where they were."""
        path, digest = os.path.abspath(source), _embedding_digest(Path(source))
        if isinstance(source, RememberedFile) and digest != source.digest:
            raise UserError(f"{source} is not the embedding any more that the picture was made with: it has changed")
        known = [word for word in self._words if (word.path, word.digest) == (path, digest)]
        if known and token in (None, known[0].token):
            return known
        embeddings = _read_embeddings(str(source), digest)
        if token is not None and len(embeddings) > 1:
            names = ", ".join(repr(embedding.token) for embedding in embeddings)
            raise UserError(
                f"{source} holds {len(embeddings)} embeddings, {names}: leave token out, and use these words"
            )
        return [_Word(token or embedding.token, embedding.vectors, path, digest) for embedding in embeddings]

    def _vocabulary(self, words: Sequence[_Word]) -> Vocabulary:
        """Kept for the next call with the same words: copying a tokenizer takes a while."""
        tokenizer = self.model.pipe.tokenizer
        if self._tokenizer != (tokenizer, len(tokenizer)):
            self._tokenizer = tokenizer, len(tokenizer)
            self._vocabularies.clear()
        vocabulary = self._vocabularies.pop(tuple(words), None)
        if vocabulary is None:
            vocabulary = Vocabulary.of(tokenizer, words, self.model.pipe.text_encoder.config.hidden_size)
        self._vocabularies[tuple(words)] = vocabulary
        while len(self._vocabularies) > _VOCABULARIES:
            del self._vocabularies[next(iter(self._vocabularies))]
        return vocabulary


class AdapterSession:
    """The adapters of one batch: inside, its LoRAs are on, and nobody else uses the model, whose lock is held.

    It spans one batch and never a `yield`. After it, whatever happened inside, the networks are as they were.
    """

    def __init__(self, adapters: Adapters, uses: Sequence[AdapterUse]):
        self.model = adapters.model
        self._adapters, self._uses = adapters, uses
        self._stack = ExitStack()

    def __enter__(self) -> "AdapterSession":
        with ExitStack() as stack:
            stack.enter_context(self.model.lock)
            for use in self._uses:
                self._adapters.load(use, keep=[use.digest for use in self._uses])
            weights: dict[str, float] = {}
            for use in self._uses:  # one file by two names counts twice
                weights[use.digest] = weights.get(use.digest, 0.0) + use.weight
            stack.enter_context(self.model.active(weights))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


# Files.


def _stamps(place: Path) -> list[tuple[str, int, int]]:
    """Empty where the files are not there."""
    try:
        statuses = [(str(file), file.stat()) for file in find_lora(place)]
    except (OSError, UserError):
        return []
    return [(file, status.st_size, status.st_mtime_ns) for file, status in statuses]


def _lora_digest(place: Path) -> str:
    total = hashlib.sha256()
    for file in find_lora(place):
        with open_regular(file) as opened:
            total.update(hashlib.file_digest(cast(io.BufferedReader, opened), "sha256").digest())
    return total.hexdigest()[:16]


@functools.lru_cache(maxsize=8)
def _read_embeddings(source: str, digest: str) -> list[Embedding]:
    """Read once for each digest of the file's content."""
    return read_embeddings(source)


def _embedding_digest(path: Path) -> str:
    if path.is_dir():
        path = next(iter(sorted(path.glob("learned_embeds.*"))), path)
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(cast(io.BufferedReader, file), "sha256").hexdigest()[:16]
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UserError(f"{path} can't be read ({why}): give an embedding's file") from None
