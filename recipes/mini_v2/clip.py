"""Stage 2, Chinese CLIP: `python -m recipes.mini_v2.clip --work build/v2`.

Pictures and captions of all domains, as in version 1; and a teacher's word on which sentences mean alike: the matrix of
similarities between the tower's vectors is drawn to that between the teacher's, see `recipes.mini_v2.sentences`
(relational distillation, Park et al. 2019, arXiv:1904.05068). The teacher has read names, idioms and verse that no
picture has, so that the tower places them, too.

Once a UNet has taught its text tower on, `--text FOLDER` gives that tower an image tower of its own: only what reads
pictures learns (the other way round than Zhai et al. 2022, arXiv:2111.07991).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import BertTokenizer, CLIPTextModel, VisionTextDualEncoderModel

from pai_modelscope.config import TrainingConfig
from pai_modelscope.methods import Method
from pai_modelscope.methods.base import Batch, Losses
from pai_modelscope.text import chunk_ids
from pai_modelscope.training import train
from pai_modelscope.training.sharding import open_accelerator
from pai_modelscope.training.source import Source
from recipes.mini.assemble import teach_punctuation
from recipes.mini.clip import soft_cross_entropy
from recipes.mini_v2 import models, sentences
from recipes.mini_v2.captioned import CaptionedSource
from recipes.mini_v2.pool import parse_shares, parse_size
from recipes.mini_v2.tokenizer import make_tokenizer


class TaughtSource:
    """Pictures with captions, and sentences with the teacher's vectors.

    A batch has beside those of `CaptionedSource` `sentence_ids` (m, 32) int64 and `vectors` (m, 384) float32 of length
    1, without what all sentences share.
    """

    def __init__(self, pictures: CaptionedSource, ids: torch.Tensor, vectors: np.ndarray, sentences_a_batch: int):
        self.pictures, self.ids, self.count = pictures, ids.to(torch.int16), sentences_a_batch
        centred = torch.from_numpy(vectors).float()
        self.vectors = F.normalize(centred - centred.mean(0), dim=-1).half()
        self.cycle, self.lengths = pictures.cycle, pictures.lengths

    def batch(
        self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng([int(key) & (2**63 - 1) for key in keys[:4]] + [1])
        picked = torch.from_numpy(rng.integers(len(self.ids), size=self.count))
        return {
            **self.pictures.batch(bucket, indices, device, keys),
            "sentence_ids": self.ids[picked].long().to(device, non_blocking=True),
            "vectors": self.vectors[picked].float().to(device, non_blocking=True),
        }


class TaughtClip(Method):
    """The symmetric loss of Radford et al. 2021 (arXiv:2103.00020, fig. 3), and the teacher's.

    Equal captions in a batch are all right answers. There is no attention mask: StableDiffusionPipeline passes none.
    """

    def __init__(self, model: VisionTextDualEncoderModel, teaching: float):
        """`teaching`: the weight of the teacher's loss; with 0, a batch needs no sentences. A text tower of `model`
        that is frozen stays as it is."""
        super().__init__()
        self.model, self.teaching = model, teaching

    def training_step(self, batch: Batch, phase: str) -> Losses:
        ids = batch["ids"]
        logits = self.model(input_ids=ids, pixel_values=batch["pictures"]).logits_per_image.float()
        same = (ids[:, None] == ids[None]).all(-1)
        right = same / same.sum(1, keepdim=True)
        contrast = (soft_cross_entropy(logits, right) + soft_cross_entropy(logits.T, right)) / 2
        hits = same.gather(1, logits.argmax(1, keepdim=True)).float().mean()
        if not self.teaching:
            return {"loss": contrast, "accuracy": hits}
        taught = self._taught(batch["sentence_ids"], batch["vectors"])
        return {"loss": contrast + self.teaching * taught, "accuracy": hits, "contrast": contrast, "taught": taught}

    def _taught(self, ids: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """The mean squared difference of cosines between sentences, ours to the teacher's."""
        pooled = self.model.text_model(input_ids=ids).pooler_output
        ours = F.normalize(self.model.text_projection(pooled).float(), dim=-1)
        return (ours @ ours.T - vectors @ vectors.T).square().mean()

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder / "clip", safe_serialization=True)
        self.model.text_model.save_pretrained(folder / "text_encoder", safe_serialization=True)


def tokenizer_of(work: Path) -> BertTokenizer:
    """The tokenizer of a recipe's folder, made at the first call."""
    folder = work / "tokenizer"
    if not (folder / "tokenizer.json").exists():
        make_tokenizer(folder, [])
    return BertTokenizer.from_pretrained(folder)


def tower_folder(work: Path, run: str = "unet") -> Path:
    """The text tower that a UNet of a run reads: the one that learned with it, or else the one of this stage."""
    learned = work / run / "result/text_encoder"
    return learned if learned.exists() else work / "stage/text_encoder"


def opened_clip(vocab_size: int, init: Path | None, text: Path | None) -> VisionTextDualEncoderModel:
    """A new CLIP, or that of the folder `init`; with `text`, its text tower is that folder's, and does not learn."""
    model = VisionTextDualEncoderModel.from_pretrained(init, dtype=torch.float32) if init else models.clip(vocab_size)
    if text:
        model.text_model.load_state_dict(CLIPTextModel.from_pretrained(text, dtype=torch.float32).state_dict())
        model.text_model.requires_grad_(False)
    return model


def finish_tower(work: Path, run: str) -> None:
    """`stage/text_encoder`, which the UNet learns to read: the trained tower, to which all marks mean the comma.

    Captions know few marks, and the others have learned nothing.
    """
    tower = CLIPTextModel.from_pretrained(work / run / "result/text_encoder")
    weights = tower.state_dict()
    teach_punctuation(weights, (work / "tokenizer/vocab.txt").read_text(encoding="utf-8").split())
    tower.load_state_dict(weights)
    tower.save_pretrained(work / "stage/text_encoder", safe_serialization=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.clip")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--name", default="clip", help="of the run's folder")
    parser.add_argument("--init", type=Path, help="a CLIP's folder to begin from")
    parser.add_argument("--text", type=Path, help="the folder of a text tower that stays as it is")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=1536)
    parser.add_argument("--sentences", type=int, default=1024, help="of the teacher in a batch; not with --text")
    parser.add_argument("--teaching", type=float, default=10.0, help="weight of the teacher's loss; not with --text")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--shares", default="landscapes=0.6,icons=0.4", help="of the domains")
    parser.add_argument("--size", default="256x256", help="of the pool's pictures")
    parser.add_argument("--limit", type=int, default=60_000, help="pictures of a domain that the device holds")
    parser.add_argument("--precision", choices=("no", "bf16"), default="no")
    parser.add_argument("--checkpointing-steps", type=int, default=2000)
    parser.add_argument("--max-seconds", type=float, default=0)
    args = parser.parse_args()
    config = TrainingConfig(
        output_dir=str(args.work / args.name),
        max_train_steps=args.steps,
        train_batch_size=args.batch,
        learning_rate=args.learning_rate,
        lr_scheduler="cosine",
        lr_warmup_steps=args.steps // 20,
        adam_weight_decay=0.05,
        mixed_precision=args.precision,
        seed=2,
        checkpointing_steps=args.checkpointing_steps,
        max_train_seconds=args.max_seconds,
        resume_from_checkpoint="latest",
    )
    accelerator, tokenizer = open_accelerator(config), tokenizer_of(args.work)
    shares = parse_shares(args.shares)
    size = parse_size(args.size)
    pictures = CaptionedSource(args.work, shares, models.CLIP_PIXELS, tokenizer, accelerator.device, args.limit, size)
    source: Source = pictures
    if not args.text:  # a tower that stays as it is has nothing to learn from a teacher
        texts, vectors = sentences.read(args.work / "sentences")
        source = TaughtSource(pictures, chunk_ids(tokenizer, texts)[:, 0], vectors, args.sentences)
    torch.manual_seed(2)
    method = TaughtClip(opened_clip(len(tokenizer), args.init, args.text), 0.0 if args.text else args.teaching)
    train(method, source, config, accelerator)
    if accelerator.is_main_process and not args.text:
        finish_tower(args.work, args.name)


if __name__ == "__main__":
    main()
