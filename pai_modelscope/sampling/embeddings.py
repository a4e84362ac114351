"""Embeddings of a job: files whose words its texts may use, learned once, and remembered by the picture."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pai_modelscope.adapters import load_embedding, read_embedding
from pai_modelscope.config.option import shown
from pai_modelscope.errors import UserError
from pai_modelscope.images.infotext import RememberedFile


def settle_embeddings(given: Any) -> tuple[str, ...]:
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
        """Learn an embedding's word, and give it; a file that was learned already is not read again."""
        if not isinstance(source, str | os.PathLike) or not isinstance(token, str | None):
            raise UserError(f"an embedding is {shown(source)} and its word {shown(token)}; give a file and a text")
        path, digest = os.path.abspath(source), _digest(Path(source))
        if isinstance(source, RememberedFile) and digest != source.digest:
            raise UserError(f"{source} is not the embedding any more that the picture was made with: it has changed")
        known = [word for word, file in self.files.items() if file == (path, digest)]
        if known and token in (None, known[0]):
            return known[0]
        word = load_embedding(self.pipe, read_embedding(source), token)[0]
        self.files[word] = path, digest
        return word

    def remembered(self, *texts: str) -> str | None:
        """The files of the words that the texts use, for an infotext."""
        used = [RememberedFile.write(*self.files[word]) for word in self.files if any(word in text for text in texts)]
        return json.dumps(used, ensure_ascii=False) if used else None


def _digest(path: Path) -> str:
    if path.is_dir():
        path = next(iter(sorted(path.glob("learned_embeds.*"))), path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except (OSError, ValueError) as error:  # of a name with a NUL
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise UserError(f"{path} can't be read ({why}): give an embedding's file") from None
