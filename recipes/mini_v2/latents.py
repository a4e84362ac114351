"""Stage 3, the latents: `python -m recipes.mini_v2.latents --work build/v2`.

Every shard of the pool through the encoder, once, with the tokens of all its captions, so that a picture comes with
another caption each time; and with those of a long text, several captions in one, that spans two chunks.
`latents/DOMAIN/WIDTHxHEIGHT/NUMBER.safetensors`. With `--watch`, shards are taken as the painters finish them.
"""

import argparse
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm
from transformers import BertTokenizer

from recipes.mini_v2.captioned import LOOK, caption_tokens, long_tokens
from recipes.mini_v2.clip import tokenizer_of
from recipes.mini_v2.pool import Size, parse_size, shards

_TOGETHER = 64
LATENT = 8  # pixels of a latent's side
LONG = 2  # chunks of a long text

Stored = dict[str, torch.Tensor]  # what a shard holds, by name


class Bucket(NamedTuple):
    """What the samples of a batch have in common: their size in pixels, and whether their texts are long."""

    size: Size
    long: bool = False


def parse_bucket(text: str) -> Bucket:
    """'256x256', or '256x256+' with long texts."""
    return Bucket(parse_size(text.removesuffix("+")), text.endswith("+"))


def parse_turns(text: str) -> dict[Bucket, int]:
    """'256x256=44,256x256+=4' as a cycle's steps by bucket."""
    return {parse_bucket(size): int(count) for size, count in (part.split("=") for part in text.split(","))}


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: torch.Tensor) -> torch.Tensor:
    """(n, 4, h/8, w/8) float16, scaled to unit variance, of pictures (n, h, w, 3) uint8: the posterior's means."""
    parts = []
    for part in pictures.split(_TOGETHER):
        pixels = part.to(vae.device).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.autocast(vae.device.type, torch.bfloat16, enabled=vae.device.type == "cuda"):
            mean = vae.encode(pixels.contiguous(memory_format=torch.channels_last)).latent_dist.mean
        parts.append((mean.float() * vae.config.scaling_factor).half().cpu())
    return torch.cat(parts)


class LatentSource:
    """Latents of the pool, on the device: a bucket a size and length of text, and in each the domains by their shares.

    A batch holds `latents` (n, 4, h/8, w/8) float32 and `ids` (n, chunks, 32) int64: of one caption each, whose kind is
    drawn evenly, or of the long text. What is drawn follows from the keys. Shards that appear while it is used join in.
    """

    what = "latents"  # what errors say is missing

    def __init__(self, work: Path, shares: Mapping[str, float], turns: Mapping[Bucket, int], device: torch.device):
        """`turns`: of each bucket, how many of a cycle's steps show it. A size shows the domains that have it."""
        self.work, self.device, self.lengths, self.batches = work, device, [1_000_000] * len(turns), 0
        self.buckets, self.domains = list(turns), dict(shares)
        self.stored: dict[Size, dict[str, Stored]] = {bucket.size: {} for bucket in turns}
        self.read: set[Path] = set()
        self.look()
        for size, present in self.stored.items():
            if not present:
                raise FileNotFoundError(f"there are no {self.what} of {size[0]}x{size[1]} in {work}: make them first")
        self.cycle = _spread(list(turns.values()))

    def look(self) -> None:
        """Take up the shards that have appeared."""
        for size, present in self.stored.items():
            for domain in self.domains:
                folder = self.work / "latents" / domain / f"{size[0]}x{size[1]}"
                paths = [path for path in sorted(folder.glob("*.safetensors")) if self.is_new(path)]
                new = [{name: value.to(self.device) for name, value in self.load(path).items()} for path in paths]
                if new:
                    present[domain] = _all_of([present[domain], *new] if domain in present else new)
                    self.read.update(paths)

    def is_new(self, path: Path) -> bool:
        """Whether a shard of latents can be read, and was not yet."""
        return path not in self.read

    def load(self, path: Path) -> Stored:
        """Everything that is kept of a shard."""
        stored: Stored = load_file(path)
        return stored

    def batch(
        self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        if self.batches and self.batches % LOOK == 0:
            self.look()
        self.batches += 1
        rng = np.random.default_rng([int(key) & (2**63 - 1) for key in keys[:4]])
        stored_here = self.stored[self.buckets[bucket].size]
        present = {domain: stored_here[domain] for domain in self.domains if domain in stored_here}
        weights = np.array([self.domains[domain] for domain in present])
        counts = rng.multinomial(len(keys), weights / weights.sum())
        parts: list[dict[str, torch.Tensor]] = []
        for stored, count in zip(present.values(), counts, strict=True):
            picked = torch.from_numpy(rng.integers(len(stored["latents"]), size=count)).to(self.device)
            kinds = (torch.from_numpy(rng.random(count)).to(self.device) * stored["counts"][picked]).long()
            long = self.buckets[bucket].long
            ids = stored["long_ids"][picked] if long else stored["ids"][picked, kinds][:, None]
            parts.append({"latents": stored["latents"][picked], "ids": ids, **self.beside(stored, picked, rng)})
        joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        latents = joined["latents"].float().contiguous(memory_format=torch.channels_last)
        return {**joined, "latents": latents, "ids": joined["ids"].long()}

    def beside(self, stored: Stored, picked: torch.Tensor, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """What a batch holds beside latents and ids, of the samples `picked` (n,)."""
        return {}


def _all_of(shards_there: list[Stored]) -> Stored:
    """Shards as one."""
    kinds = max(stored["ids"].shape[1] for stored in shards_there)
    for stored in shards_there:  # pictures of a shard may all lack the rarest kind
        missing = kinds - stored["ids"].shape[1]
        stored["ids"] = torch.cat([stored["ids"], stored["ids"][:, :1].expand(-1, missing, -1)], 1)
    return {name: torch.cat([stored[name] for stored in shards_there]) for name in shards_there[0]}


def _spread(turns: list[int]) -> list[int]:
    """The bucket of each step of a cycle: the first most often, the others spread between its turns."""
    rare = [bucket for bucket, count in enumerate(turns) if bucket for _ in range(count)]
    steps = [0] * sum(turns)
    for turn, bucket in enumerate(rare):
        steps[int((turn + 0.5) * len(steps) / len(rare))] = bucket
    return steps


def encode_pool(
    work: Path,
    vae: AutoencoderKL,
    tokenizer: BertTokenizer,
    part: int = 0,
    parts: int = 1,
    but: Collection[str] = (),
) -> int:
    """Encode the shards of the pool that are not encoded yet, of `parts` processes those of the one numbered `part`.

    `but`: domains that are left out. Returns how many shards were encoded.
    """
    encoded = 0
    for folder in sorted((work / "pool").glob("*/*x*")):
        domain, size = folder.parent.name, parse_size(folder.name)
        if domain in but:
            continue
        for here in tqdm(list(shards(work, domain, size)), desc=f"{domain} {folder.name}", disable=None):
            path = work / "latents" / domain / folder.name / f"{here.path.stem}.safetensors"
            if path.exists() or int(path.stem) % parts != part:
                continue
            captions = here.captions()
            ids, counts = caption_tokens(tokenizer, captions)
            path.parent.mkdir(parents=True, exist_ok=True)
            stored = {
                "latents": encode(vae, here.pictures()).contiguous(),
                "ids": ids,
                "counts": counts,
                "long_ids": long_tokens(tokenizer, captions, int(here.path.stem)),
            }
            partial_path = path.with_suffix(".partial")
            save_file(stored, partial_path)
            partial_path.rename(path)
            encoded += 1
    return encoded


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.latents")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--watch", action="store_true", help="go on as the pool grows, until stopped")
    parser.add_argument("--part", default="0/1", help="of several processes: the number of this one/of all")
    parser.add_argument("--but", default="dishes,tower_icons", help="domains that no UNet sees, which are left out")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    vae = AutoencoderKL.from_pretrained(args.work / "stage" / "vae").to(args.device).eval()
    tokenizer = tokenizer_of(args.work)
    part, parts = map(int, args.part.split("/"))
    while encode_pool(args.work, vae, tokenizer, part, parts, args.but.split(",")) or args.watch:
        if args.watch:
            time.sleep(2)


if __name__ == "__main__":
    main()
