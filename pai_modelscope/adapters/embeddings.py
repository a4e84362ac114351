"""Textual-inversion embeddings: files of diffusers and of the WebUI, read into one form and written again."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from pai_modelscope.adapters.files import PICKLES, read_tensors, save_safetensors, write_new
from pai_modelscope.adapters.lora import State
from pai_modelscope.adapters.read import is_embedding
from pai_modelscope.errors import UserError

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
    """The embedding in a file, or in a folder's `learned_embeds` file. Raises `UserError` for anything else."""
    file = _find(Path(path))
    content, metadata = read_tensors(file)
    if not is_embedding(content):
        raise UserError(f"{file} is no textual-inversion embedding: it holds no `token: vectors` alone. Is it a LoRA?")
    token, vectors, kind, more = _parse(content, file, metadata)
    return Embedding(token, _checked(vectors, file), kind, metadata | more)


def _find(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = [path / name for name in _FILES if (path / name).is_file()]
    if not files:
        raise UserError(f"{path} holds no {' or '.join(_FILES)}: give the embedding's file.")
    return files[0]


def _parse(content: Any, file: Path, metadata: dict[str, str]) -> tuple[str, Any, str, dict[str, str]]:
    """Token, vectors, kind, and what else the file says."""
    if isinstance(content, torch.Tensor):
        return metadata.get("name", file.stem), content, "diffusers", {}
    if content.keys() & {"clip_l", "clip_g"}:
        raise UserError(f"{file} was made for SDXL (clip_l, clip_g): it does not fit PAI-Diffusion's one text encoder.")
    if "emb_params" in content:
        return metadata.get("name", file.stem), content["emb_params"], "WebUI", {}
    if "string_to_param" not in content:
        ((token, vectors),) = content.items()
        return str(token), vectors, "diffusers", {}
    params = content["string_to_param"]
    if not isinstance(params, dict) or len(params) != 1:
        raise UserError(f"{file} holds no one embedding under string_to_param: it is damaged or of another kind.")
    more = {key: str(value) for key, value in content.items() if isinstance(value, str | int | float) and key != "name"}
    return str(content.get("name") or file.stem), next(iter(params.values())), "WebUI", more


def _checked(vectors: Any, file: Path) -> torch.Tensor:
    if isinstance(vectors, torch.Tensor) and vectors.ndim == 1:
        vectors = vectors[None]
    if not isinstance(vectors, torch.Tensor) or vectors.ndim != 2 or not vectors.numel():
        shape = tuple(vectors.shape) if isinstance(vectors, torch.Tensor) else type(vectors).__name__
        raise UserError(f"{file} holds {shape} where an embedding's vectors (n, width) belong: it is of another kind.")
    if not vectors.is_floating_point() or not bool(vectors.isfinite().all()):
        raise UserError(f"{file} holds values that are no numbers (NaN or infinite): the file is damaged.")
    return vectors.detach()


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
        content = {embedding.token: vectors} if form == "diffusers" else _webui(embedding.token, vectors)
        save = lambda made: torch.save(content, made)  # noqa: E731
    else:
        tensors: State = {embedding.token if form == "diffusers" else "emb_params": vectors}
        save = lambda made: save_safetensors(tensors, made, embedding.metadata | {"name": embedding.token})  # noqa: E731
    return write_new(path, save)


def _webui(token: str, vectors: torch.Tensor) -> dict[str, Any]:
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": token, "step": 0}
