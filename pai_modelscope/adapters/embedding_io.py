"""Textual-inversion embeddings: files of diffusers and of the WebUI, read into one form and written again."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from pai_modelscope import limits
from pai_modelscope.adapters.embedding_pictures import PICTURES, read_picture
from pai_modelscope.adapters.kinds import State
from pai_modelscope.adapters.lora_io.read import is_embedding
from pai_modelscope.errors import UserError
from pai_modelscope.tensor_files import PICKLES, all_finite, read_tensors, save_safetensors, widened, write_new
from pai_modelscope.text.characters import shorten
from pai_modelscope.untrusted import check_regular

FORMS = {"diffusers": (".safetensors", ".bin"), "webui": (".safetensors", ".pt")}
_FILES = ("learned_embeds.safetensors", "learned_embeds.bin")


@dataclass
class Embedding:
    """`token` stands for the rows of `vectors` (n, width); `kind`: 'diffusers' or 'WebUI'."""

    token: str
    vectors: torch.Tensor
    kind: str = "diffusers"
    metadata: dict[str, str] = field(default_factory=dict)


def read_embedding(path: str | os.PathLike[str]) -> Embedding:
    """Read the one embedding in a file or in a folder's `learned_embeds` file. Raises `UserError` for anything else."""
    embeddings = read_embeddings(path)
    if len(embeddings) > 1:
        names = ", ".join(repr(embedding.token) for embedding in embeddings)
        raise UserError(
            f"{path} holds {len(embeddings)} embeddings, {names}, where one is wanted. In Python, read_embeddings "
            "gives all."
        )
    return embeddings[0]


def read_embeddings(path: str | os.PathLike[str]) -> list[Embedding]:
    """Read the embeddings in a file, or in a folder's `learned_embeds` file: mostly one, one for each of its words.

    Weight files of diffusers and of the WebUI, and pictures that carry an embedding as the WebUI saves them.
    Raises `UserError` for anything else, for more than `limits.EMBEDDING_VECTORS` and for vectors that are no numbers.
    """
    file = _find(Path(path))
    content, metadata = _content(file)
    if not is_embedding(content):
        raise UserError(f"{file} is no textual-inversion embedding: it holds no `token: vectors` alone. Is it a LoRA?")
    words, kind, more = _parse(content, file, metadata)
    checked = {word: _checked(vectors, word, file) for word, vectors in words.items()}
    return [Embedding(word, vectors, kind, metadata | more) for word, vectors in _joined(checked).items()]


def holds_embedding(path: str | os.PathLike[str]) -> bool:
    """Whether a file or a folder is an embedding's. Raises `UserError` for what can't be read."""
    path = Path(path)
    if path.is_dir():
        return any(path.glob("learned_embeds.*"))
    return path.suffix.lower() in PICTURES or is_embedding(read_tensors(path)[0])


def _find(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = [path / name for name in _FILES if (path / name).is_file()]
    if not files:
        raise UserError(f"{path} holds no {' or '.join(_FILES)}: give the embedding's file.")
    return files[0]


def _content(file: Path) -> tuple[object, dict[str, str]]:
    if file.exists():
        check_regular(file, limits.EMBEDDING_BYTES)
    return (read_picture(file), {}) if file.suffix.lower() in PICTURES else read_tensors(file)


def _parse(
    content: torch.Tensor | dict[object, object], file: Path, metadata: dict[str, str]
) -> tuple[dict[str, object], str, dict[str, str]]:
    """Vectors of each word, kind, and what else the file says."""
    if isinstance(content, torch.Tensor):
        return {metadata.get("name", file.stem): content}, "diffusers", {}
    if content.keys() & {"clip_l", "clip_g"}:
        raise UserError(f"{file} was made for SDXL (clip_l, clip_g): it does not fit PAI-Diffusion's one text encoder.")
    if "emb_params" in content:
        return {metadata.get("name", file.stem): content["emb_params"]}, "WebUI", {}
    if "string_to_param" not in content:
        return {str(token): vectors for token, vectors in content.items()}, "diffusers", {}
    params = content["string_to_param"]
    if not isinstance(params, dict) or not params:
        raise UserError(f"{file} holds no embedding under string_to_param: it is damaged or of another kind.")
    more = {
        str(key): str(value) for key, value in content.items() if isinstance(value, str | int | float) and key != "name"
    }
    if len(params) > 1:  # each under the placeholder that it was trained with
        return {str(token): vectors for token, vectors in params.items()}, "WebUI", more
    name = content.get("name")
    return {name if isinstance(name, str) and name else file.stem: next(iter(params.values()))}, "WebUI", more


def _checked(vectors: object, word: str, file: str | Path) -> torch.Tensor:
    """(n, width) of a word's vectors. Raises `UserError`, which names `file`, for what are none."""
    if isinstance(vectors, torch.Tensor) and vectors.ndim == 1:
        vectors = vectors[None]
    if not isinstance(vectors, torch.Tensor) or vectors.ndim != 2 or not vectors.numel():
        shape = tuple(vectors.shape) if isinstance(vectors, torch.Tensor) else type(vectors).__name__
        raise UserError(f"{file} holds {shape} where an embedding's vectors (n, width) belong: it is of another kind.")
    if len(vectors) > limits.EMBEDDING_VECTORS:
        raise UserError(
            f"{file} has {len(vectors)} vectors for {shorten(word)!r}; valid are up to {limits.EMBEDDING_VECTORS}."
        )
    if not vectors.is_floating_point() or not all_finite(vectors):
        raise UserError(
            f"{file} holds values that are no numbers (NaN or infinite) for {shorten(word)!r}: the file is damaged."
        )
    return widened(vectors).detach()


def _joined(words: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Words whose further vectors a file holds by their own names, as <猫>, <猫>_1, ... in a tokenizer."""
    joined: dict[str, torch.Tensor] = {}
    rest = dict(words)
    for word, vectors in words.items():
        if word not in rest:
            continue
        rows, numbered = [vectors], len(vectors)
        while len(vectors) == 1 and f"{word}_{numbered}" in rest:
            rows.append(rest.pop(f"{word}_{numbered}"))
            numbered += 1
        joined[word] = torch.cat(rows)
    return {word: vectors for word, vectors in joined.items() if word in rest}


def write_embedding(embedding: Embedding, path: str | os.PathLike[str], form: str) -> Path:
    """Write a .safetensors file, or a pickle: .bin for 'diffusers', .pt for 'webui'. Nothing that exists is replaced.

    The WebUI calls an embedding by its file's name.
    """
    path = Path(path)
    if form not in FORMS:
        raise UserError(f"form is {form!r}; valid are {', '.join(map(repr, FORMS))}.")
    if path.suffix not in FORMS[form]:
        raise UserError(f"{path} must end in {' or '.join(FORMS[form])} for the form {form!r}. Change the ending.")
    vectors = embedding.vectors.detach().cpu().contiguous().clone()
    save: Callable[[Path], None]
    if path.suffix in PICKLES:
        content = _webui(embedding.token, vectors) if form == "webui" else {embedding.token: vectors}
        save = lambda made: torch.save(content, made)  # noqa: E731
    else:
        tensors: State = {embedding.token if form == "diffusers" else "emb_params": vectors}
        save = lambda made: save_safetensors(tensors, made, embedding.metadata | {"name": embedding.token})  # noqa: E731
    return write_new(path, save)


def _webui(token: str, vectors: torch.Tensor) -> dict[str, object]:
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": token, "step": 0}
