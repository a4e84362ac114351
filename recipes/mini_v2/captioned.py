"""Pooled pictures with the tokens of their captions, for what learns to join the two."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import PreTrainedTokenizerBase

from pai_modelscope.text import chunk_ids
from recipes.mini_v2.pool import SHARD, Size, shards


def caption_tokens(
    tokenizer: PreTrainedTokenizerBase, captions: list[dict[str, str]], chunks: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (n, most kinds, chunks, 32) int16, and the number of captions (n,) of each picture.

    Where a picture has fewer than the others, its first one fills the rest. What is beyond `chunks` is left out.
    """
    kinds = max(len(texts) for texts in captions)
    rows = [[*texts.values()] for texts in captions]
    filled = [row + row[:1] * (kinds - len(row)) for row in rows]
    ids: torch.Tensor = chunk_ids(tokenizer, [text for row in filled for text in row])[:, :chunks]
    if ids.shape[1] < chunks:
        empty = chunk_ids(tokenizer, [""])[0]
        ids = torch.cat([ids, empty.expand(len(ids), chunks - ids.shape[1], -1)], 1)
    shaped = ids.view(len(captions), kinds, chunks, -1).to(torch.int16)
    return shaped, torch.tensor([len(row) for row in rows])


class CaptionedSource:
    """Pictures of the pool, made small, each with one of its captions.

    A batch holds `pictures` (n, 3, pixels, pixels) in [-1, 1], and `ids` (n, 32) int64 of one caption each, whose kind
    is drawn evenly. What is drawn follows from the keys.
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
        self.device = device
        self.pictures: list[torch.Tensor] = []
        self.ids: list[torch.Tensor] = []
        self.counts: list[torch.Tensor] = []
        self.shares = np.array(list(shares.values()))
        for domain in shares:
            pictures: list[torch.Tensor] = []
            captions: list[dict[str, str]] = []
            for here in shards(work, domain, size):
                if len(pictures) >= limit // SHARD:
                    break
                large = here.pictures().to(device).permute(0, 3, 1, 2).float()
                pictures.append(F.interpolate(large, (pixels, pixels), mode="area").round().byte())
                captions += here.captions()
            if not pictures:
                raise FileNotFoundError(f"the pool in {work} has no {domain} of {size[0]}x{size[1]}: paint them first")
            ids, counts = caption_tokens(tokenizer, captions)
            self.pictures.append(torch.cat(pictures))
            self.ids.append(ids[:, :, 0])
            self.counts.append(counts)
        self.lengths = [1_000_000]

    def batch(
        self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng([int(key) & (2**63 - 1) for key in keys[:4]])
        domains = rng.choice(len(self.shares), len(keys), p=self.shares)
        drawn, ids = [], []
        for domain in range(len(self.shares)):
            count = int((domains == domain).sum())
            if not count:
                continue
            picked = torch.from_numpy(rng.integers(len(self.pictures[domain]), size=count))
            kinds = (torch.from_numpy(rng.random(count)) * self.counts[domain][picked]).long()
            drawn.append(self.pictures[domain][picked.to(self.device)])
            ids.append(self.ids[domain][picked, kinds])
        return {
            "pictures": (torch.cat(drawn).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last),
            "ids": torch.cat(ids).long().to(device, non_blocking=True),
        }
