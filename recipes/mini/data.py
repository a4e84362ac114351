"""Reading the built data set, the tokenizer of the model, and the sources of the training stages."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import BertTokenizer

from pai_modelscope.text import chunk_ids
from recipes.mini.captions import ASKING, FRAMES, GROUNDS, MODIFIERS, OPENINGS, PAIRS, PLACES, QUALITIES, STYLED
from recipes.mini.dataset.build import read_records
from recipes.mini.painter import Painter, render_masters
from recipes.mini.scenes import COLOURS, Record, SceneMix, Scenes, make_scenes
from recipes.mini.tokenizer import save_tokenizer

# What CLIP, judge and VAE may see: all but the held-out pairs, which stay unseen by everything.
SEEN_BY_TOWERS = frozenset({"train", "food", "held_style", "held_concept"})


@dataclass(frozen=True)
class Workspace:
    """The folders of a recipe run; every stage finds there what the stages before it made."""

    root: Path

    @property
    def records(self) -> list[Record]:
        return read_records(self.root / "pictures.jsonl.xz")

    def masters(self) -> np.ndarray:
        """(n, 4, 320, 320) uint8 in the order of `records`; rendered at the first call."""
        path = self.root / "masters.npy"
        if not path.exists():
            render_masters(self.records, self.root, path)
        return np.load(path, mmap_mode="r")

    def tokenizer(self) -> BertTokenizer:
        """The tokenizer that ships, made from every word that a caption can contain."""
        folder = self.root / "tokenizer"
        if not (folder / "tokenizer.json").exists():
            texts = [*ASKING, *FRAMES, *GROUNDS, *MODIFIERS, *OPENINGS, *PAIRS, *PLACES, *QUALITIES, *STYLED, *COLOURS]
            for record in self.records:
                texts += [record["name"], record["style"], *record["aliases"], *record["keywords"]]
            save_tokenizer(texts, folder)
        return BertTokenizer.from_pretrained(folder)


class SceneSource:
    """Painted scenes and the first chunk of their captions, made as they are asked for."""

    cycle = (0,)

    def __init__(
        self,
        records: list[Record],
        painter: Painter,
        scenes: Scenes,
        pixels: int,
        ids: torch.Tensor | None = None,
    ):
        """`ids` (n, 32): the captions' tokens, for the methods that read them."""
        self.records, self.painter, self.scenes, self.pixels, self.ids = records, painter, scenes, pixels, ids
        self.lengths = [len(scenes)]

    def batch(
        self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        pictures = self.painter.paint(self.scenes, indices.numpy(), self.pixels, self.pixels)
        batch = {"pictures": pictures.contiguous(memory_format=torch.channels_last)}
        if self.ids is not None:
            batch["ids"] = self.ids[indices].to(device, non_blocking=True)
        return batch


def scene_source(
    workspace: Workspace,
    keep: Collection[str],
    n: int,
    pixels: int,
    mix: SceneMix,
    seed: int,
    device: torch.device,
    captions: bool = False,
    base_only: bool = False,
) -> SceneSource:
    """`n` scenes over the records whose split is in `keep`, less the food test pictures.

    `captions`: with their tokens; `base_only`: without the collections that the UNet has not seen.
    """
    records = workspace.records
    seen = [i for i, r in enumerate(records) if r["split"] in keep and not r["food_test"]]
    chosen = [i for i in seen if records[i]["base"] or not base_only]
    shown = [records[i] for i in chosen]
    scenes = make_scenes(shown, n, seed, mix)
    painter = Painter(workspace.masters()[chosen], device)
    ids = chunk_ids(workspace.tokenizer(), scenes.captions)[:, 0] if captions else None
    return SceneSource(shown, painter, scenes, pixels, ids)
