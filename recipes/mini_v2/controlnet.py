"""The ControlNets: `python -m recipes.mini_v2.controlnet --work build/v2 --kind sketch`, by `methods/controlnet`.

`canny` follows edges, `sketch` rough sketches in colours (涂鸦成山水), see `recipes.mini_v2.controls`, which makes both
beforehand. The UNet is the one that ships, and what is kept is a control adapter of low rank, as in version 1.
`--init FOLDER` goes on from such an adapter.
"""

import argparse
from pathlib import Path

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from transformers import CLIPTextModel

from pai_modelscope.adapters.control import load_control_lora
from pai_modelscope.config import TrainingConfig
from pai_modelscope.methods import ControlNetTraining
from pai_modelscope.text import chunk_ids
from pai_modelscope.training import train
from pai_modelscope.training.sharding import open_accelerator
from recipes.mini.models import scheduler
from recipes.mini_v2.clip import tokenizer_of, tower_folder
from recipes.mini_v2.controls import KINDS, ControlSource
from recipes.mini_v2.latents import parse_turns
from recipes.mini_v2.pool import parse_shares

HINT_CHANNELS = (16, 24, 32, 48)  # channels of the layers that read the picture: edges and flat colours need few
RANK = 15  # 2.4 MB in float16
_SHARES = {"canny": "landscapes=0.5,icons=0.2,compositions=0.2,portraits=0.1", "sketch": "landscapes=1"}


def method_of(
    unet: UNet2DConditionModel, text_encoder: CLIPTextModel, empty_ids: torch.Tensor, rank: int
) -> ControlNetTraining:
    """The training of a control adapter of `rank`; `empty_ids` (32,): the tokens of no text."""
    torch.manual_seed(7)
    return ControlNetTraining(
        unet,
        text_encoder,
        scheduler(),
        empty_ids,
        controlnet=ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=HINT_CHANNELS),
        rank=rank,
        caption_dropout=0.3,  # so that the picture steers also where the text says little
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.controlnet")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--unet", type=Path, help="its folder; unet/result/unet of the recipe's where left out")
    parser.add_argument("--init", type=Path, help="a control adapter's folder to begin from")
    parser.add_argument("--rank", type=int, default=RANK)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=384)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--shares", help="of the domains; by the kind where left out")
    parser.add_argument("--turns", default="256x256=1", help="of a cycle's steps, by size, as the UNet's")
    parser.add_argument("--precision", choices=("no", "bf16"), default="no")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--checkpointing-steps", type=int, default=1000)
    parser.add_argument("--max-seconds", type=float, default=0)
    args = parser.parse_args()
    config = TrainingConfig(
        output_dir=str(args.work / f"controlnet-{args.kind}"),
        max_train_steps=args.steps,
        train_batch_size=args.batch,
        learning_rate=args.learning_rate,
        lr_scheduler="cosine",
        lr_warmup_steps=args.steps // 20,
        ema_decay=0.999,
        mixed_precision=args.precision,
        compile=args.compile,
        seed=7,
        logging_steps=100,
        checkpointing_steps=args.checkpointing_steps,
        max_train_seconds=args.max_seconds,
        resume_from_checkpoint="latest",
    )
    accelerator = open_accelerator(config)
    shares = parse_shares(args.shares or _SHARES[args.kind])
    source = ControlSource(args.kind, args.work, shares, parse_turns(args.turns), accelerator.device)
    method = method_of(
        UNet2DConditionModel.from_pretrained(args.unet or args.work / "unet/result/unet", torch_dtype=torch.float32),
        CLIPTextModel.from_pretrained(tower_folder(args.work)),
        chunk_ids(tokenizer_of(args.work), [""])[0, 0],
        args.rank,
    )
    if args.init:
        load_control_lora(method.controlnet, args.init)
    train(method, source, config, accelerator)


if __name__ == "__main__":
    main()
