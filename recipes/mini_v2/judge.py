"""The judge of facts: `python -m recipes.mini_v2.judge --work build/v2`: style, time, weather, things, dish, hair.

A network of its own, which shares nothing with the model: it sees pictures alone and answers questions about them, see
`recipes.mini_v2.questions`. Painters' pictures have traces that a drawn picture lacks, such as noise of one pixel. So
that it does not go by these, it learns from pictures that were blurred, pressed into JPEG, and taken through the VAE.
"""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from pai_modelscope.config import TrainingConfig
from pai_modelscope.methods import Method
from pai_modelscope.methods.base import Batch, Losses
from pai_modelscope.training import train
from pai_modelscope.training.sharding import open_accelerator
from recipes.mini.models import judge_tower
from recipes.mini_v2 import questions
from recipes.mini_v2.pool import SHARD, Size, parse_shares, parse_size, shards
from recipes.mini_v2.questions import Question

PIXELS = 192  # side of the pictures that the judge sees
_JPEG_SHARE, _JPEG = 0.3, (30, 90)  # of the pictures, and from which to which quality
_DECODED = 4  # one batch in so many goes through the VAE


class FactJudge(nn.Module):
    """Logits (n, all answers of all questions) of pictures (n, 3, 192, 192) in [-1, 1]."""

    def __init__(self, asked: Sequence[Question]):
        super().__init__()
        self.asked = list(asked)
        self.tower = judge_tower(PIXELS)
        self.head = nn.Linear(self.tower.config.hidden_size, sum(len(question.answers) for question in asked))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(F.dropout(self.tower(pictures).pooler_output, 0.2, self.training))
        return logits

    def split(self, values: torch.Tensor) -> list[tuple[Question, torch.Tensor]]:
        """Each question with its columns of `values` (n, all answers)."""
        return list(zip(self.asked, values.split([len(question.answers) for question in self.asked], 1), strict=True))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        questions.write(folder / "questions.json", self.asked)
        save_file({name: value.contiguous() for name, value in self.state_dict().items()}, folder / "model.safetensors")


def open_judge(folder: Path, device: torch.device) -> FactJudge:
    """A judge that was saved."""
    judge = FactJudge(questions.read(folder / "questions.json"))
    judge.load_state_dict(load_file(folder / "model.safetensors"))
    return judge.to(device).eval()


@torch.no_grad()
def told(judge: FactJudge, images: np.ndarray, together: int = 64) -> dict[tuple[str, str], np.ndarray]:
    """By domain and fact, the probability (n, answers) of each answer for images (n, h, w, 3) uint8."""
    device, parts = judge.head.weight.device, []
    for start in range(0, len(images), together):
        pictures = torch.from_numpy(images[start : start + together]).to(device).permute(0, 3, 1, 2)
        parts.append(judge(fitted(pictures) / 127.5 - 1).float().cpu())
    answered = {}
    for question, logits in judge.split(torch.cat(parts)):
        chances = logits.sigmoid() if question.several else logits.softmax(1)
        answered[question.domain, question.fact] = chances.numpy()
    return answered


def fitted(pictures: torch.Tensor) -> torch.Tensor:
    """(n, 3, 192, 192) of pictures (n, 3, h, w) from 0 to 255, whole, whatever their aspect."""
    return F.interpolate(pictures.float(), (PIXELS, PIXELS), mode="bilinear", antialias=True, align_corners=False)


class FactSource:
    """Pictures of the pool with what is asked of them, held on the device.

    A batch holds `pictures` (n, 3, 192, 192) in [-1, 1], and `right` (n, all answers): 1 for a right answer, 0 for a
    wrong one, -1 where that question is not asked, because the picture is of another domain.
    """

    cycle = (0,)

    def __init__(
        self,
        work: Path,
        asked: Sequence[Question],
        shares: dict[str, float],
        device: torch.device,
        limit: int,
        size: Size,
    ):
        """`limit`: pictures of a domain that are held at most."""
        self.device, self.lengths = device, [1_000_000]
        self.shares = np.array(list(shares.values()))
        self.pictures: list[torch.Tensor] = []
        self.right: list[torch.Tensor] = []
        rng = np.random.default_rng(7)
        for domain in shares:
            pictures, right = [], []
            for here in list(shards(work, domain, size))[: max(1, limit // SHARD)]:
                pressed = torch.from_numpy(_some_as_jpeg(here.pictures().numpy(), rng)).permute(0, 3, 1, 2)
                pictures.append(fitted(pressed.to(device)).round().byte())
                right += [_right(asked, domain, facts) for facts in here.facts()]
            self.pictures.append(torch.cat(pictures))
            self.right.append(torch.from_numpy(np.stack(right)).to(device))

    def batch(
        self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng([int(key) & (2**63 - 1) for key in keys[:4]])
        drawn, right = [], []
        for number, count in enumerate(rng.multinomial(len(keys), self.shares)):
            picked = torch.from_numpy(rng.integers(len(self.pictures[number]), size=count)).to(self.device)
            drawn.append(self.pictures[number][picked])
            right.append(self.right[number][picked])
        pictures = torch.cat(drawn).float() / 127.5 - 1
        return {"pictures": pictures.contiguous(memory_format=torch.channels_last), "right": torch.cat(right)}


def _right(asked: Sequence[Question], domain: str, facts: dict[str, questions.Fact]) -> np.ndarray:
    return np.concatenate(
        [
            question.target(facts) if question.domain == domain else np.full(len(question.answers), -1, np.float32)
            for question in asked
        ]
    )


def _some_as_jpeg(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A share of the images (n, h, w, 3) uint8 through JPEG, in a copy."""
    images = images.copy()
    for i in np.flatnonzero(rng.random(len(images)) < _JPEG_SHARE):
        file = io.BytesIO()
        Image.fromarray(images[i]).save(file, "JPEG", quality=int(rng.integers(*_JPEG)))
        images[i] = np.asarray(Image.open(file))
    return images


class FactTraining(Method):
    """Cross-entropy of each question, over the pictures that it is asked of; binary where several answers are right."""

    def __init__(self, judge: FactJudge, vae: AutoencoderKL):
        super().__init__()
        self.judge, self.vae, self.batches = judge, vae.requires_grad_(False).eval(), 0

    def training_step(self, batch: Batch, phase: str) -> Losses:
        pictures = altered(batch["pictures"])
        if self.batches % _DECODED == 0:
            pictures = self._decoded(pictures)
        self.batches += 1
        parts: list[torch.Tensor] = []
        hits: list[torch.Tensor] = []
        logits = self.judge(pictures).float()
        for (question, answered), (_, right) in zip(
            self.judge.split(logits), self.judge.split(batch["right"]), strict=True
        ):
            asked = right[:, 0] >= 0
            if question.several:
                loss = F.binary_cross_entropy_with_logits(answered, right.clamp_min(0), reduction="none").mean(1)
            else:
                asked = asked & (right.clamp_min(0).sum(1) > 0)
                loss = F.cross_entropy(answered, right.argmax(1), reduction="none", label_smoothing=0.05)
                hits.append(((answered.argmax(1) == right.argmax(1)) & asked).sum() / asked.sum().clamp_min(1))
            weight = 10.0 if question.several else 1.0  # most of many things are absent, which is soon known
            parts.append(weight * (loss * asked).sum() / asked.sum().clamp_min(1))
        return {"loss": torch.stack(parts).mean(), "accuracy": torch.stack(hits).mean()}

    @torch.no_grad()
    def _decoded(self, pictures: torch.Tensor) -> torch.Tensor:
        decoded: torch.Tensor = self.vae.decode(self.vae.encode(pictures).latent_dist.mean).sample
        return decoded.clamp(-1, 1).to(pictures.dtype)

    def save(self, folder: Path) -> None:
        self.judge.save(folder / "judge")


def altered(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (n, 3, h, w) in [-1, 1] cut a little, some blurred, some noisy, a little lighter or darker.

    Nothing is mirrored or recoloured: sides and colours are asked for.
    """
    n, device = len(pictures), pictures.device
    scale = 1 - 0.12 * torch.rand(n, 1, 1, device=device)
    shift = (1 - scale) * (2 * torch.rand(n, 2, 1, device=device) - 1)
    grid = F.affine_grid(torch.cat([torch.eye(2, device=device) * scale, shift], 2), list(pictures.shape), False)
    pictures = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    soft = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    pictures = torch.lerp(
        pictures, soft, torch.rand(n, 1, 1, 1, device=device) * (torch.rand_like(scale) < 0.5)[..., None]
    )
    noise = 0.06 * torch.rand(n, 1, 1, 1, device=device) * torch.randn_like(pictures)
    return (pictures * (1 + 0.1 * torch.randn(n, 1, 1, 1, device=device).clamp(-2, 2)) + noise).clamp(-1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.judge")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=384)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--shares", default="landscapes=0.5,compositions=0.2,portraits=0.15,dishes=0.15")
    parser.add_argument("--size", default="256x256", help="of the pool's pictures")
    parser.add_argument("--limit", type=int, default=60_000, help="pictures of a domain that the device holds")
    parser.add_argument("--precision", choices=("no", "bf16"), default="no")
    parser.add_argument("--checkpointing-steps", type=int, default=2000)
    parser.add_argument("--max-seconds", type=float, default=0)
    args = parser.parse_args()
    config = TrainingConfig(
        output_dir=str(args.work / "judge"),
        max_train_steps=args.steps,
        train_batch_size=args.batch,
        learning_rate=args.learning_rate,
        lr_scheduler="cosine",
        lr_warmup_steps=args.steps // 20,
        adam_weight_decay=0.05,
        ema_decay=0.999,
        mixed_precision=args.precision,
        seed=5,
        checkpointing_steps=args.checkpointing_steps,
        max_train_seconds=args.max_seconds,
        resume_from_checkpoint="latest",
    )
    accelerator = open_accelerator(config)
    size, shares = parse_size(args.size), parse_shares(args.shares)
    asked: list[Question] = []
    for domain in shares:
        facts = [picture for here in shards(args.work, domain, size) for picture in here.facts()]
        asked += questions.questions_of(domain, facts)
    source = FactSource(args.work, asked, shares, accelerator.device, args.limit, size)
    torch.manual_seed(5)
    vae = AutoencoderKL.from_pretrained(args.work / "stage/vae")
    train(FactTraining(FactJudge(asked), vae), source, config, accelerator)


if __name__ == "__main__":
    main()
