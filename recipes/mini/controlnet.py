"""Stage 7, a Canny ControlNet: `python -m recipes.mini.controlnet --work build/mini`: `methods/controlnet` on scenes.

Edges are read from the very pictures that are encoded, so that control and latents agree to the pixel; where a drawing
has a colourless twin of the same design, every other scene shows the twin's edges instead. The UNet is the shipped one,
and what is kept is a control adapter of rank 24, because a whole ControlNet would not fit the package. `--init FOLDER`
goes on from such an adapter.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from transformers import CLIPTextModel

from pai_modelscope.adapters.control import load_control_lora
from pai_modelscope.config import TrainingConfig
from pai_modelscope.data.shipped import CONTROL_PAIRS
from pai_modelscope.images.annotators import ANNOTATORS
from pai_modelscope.methods import ControlNetTraining
from pai_modelscope.text import chunk_ids
from pai_modelscope.training import train
from recipes.mini import models
from recipes.mini.cli import parse
from recipes.mini.data import SceneSource, Workspace, scene_source
from recipes.mini.scenes import Record, SceneMix

MIX = SceneMix(pairs=0.15, coloured=0.45)
HINT_CHANNELS = (16, 24, 32, 48)  # channels of the layers that read the picture: edges need few


class EdgeSource(SceneSource):
    """Scenes as latents (n, 4, 32, 32), ids (n, 1, 32) and Canny edges (n, 3, 256, 256) in [0, 1]."""

    def __init__(self, source: SceneSource, vae: AutoencoderKL):
        super().__init__(source.records, source.painter, source.scenes, source.pixels, source.ids)
        self.vae = vae
        self.threads = ThreadPoolExecutor(8)
        twins, shown = twins_of(source.records), source.scenes.picture
        swapped = (twins[shown] >= 0) & (np.arange(len(shown)) % 2 == 0) & (source.scenes.partner < 0)
        self.traced = replace(source.scenes, picture=np.where(swapped, twins[shown], shown))

    @torch.no_grad()
    def batch(
        self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        batch = super().batch(bucket, indices, device, keys)
        pictures = batch.pop("pictures")
        traced = self.painter.paint(self.traced, indices.numpy(), self.pixels, self.pixels)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            mean = self.vae.encode(pictures).latent_dist.mean
        pixels = ((traced + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        edges = torch.from_numpy(np.stack(list(self.threads.map(canny, pixels)))).to(device)
        return {
            "latents": mean.float() * self.vae.config.scaling_factor,
            "ids": batch["ids"][:, None],
            "control": (edges.float() / 255)[:, None].expand(-1, 3, -1, -1),
        }


def twins_of(records: list[Record]) -> np.ndarray:
    """For every drawing the index of its colourless twin, -1 where it has none."""
    place = {(record["source"], record["key"]): i for i, record in enumerate(records)}
    colourless = {coloured: plain for plain, coloured in CONTROL_PAIRS.items()}
    return np.array([place.get((colourless.get(r["source"], ""), r["key"]), -1) for r in records])


def canny(rgb: np.ndarray) -> np.ndarray:
    """Edges (h, w) of a picture (h, w, 3), at the annotator's own thresholds."""
    options = ANNOTATORS["canny"].options
    low, high = (float(options[name].default) for name in ("low_threshold", "high_threshold"))
    return cv2.Canny(rgb, low, high)


def main() -> None:
    args = parse(
        "controlnet",
        steps=3000,
        batch=256,
        learning_rate=1e-3,
        unet="assets/pai-diffusion-mini-zh/unet",
        rank="24",
        init="",
    )
    workspace, accelerator = Workspace(args.work), Accelerator(mixed_precision=args.precision)
    scenes = scene_source(
        workspace, {"train"}, args.scenes or 200_000, 256, MIX, 77, accelerator.device, captions=True, base_only=True
    )
    vae = AutoencoderKL.from_pretrained(args.work / "stage/vae").to(accelerator.device).eval()
    torch.manual_seed(7)
    unet = UNet2DConditionModel.from_pretrained(Path(args.work) / args.unet, torch_dtype=torch.float32)
    method = ControlNetTraining(
        unet,
        CLIPTextModel.from_pretrained(args.work / "clip/result/text_encoder"),
        models.scheduler(),
        chunk_ids(workspace.tokenizer(), [""])[0, 0],
        controlnet=ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=HINT_CHANNELS),
        rank=int(args.rank) or None,
        caption_dropout=0.3,  # so that the picture steers also where the text says little
    )
    if args.init:
        load_control_lora(method.controlnet, Path(args.init))
    config = TrainingConfig(
        output_dir=str(args.work / "controlnet"),
        max_train_steps=args.steps,
        train_batch_size=args.batch,
        learning_rate=args.learning_rate,
        lr_warmup_steps=args.steps // 20,
        ema_decay=0.999,
        mixed_precision=args.precision,
        compile=args.compile,
        seed=7,
        checkpointing_steps=args.checkpointing_steps,
        max_train_seconds=args.max_seconds,
        resume_from_checkpoint="latest",
    )
    train(method, EdgeSource(scenes, vae), config, accelerator)


if __name__ == "__main__":
    main()
