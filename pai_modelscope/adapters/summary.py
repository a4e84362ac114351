"""What a LoRA or an embedding file is, for a user to read before loading it."""

import os
from typing import Literal, TypedDict

from pai_modelscope.adapters.embedding_io import holds_embedding, read_embeddings
from pai_modelscope.adapters.lora_io.file import BASES, PARTS, LoraFile, base_name
from pai_modelscope.adapters.lora_io.read import read_lora


class LoraSummary(TypedDict):
    """`methods`: modules by kind of change; `modules`: how many the file changes, by part."""

    type: Literal["LoRA"]
    kind: str
    methods: dict[str, int]
    modules: dict[str, int]
    ranks: list[int]
    alphas: list[float]
    alphas_in_file: bool
    dora: bool
    base: str
    trigger_words: list[str]
    bundled_embeddings: dict[str, int]
    metadata: dict[str, str]


class EmbeddingSummary(TypedDict):
    type: Literal["embedding"]
    kind: str
    vectors: int
    width: int
    base: str
    trigger_words: list[str]
    metadata: dict[str, str]


def inspect(path: str | os.PathLike[str]) -> LoraSummary | EmbeddingSummary:
    """Describe a LoRA or an embedding: kind, size, strength, base and metadata, as values that JSON can hold."""
    return _embedding(path) if holds_embedding(path) else _lora(read_lora(path))


def _lora(lora: LoraFile) -> LoraSummary:
    changed = [(change.rank, change.scale * change.rank) for change in lora.changes.values() if change.rank]
    return {
        "type": "LoRA",
        "kind": lora.kind,
        "methods": lora.kinds,
        "modules": {
            part: count for part in PARTS if (count := sum(name.startswith(f"{part}.") for name in lora.modules))
        },
        "ranks": sorted({*lora.ranks.values(), *(rank for rank, _ in changed)}),
        # Without one in the file, alpha is the rank: full strength.
        "alphas": sorted({lora.alpha(module) for module in lora.ranks} | {alpha for _, alpha in changed}),
        "alphas_in_file": bool(lora.alphas or lora.changes),
        "dora": any("DoRA" in kind for kind in lora.kinds),
        "base": base_name(lora.width),
        "trigger_words": list(dict.fromkeys([*lora.words, *lora.trigger_words])),
        "bundled_embeddings": {word: len(vectors) for word, vectors in lora.words.items()},
        "metadata": lora.metadata,
    }


def _embedding(path: str | os.PathLike[str]) -> EmbeddingSummary:
    embeddings = read_embeddings(path)
    width = embeddings[0].vectors.shape[1]
    return {
        "type": "embedding",
        "kind": embeddings[0].kind,
        "vectors": sum(len(embedding.vectors) for embedding in embeddings),
        "width": width,
        "base": f"{BASES.get(width, 'an unknown base')} (text width {width})",
        "trigger_words": [embedding.token for embedding in embeddings],
        "metadata": embeddings[0].metadata,
    }
