"""Stage 3, the latents: `python -m recipes.mini.latents --work build/mini` (one shard for each process of torchrun).

Scenes are painted and encoded once, because the encoder costs more than a step of the UNet. A bucket holds scenes of
one size and one caption length; the rhythm in which the UNet visits the buckets is `CYCLE`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm

from pai_modelscope.text import chunk_ids
from recipes.mini.cli import parse
from recipes.mini.data import Workspace
from recipes.mini.painter import Painter
from recipes.mini.scenes import SceneMix, Scenes, make_scenes


@dataclass(frozen=True)
class Bucket:
    """Scenes of one canvas, pixels, whose captions are padded to `chunks` chunks of 32 tokens."""

    height: int
    width: int
    chunks: int
    share: float  # of all scenes
    turns: int  # in a cycle of training steps
    mix: SceneMix


SQUARE, LONG = SceneMix(pairs=0.35, coloured=0.45), SceneMix(pairs=0.1, coloured=0.5, long=1.0)
BUCKETS = (
    Bucket(256, 256, 1, 0.80, 48, SQUARE),
    Bucket(256, 256, 3, 0.08, 3, LONG),
    Bucket(192, 192, 1, 0.03, 1, SQUARE),
    Bucket(320, 320, 1, 0.03, 1, SQUARE),
    Bucket(256, 384, 1, 0.03, 1, SceneMix(pairs=0.4, coloured=0.5)),
    Bucket(384, 256, 1, 0.03, 1, SceneMix(pairs=0.1, coloured=0.5)),
)


def cycle() -> list[int]:
    """Bucket of each step: the rare ones spread between the turns of the first."""
    rare = [i for i, bucket in enumerate(BUCKETS) if i for _ in range(bucket.turns)]
    rhythm = [0] * sum(bucket.turns for bucket in BUCKETS)
    for turn, bucket in enumerate(rare):
        rhythm[(turn * len(rhythm)) // len(rare) + 1] = bucket
    return rhythm


def fitting(tokenizer, scenes: Scenes, chunks: int) -> tuple[np.ndarray, torch.Tensor]:
    """Scenes whose caption fits, and their ids (n, chunks, 32) int16; a few of the short buckets' captions do not."""
    ids: torch.Tensor = chunk_ids(tokenizer, scenes.captions)
    if ids.shape[1] < chunks:
        empty = chunk_ids(tokenizer, [""])[0]
        ids = torch.cat([ids, empty.expand(len(ids), chunks - ids.shape[1], -1)], 1)
    extra = ids[:, chunks:]
    fits = torch.ones(len(ids), dtype=torch.bool) if not extra.numel() else (extra[..., 1] == 3).all(1)
    return np.flatnonzero(fits.numpy()), ids[fits, :chunks].to(torch.int16)


@torch.no_grad()
def encode(vae: AutoencoderKL, painter: Painter, scenes: Scenes, indices: np.ndarray, bucket: Bucket) -> torch.Tensor:
    """(n, 4, height/8, width/8) float16, scaled to unit variance: the posterior's means."""
    parts = []
    together = 512 if painter.device.type == "cuda" else 64
    for start in range(0, len(indices), together):
        pictures = painter.paint(scenes, indices[start : start + together], bucket.height, bucket.width)
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        with torch.autocast(painter.device.type, torch.bfloat16, enabled=painter.device.type == "cuda"):
            mean = vae.encode(pictures).latent_dist.mean
        parts.append((mean.float() * vae.config.scaling_factor).half())
    return torch.cat(parts).contiguous()


class LatentSource:
    """The buckets of all shards, on the device."""

    def __init__(self, folder: Path, device: torch.device):
        shards = sorted(folder.glob("shard-*.safetensors"))
        self.cycle = cycle()
        self.latents, self.ids = [], []
        for i in range(len(BUCKETS)):
            parts = [_read(path, i, device) for path in shards]
            self.latents.append(torch.cat([latents for latents, _ in parts]))
            self.ids.append(torch.cat([ids for _, ids in parts]))
        self.lengths = [len(latents) for latents in self.latents]

    def batch(
        self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        indices = indices.to(device, non_blocking=True)
        latents = self.latents[bucket][indices].float().contiguous(memory_format=torch.channels_last)
        return {"latents": latents, "ids": self.ids[bucket][indices].long()}


def _read(path: Path, bucket: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    stored = load_file(path)
    return stored[f"latents.{bucket}"].to(device), stored[f"ids.{bucket}"].to(device)


def main() -> None:
    args = parse("latents", steps=1, batch=128, learning_rate=1.0)
    workspace, accelerator = Workspace(args.work), Accelerator()
    records = workspace.records
    chosen = [i for i, r in enumerate(records) if r["split"] == "train" and r["base"]]
    painter = Painter(workspace.masters()[chosen], accelerator.device)
    vae = AutoencoderKL.from_pretrained(args.work / "stage/vae").to(accelerator.device).eval()
    tokenizer, total = workspace.tokenizer(), args.scenes or 720_000
    stored: dict[str, torch.Tensor] = {}
    for i, bucket in enumerate(tqdm(BUCKETS, disable=not accelerator.is_local_main_process)):
        count = max(16, round(total * bucket.share / accelerator.num_processes))
        seed = 1000 + 100 * accelerator.process_index + i
        scenes = make_scenes([records[j] for j in chosen], count, seed, bucket.mix)
        kept, ids = fitting(tokenizer, scenes, bucket.chunks)
        stored[f"latents.{i}"] = encode(vae, painter, scenes, kept, bucket).cpu()
        stored[f"ids.{i}"] = ids
    folder = args.work / "latents"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"shard-{accelerator.process_index:02d}.safetensors"
    save_file(stored, path.with_suffix(".partial"))
    path.with_suffix(".partial").rename(path)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        first = stored["latents.0"].float()
        print(
            f"latents {len(first)} a shard, mean {first.mean((0, 2, 3)).tolist()}, std {first.std((0, 2, 3)).tolist()}"
        )


if __name__ == "__main__":
    main()
