"""Embeddings of a job: files whose words its texts may use, learned once, and remembered by the picture."""

import hashlib
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pai_modelscope.adapters import read_embeddings
from pai_modelscope.adapters.embedding_loader import load_embeddings
from pai_modelscope.config.option import shown
from pai_modelscope.errors import UserError
from pai_modelscope.images.infotext import RememberedFile
from pai_modelscope.text.placeholders import said
from pai_modelscope.untrusted import open_regular


def resolve_embeddings(given: object) -> tuple[str, ...]:
    """The option `embeddings`, a file or a list of files. Raises `UserError` for anything else."""
    files = [given] if isinstance(given, str | os.PathLike) else given
    if not isinstance(files, list | tuple) or not all(isinstance(file, str | os.PathLike) for file in files):
        raise UserError(f"embeddings is {type(given).__name__}; give a file or a list of files")
    return tuple(file if isinstance(file, str) else os.fspath(file) for file in files)


@dataclass
class Embeddings:
    """The words that a pipeline has learned, and the file of each."""

    pipe: Any
    files: dict[str, tuple[str, str]] = field(default_factory=dict)  # word to path and digest

    def add(self, source: str | os.PathLike[str], token: str | None = None) -> str:
        """Learn the words of an embedding's file, and give the first; a file that was learned is not read again.

        `token` is another name for the word. Raises `UserError` where a file holds several and `token` is given.
        """
        if not isinstance(source, str | os.PathLike) or not isinstance(token, str | None):
            raise UserError(f"an embedding is {shown(source)} and its word {shown(token)}; give a file and a text")
        path, digest = os.path.abspath(source), _digest(Path(source))
        if isinstance(source, RememberedFile) and digest != source.digest:
            raise UserError(f"{source} is not the embedding any more that the picture was made with: it has changed")
        known = [word for word, file in self.files.items() if file == (path, digest)]
        if known and token in (None, known[0]):
            return known[0]
        found = read_embeddings(source)
        if token is not None and len(found) > 1:
            names = ", ".join(repr(each.token) for each in found)
            raise UserError(f"{source} holds {len(found)} embeddings, {names}: leave token out, and use these words")
        words = load_embeddings(self.pipe, found if token is None else [replace(found[0], token=token)])
        self.files |= dict.fromkeys(words, (path, digest))
        return words[0]

    def remembered(self, *texts: str) -> str | None:
        """The files of the words that the texts use, for an infotext."""
        used = set[str]().union(*(said(self.pipe.tokenizer, text) for text in texts))
        files = dict.fromkeys(file for word, file in self.files.items() if word in used)
        return json.dumps([RememberedFile.write(*file) for file in files], ensure_ascii=False) if files else None


def _digest(path: Path) -> str:
    if path.is_dir():
        path = next(iter(sorted(path.glob("learned_embeds.*"))), path)
    try:
        with open_regular(path) as file:
            content: Any = file
            return hashlib.file_digest(content, "sha256").hexdigest()[:16]
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UserError(f"{path} can't be read ({why}): give an embedding's file") from None
