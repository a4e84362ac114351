"""Stage 4, the UNet: `python -m recipes.mini.unet --work build/mini`: `methods/full` from random weights.

`--init FOLDER` starts from a UNet that was saved before; the text tower and the latents must be the same.
"""

import ast

import torch
from accelerate import Accelerator
from diffusers import UNet2DConditionModel
from transformers import CLIPTextModel

from pai_modelscope.config import TrainingConfig
from pai_modelscope.methods import FullFineTuning
from pai_modelscope.text import chunk_ids
from pai_modelscope.training import train
from recipes.mini import models
from recipes.mini.cli import parse
from recipes.mini.data import Workspace
from recipes.mini.latents import LatentSource


def main() -> None:
    args = parse(
        "unet",
        steps=30_000,
        batch=512,
        learning_rate=1e-3,
        name="unet",
        channels=str(models.UNET_CHANNELS),
        decay="0.9995",
        init="",
        optimizer="muon",
    )
    # 12 M gradients need no overlap with the backward pass; undivided, the graph compiles alike for any number of GPUs.
    torch._dynamo.config.optimize_ddp = False
    workspace, accelerator = Workspace(args.work), Accelerator(mixed_precision=args.precision)
    torch.manual_seed(3)
    channels = ast.literal_eval(args.channels)
    unet = UNet2DConditionModel.from_pretrained(args.init) if args.init else models.unet(channels)
    method = FullFineTuning(
        unet,
        CLIPTextModel.from_pretrained(args.work / "clip/result/text_encoder"),
        models.scheduler(),
        chunk_ids(workspace.tokenizer(), [""])[0, 0],
    )
    config = TrainingConfig(
        output_dir=str(args.work / args.name),
        max_train_steps=args.steps,
        train_batch_size=args.batch,
        optimizer=args.optimizer,
        learning_rate=args.learning_rate,
        lr_warmup_steps=min(500, args.steps // 10),
        ema_decay=float(args.decay),
        mixed_precision=args.precision,
        compile=args.compile,
        seed=3,
        logging_steps=100,
        checkpointing_steps=args.checkpointing_steps,
        max_train_seconds=args.max_seconds,
        resume_from_checkpoint="latest",
    )
    train(method, LatentSource(args.work / "latents", accelerator.device), config, accelerator)


if __name__ == "__main__":
    main()
