"""What a LoRA or an embedding file is, for a user to read before loading it."""

import os
from pathlib import Path
from typing import Any

from pai_modelscope.adapters.embeddings import read_embedding
from pai_modelscope.adapters.files import read_tensors
from pai_modelscope.adapters.lora import BASES, LoraFile, base_name
from pai_modelscope.adapters.read import is_embedding, read_lora


def inspect(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Kind, size, strength, base and metadata of a LoRA or an embedding, as plain values that JSON can hold."""
    return _embedding(path) if _holds_embedding(Path(path)) else _lora(read_lora(path))


def _holds_embedding(path: Path) -> bool:
    if path.is_dir():
        return any(path.glob("learned_embeds.*"))
    return is_embedding(read_tensors(path)[0])


def _lora(lora: LoraFile) -> dict[str, Any]:
    return {
        "type": "LoRA",
        "kind": lora.kind,
        "modules": {part: sum(name.startswith(f"{part}.") for name in lora.ranks) for part in lora.parts},
        "ranks": sorted(set(lora.ranks.values())),
        # Without one in the file, alpha is the rank: full strength.
        "alphas": sorted({lora.alpha(module) for module in lora.ranks}),
        "alphas_in_file": bool(lora.alphas),
        "dora": any("lora_magnitude" in key for state in lora.parts.values() for key in state),
        "base": base_name(lora.width),
        "trigger_words": lora.trigger_words,
        "metadata": lora.metadata,
    }


def _embedding(path: str | os.PathLike[str]) -> dict[str, Any]:
    embedding = read_embedding(path)
    vectors, width = embedding.vectors.shape
    return {
        "type": "embedding",
        "kind": embedding.kind,
        "vectors": vectors,
        "width": width,
        "base": f"{BASES.get(width, 'an unknown base')} (text width {width})",
        "trigger_words": [embedding.token],
        "metadata": embedding.metadata,
    }
