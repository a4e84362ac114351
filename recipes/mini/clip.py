"""Stage 2, Chinese CLIP, and the judge: `python -m recipes.mini.clip [--model judge] --work build/mini`.

The same method trains both. The model's own CLIP reads whole captions; the judge reads names, has another architecture
and seed, sees stronger augmentation, and never sees a held-out pair or a food test picture.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from transformers import VisionTextDualEncoderModel

from pai_modelscope.config import TrainingConfig
from pai_modelscope.methods import Method
from pai_modelscope.training import train
from recipes.mini import models
from recipes.mini.cli import parse
from recipes.mini.data import Workspace, scene_source
from recipes.mini.scenes import SceneMix


class ClipTraining(Method):
    """Pictures (n, 3, 128, 128) in [-1, 1] and ids (n, 32): the symmetric loss of Radford et al. 2021,
    arXiv:2103.00020, fig. 3. Equal captions in a batch are all right answers."""

    def __init__(self, model: VisionTextDualEncoderModel, augment: bool, mask_padding: bool):
        """`mask_padding`: the judge's BERT gets an attention mask; the CLIP text tower gets none, as
        StableDiffusionPipeline passes none."""
        super().__init__()
        self.model, self.augment, self.mask_padding = model, augment, mask_padding

    def augmented(self, pictures: torch.Tensor) -> torch.Tensor:
        """Brightness, contrast and blur: what a generated picture may get slightly wrong."""
        n, device = len(pictures), pictures.device
        contrast = torch.empty(n, 1, 1, 1, device=device).uniform_(0.85, 1.15)
        brightness = torch.empty(n, 1, 1, 1, device=device).uniform_(-0.12, 0.12)
        soft = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        amount = torch.rand(n, 1, 1, 1, device=device) * (torch.rand(n, 1, 1, 1, device=device) < 0.4)
        pictures = pictures + amount * (soft - pictures)
        noise = 0.06 * torch.rand(n, 1, 1, 1, device=device) * torch.randn_like(pictures)
        return (pictures * contrast + brightness + noise).clamp(-1, 1)

    def forward(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        pictures, ids = batch["pictures"], batch["ids"]
        if self.augment:
            pictures = self.augmented(pictures)
        mask = (ids != 0).long() if self.mask_padding else None
        output = self.model(input_ids=ids, attention_mask=mask, pixel_values=pictures)
        logits = output.logits_per_image.float()
        same = (ids[:, None] == ids[None]).all(-1)
        right = same / same.sum(1, keepdim=True)
        loss = (soft_cross_entropy(logits, right) + soft_cross_entropy(logits.T, right)) / 2
        hits = same.gather(1, logits.argmax(1, keepdim=True)).float().mean()
        return {"loss": loss, "accuracy": hits}

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder / "clip", safe_serialization=True)
        self.model.text_model.save_pretrained(folder / "text_encoder", safe_serialization=True)


def soft_cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return -(target * logits.log_softmax(-1)).sum(-1).mean()


SETUPS = {
    "clip": {
        "build": models.clip,
        "splits": {"train", "food", "held_style", "held_concept"},
        "mix": SceneMix(pairs=0.12, coloured=0.45, exact=0.3),
        "seed": 2,
    },
    # Names alone most of the time, and often small or beside another picture, as in the halves of a two-object prompt.
    "judge": {
        "build": models.judge,
        "splits": {"train", "food", "held_style", "held_concept"},
        "mix": SceneMix(pairs=0.0, coloured=0.45, exact=0.3, with_style=0.2),
        "seed": 2026,
    },
}


def main() -> None:
    args = parse("clip", steps=3000, batch=1536, learning_rate=1e-3, model="clip")
    setup = SETUPS[args.model]
    workspace, accelerator = Workspace(args.work), Accelerator(mixed_precision=args.precision)
    source = scene_source(
        workspace,
        setup["splits"],
        args.scenes or 600_000,
        models.CLIP_PIXELS,
        setup["mix"],
        setup["seed"],
        accelerator.device,
        captions=True,
    )
    torch.manual_seed(setup["seed"])
    model = setup["build"](len(workspace.tokenizer()))
    judge = args.model == "judge"
    config = TrainingConfig(
        output_dir=str(args.work / args.model),
        max_train_steps=args.steps,
        train_batch_size=args.batch,
        learning_rate=args.learning_rate,
        lr_warmup_steps=args.steps // 20,
        adam_weight_decay=0.05,
        mixed_precision=args.precision,
        compile=False,
        seed=setup["seed"],
        checkpointing_steps=args.checkpointing_steps,
        max_train_seconds=args.max_seconds,
    )
    train(ClipTraining(model, augment=judge, mask_padding=judge), source, config, accelerator)


if __name__ == "__main__":
    main()
