"""Stage 2, Chinese CLIP: `python -m recipes.mini.clip --work build/mini`.

Its text tower, frozen afterwards, is what the UNet reads; its image tower ships too, for scores.
"""

from pathlib import Path

import torch
from accelerate import Accelerator
from transformers import VisionTextDualEncoderModel

from pai_modelscope.config import TrainingConfig
from pai_modelscope.methods import Method
from pai_modelscope.training import train
from recipes.mini import models
from recipes.mini.cli import parse
from recipes.mini.data import SEEN_BY_TOWERS, Workspace, scene_source
from recipes.mini.scenes import SceneMix


class ClipTraining(Method):
    """Pictures (n, 3, 128, 128) in [-1, 1] and ids (n, 32): the symmetric loss of Radford et al. 2021,
    arXiv:2103.00020, fig. 3. Equal captions in a batch are all right answers. As StableDiffusionPipeline passes no
    attention mask, none is passed here."""

    def __init__(self, model: VisionTextDualEncoderModel):
        super().__init__()
        self.model = model

    def training_step(self, batch: dict[str, torch.Tensor], phase: str) -> dict[str, torch.Tensor]:
        ids = batch["ids"]
        logits = self.model(input_ids=ids, pixel_values=batch["pictures"]).logits_per_image.float()
        same = (ids[:, None] == ids[None]).all(-1)
        right = same / same.sum(1, keepdim=True)
        loss = (soft_cross_entropy(logits, right) + soft_cross_entropy(logits.T, right)) / 2
        hits = same.gather(1, logits.argmax(1, keepdim=True)).float().mean()
        return {"loss": loss, "accuracy": hits}

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder / "clip", safe_serialization=True)
        self.model.text_model.save_pretrained(folder / "text_encoder", safe_serialization=True)


def soft_cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean over rows (n, n) of the cross entropy with a distribution over the right answers."""
    return -(target * logits.log_softmax(-1)).sum(-1).mean()


def main() -> None:
    args = parse("clip", steps=2600, batch=2048, learning_rate=1e-3)
    workspace, accelerator = Workspace(args.work), Accelerator(mixed_precision=args.precision)
    mix = SceneMix(pairs=0.12, coloured=0.45, exact=0.3)
    scenes, pixels = args.scenes or 400_000, models.CLIP_PIXELS
    source = scene_source(workspace, SEEN_BY_TOWERS, scenes, pixels, mix, 2, accelerator.device, captions=True)
    torch.manual_seed(2)
    config = TrainingConfig(
        output_dir=str(args.work / "clip"),
        max_train_steps=args.steps,
        train_batch_size=args.batch,
        learning_rate=args.learning_rate,
        lr_warmup_steps=args.steps // 20,
        adam_weight_decay=0.05,
        mixed_precision=args.precision,
        seed=2,
        checkpointing_steps=args.checkpointing_steps,
        max_train_seconds=args.max_seconds,
        resume_from_checkpoint="latest",
    )
    train(ClipTraining(models.clip(len(workspace.tokenizer()))), source, config, accelerator)


if __name__ == "__main__":
    main()
