"""Pooled pictures with the tokens of their captions, for what learns to join the two."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import PreTrainedTokenizerBase

from pai_modelscope.text import chunk_ids
from recipes.mini_v2.pool import SHARD, Size, shards

LOOK = 500  # batches between two looks for new shards
CHUNK = 30  # tokens of a chunk's content
_MARGIN = 6  # tokens of a long text that are kept free, for a chunk that ends early at a comma


def caption_tokens(
    tokenizer: PreTrainedTokenizerBase, captions: list[dict[str, str]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (n, most captions, 32) int16 of the captions that fit into one chunk, and their number (n,) of each picture.

    Where a picture has fewer than the others, its first one fills the rest. Of a picture whose captions are all too
    long, the shortest is kept, cut short.
    """
    written = [list(dict.fromkeys(texts.values())) for texts in captions]
    lengths = iter(_lengths(tokenizer, [text for texts in written for text in texts]))
    kept = [_fitting(texts, [next(lengths) for _ in texts]) for texts in written]
    most = max(map(len, kept))
    filled = [row + row[:1] * (most - len(row)) for row in kept]
    ids: torch.Tensor = chunk_ids(tokenizer, [text for row in filled for text in row])[:, 0]
    shaped = ids.view(len(captions), most, -1).to(torch.int16)
    return shaped, torch.tensor([len(row) for row in kept])


def _lengths(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[int]:
    """Tokens of each text."""
    encoded = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    return [len(ids) for ids in encoded]


def _fitting(texts: list[str], lengths: list[int]) -> list[str]:
    fit = [text for text, length in zip(texts, lengths, strict=True) if length <= CHUNK]
    return fit or [texts[int(np.argmin(lengths))]]


def long_tokens(tokenizer: PreTrainedTokenizerBase, captions: list[dict[str, str]], seed: int) -> torch.Tensor:
    """Ids (n, 2, 32) int16 of one text a picture: its captions in random order, as many as two chunks hold.

    Chunks end at commas, so that a few texts need a third one, which is left out.
    """
    rng = np.random.default_rng(seed)
    written = [[text.rstrip("。") for text in dict.fromkeys(texts.values())] for texts in captions]
    lengths = iter(_lengths(tokenizer, [text for texts in written for text in texts]))
    joined = [_joined(texts, [next(lengths) for _ in texts], rng) for texts in written]
    ids: torch.Tensor = chunk_ids(tokenizer, [*joined, ",".join(["长"] * CHUNK)])[:-1, :2]
    return ids.to(torch.int16)


def _joined(texts: list[str], lengths: list[int], rng: np.random.Generator) -> str:
    chosen: list[str] = []
    tokens = 0
    for i in rng.permutation(len(texts)):
        tokens += lengths[i] + 1  # with its comma
        if chosen and tokens > 2 * CHUNK - _MARGIN:
            break
        chosen.append(texts[i])
    return ",".join(chosen)


class CaptionedSource:
    """Pictures of the pool, made small, each with one of its captions.

    A batch holds `pictures` (n, 3, pixels, pixels) in [-1, 1], and `ids` (n, 32) int64 of one caption each, whose kind
    is drawn evenly. What is drawn follows from the keys. Shards that appear while it is used join in.
    """

    cycle = (0,)

    def __init__(
        self,
        work: Path,
        shares: Mapping[str, float],
        pixels: int,
        tokenizer: PreTrainedTokenizerBase,
        device: torch.device,
        limit: int,
        size: Size = (256, 256),
    ):
        """`limit`: pictures of a domain that are held at most."""
        self.work, self.size, self.tokenizer, self.device = work, size, tokenizer, device
        self.shares, self.most = np.array(list(shares.values())), max(1, limit // SHARD)
        self.pictures: dict[str, list[torch.Tensor]] = {domain: [] for domain in shares}  # a tensor a shard
        self.ids: dict[str, list[torch.Tensor]] = {domain: [] for domain in shares}
        self.counts: dict[str, list[torch.Tensor]] = {domain: [] for domain in shares}
        self.pixels, self.lengths, self.batches = pixels, [1_000_000], 0
        self.look()
        for domain, parts in self.pictures.items():
            if not parts:
                raise FileNotFoundError(f"the pool in {work} has no {domain} of {size[0]}x{size[1]}: paint them first")

    def look(self) -> None:
        """Take up the shards that have appeared."""
        for domain, parts in self.pictures.items():
            for here in shards(self.work, domain, self.size, len(parts)):
                if len(parts) == self.most:
                    break
                large = here.pictures().to(self.device).permute(0, 3, 1, 2).float()
                parts.append(F.interpolate(large, (self.pixels, self.pixels), mode="area").round().byte())
                ids, counts = caption_tokens(self.tokenizer, here.captions())
                self.ids[domain].append(ids)
                self.counts[domain].append(counts)

    def batch(
        self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        if self.batches and self.batches % LOOK == 0:
            self.look()
        self.batches += 1
        rng = np.random.default_rng([int(key) & (2**63 - 1) for key in keys[:4]])
        drawn, ids = [], []
        for domain, count in zip(self.pictures, rng.multinomial(len(keys), self.shares), strict=True):
            parts = self.pictures[domain]
            shards_of = np.sort(rng.integers(len(parts), size=count))
            for number, many in zip(*np.unique(shards_of, return_counts=True), strict=True):
                picked = torch.from_numpy(rng.integers(len(parts[number]), size=many))
                kinds = (torch.from_numpy(rng.random(many)) * self.counts[domain][number][picked]).long()
                drawn.append(parts[number][picked.to(self.device)])
                ids.append(self.ids[domain][number][picked, kinds])
        return {
            "pictures": (torch.cat(drawn).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last),
            "ids": torch.cat(ids).long().to(device, non_blocking=True),
        }
