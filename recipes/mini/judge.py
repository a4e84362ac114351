"""The judge: `python -m recipes.mini.judge --work build/mini`: an image-text model trained apart from the generator.

It shares nothing with the model's own CLIP but the tokenizer: another image architecture (EfficientNet), another text
architecture (BERT), another seed, stronger augmentation, and another loss: every picture against all Chinese names of
the data set at once, instead of against a batch of captions. It never sees a held-out pair or a food test picture.
`--init FOLDER` goes on from a judge that was saved before.
"""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from transformers import VisionTextDualEncoderModel

from pai_modelscope.config import TrainingConfig
from pai_modelscope.methods import Method
from pai_modelscope.text import chunk_ids
from pai_modelscope.training import train
from recipes.mini import models
from recipes.mini.captions import clean
from recipes.mini.cli import parse
from recipes.mini.data import SEEN_BY_TOWERS, SceneSource, Workspace, scene_source
from recipes.mini.scenes import SceneMix

SEED = 2026
SMOOTHING = 0.05


class JudgeTraining(Method):
    """Pictures (n, 3, 128, 128) in [-1, 1] and the index (n,) of each one's name among all names."""

    def __init__(self, model: VisionTextDualEncoderModel, name_ids: torch.Tensor):
        """`name_ids` (names, 32): the tokens of every name."""
        super().__init__()
        self.model = model
        self.name_ids: torch.Tensor
        self.register_buffer("name_ids", name_ids, persistent=False)

    def training_step(self, batch: dict[str, torch.Tensor], phase: str) -> dict[str, torch.Tensor]:
        pictures = self.model.vision_model(pixel_values=augmented(batch["pictures"])).pooler_output
        names = self.model.text_model(input_ids=self.name_ids, attention_mask=self.name_ids.ne(0).long()).pooler_output
        pictures = F.normalize(self.model.visual_projection(pictures).float(), dim=-1)
        names = F.normalize(self.model.text_projection(names).float(), dim=-1)
        logits = self.model.logit_scale.exp() * pictures @ names.T
        loss = F.cross_entropy(logits, batch["name"], label_smoothing=SMOOTHING)
        hits = (logits.argmax(1) == batch["name"]).float().mean()
        return {"loss": loss, "accuracy": hits}

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder / "clip", safe_serialization=True)


def augmented(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (n, 3, h, w) in [-1, 1] turned, moved, recoloured, blurred, noisy, with a part covered.

    The judge must know a thing in a style in which it never saw it, and in a drawing that is slightly wrong.
    """
    n = len(pictures)

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.empty(n, *shape, device=pictures.device).uniform_(low, high)

    def some(share: float) -> torch.Tensor:
        return (uniform(0, 1, 1, 1, 1) < share).float()

    pictures = F.grid_sample(pictures, _affine(pictures, uniform), padding_mode="border", align_corners=False)
    soft = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    pictures = pictures + uniform(0, 1, 1, 1, 1) * some(0.4) * (soft - pictures)
    # Colours mixed by a random matrix near the identity; one picture in eight loses its colours.
    mixing = torch.eye(3, device=pictures.device) + 0.15 * torch.randn(n, 3, 3, device=pictures.device)
    mixing = mixing / mixing.sum(2, keepdim=True)
    mixed = torch.einsum("nij,njhw->nihw", mixing, pictures)
    pictures = pictures + some(0.5) * (mixed - pictures)
    pictures = pictures + some(0.125) * (pictures.mean(1, keepdim=True) - pictures)
    pictures = pictures * uniform(0.8, 1.2, 1, 1, 1) + uniform(-0.15, 0.15, 1, 1, 1)
    pictures = pictures + 0.08 * uniform(0, 1, 1, 1, 1) * torch.randn_like(pictures)
    return (pictures * _uncovered(pictures, uniform, some)).clamp(-1, 1)


def _affine(pictures: torch.Tensor, uniform: Callable[..., torch.Tensor]) -> torch.Tensor:
    """A sampling grid of small turns, stretches and shifts."""
    angle = uniform(-0.25, 0.25)
    wide, tall = uniform(0.85, 1.2), uniform(0.85, 1.2)
    rows = [
        torch.stack([wide * angle.cos(), -tall * angle.sin(), uniform(-0.1, 0.1)], 1),
        torch.stack([wide * angle.sin(), tall * angle.cos(), uniform(-0.1, 0.1)], 1),
    ]
    return F.affine_grid(torch.stack(rows, 1), list(pictures.shape), align_corners=False)


def _uncovered(
    pictures: torch.Tensor, uniform: Callable[..., torch.Tensor], some: Callable[[float], torch.Tensor]
) -> torch.Tensor:
    """0 in a random square of up to two fifths of the side in a third of the pictures, else 1."""
    line = torch.linspace(0, 1, pictures.shape[-1], device=pictures.device)
    half = uniform(0.05, 0.2, 1)
    inside = [((line - uniform(0, 1, 1)).abs() < half).float() for _ in range(2)]
    return 1 - some(0.33) * (inside[0][:, None, :, None] * inside[1][:, None, None, :])


class NamedSource(SceneSource):
    """Scenes with the index of their picture's name."""

    def __init__(self, source: SceneSource, names: list[str]):
        super().__init__(source.records, source.painter, source.scenes, source.pixels)
        index = {name: i for i, name in enumerate(names)}
        self.labels = torch.tensor([index[clean(record["name"])] for record in source.records])

    def batch(
        self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        shown = torch.from_numpy(self.scenes.picture)[indices]
        return {
            **super().batch(bucket, indices, device, keys),
            "name": self.labels[shown].to(device, non_blocking=True),
        }


def main() -> None:
    args = parse("judge", steps=6000, batch=1024, learning_rate=2e-3, init="")
    workspace, accelerator = Workspace(args.work), Accelerator(mixed_precision=args.precision)
    mix = SceneMix(pairs=0.0, coloured=0.45, exact=0.3)
    pixels = models.CLIP_PIXELS
    scenes = scene_source(workspace, SEEN_BY_TOWERS, args.scenes or 600_000, pixels, mix, SEED, accelerator.device)
    names = sorted({clean(record["name"]) for record in workspace.records})
    tokenizer = workspace.tokenizer()
    torch.manual_seed(SEED)
    judge = VisionTextDualEncoderModel.from_pretrained(args.init) if args.init else models.judge(len(tokenizer))
    method = JudgeTraining(judge, chunk_ids(tokenizer, names, n_chunks=1)[:, 0])
    config = TrainingConfig(
        output_dir=str(args.work / "judge"),
        max_train_steps=args.steps,
        train_batch_size=args.batch,
        learning_rate=args.learning_rate,
        lr_warmup_steps=args.steps // 20,
        adam_weight_decay=0.05,
        ema_decay=0.999,
        mixed_precision=args.precision,
        seed=SEED,
        checkpointing_steps=args.checkpointing_steps,
        max_train_seconds=args.max_seconds,
        resume_from_checkpoint="latest",
    )
    train(method, NamedSource(scenes, names), config, accelerator)


if __name__ == "__main__":
    main()
