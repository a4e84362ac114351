"""The judge: an image-text model trained apart from the generator, that says which Chinese name a picture shows."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from pai_modelscope import limits
from pai_modelscope.adapters.shapes import config_problem
from pai_modelscope.errors import UserError, reason
from pai_modelscope.evaluation.metrics import border_colour
from pai_modelscope.model_layout import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, VisionTextDualEncoderModel

SHIPPED_JUDGE = Path(__file__).parents[1] / "assets" / "judge"
STYLE_LAYERS = 6  # best of 1 to 14 on held-out drawings: 0.67 of 11 styles recognised, 0.20 from the last layer


class Judge:
    """A `VisionTextDualEncoderModel` as two functions to unit features; load it with `Judge.load`."""

    masks_padding = True

    def __init__(
        self,
        model: "VisionTextDualEncoderModel",
        tokenizer: "PreTrainedTokenizerBase",
        device: torch.device | str = "cpu",
    ):
        self.model = model.to(device).eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.device = torch.device(device)
        self.size: int = model.config.vision_config.image_size

    @classmethod
    def load(cls, folder: str | Path, device: torch.device | str = "cpu") -> "Judge":
        """Read weights (any precision; used in float32) and tokenizer. Raises `UserError` if the folder has none."""
        from transformers import BertTokenizer, VisionTextDualEncoderModel

        from pai_modelscope.library_logs import quiet

        folder = Path(folder)
        missing = [
            name for name in ("config.json", "model.safetensors", "tokenizer.json") if not (folder / name).is_file()
        ]
        if missing:
            raise UserError(
                f"{folder} is no judge: it lacks {', '.join(missing)}. Give the folder of a VisionTextDualEncoderModel."
            )
        # The towers are of the classes that the configuration names, which may not be the folder's own code.
        if wrong := config_problem(read_json(folder / "config.json"), limits.PART_TENSORS):
            raise UserError(f"{folder / 'config.json'} {wrong}: download or copy it again.")
        try:
            with quiet():
                # transformers keeps the precision of a file, in which CPUs compute slowly, less exactly, or not at all.
                model = VisionTextDualEncoderModel.from_pretrained(folder, dtype=torch.float32)
                tokenizer = BertTokenizer.from_pretrained(folder)
        except Exception as error:  # whatever a damaged configuration, vocabulary or tensor sets off in there
            raise UserError(f"{folder} can't be loaded as a judge ({reason(error)}). Copy it again.") from error
        return cls(model, tokenizer, device)

    @torch.inference_mode()
    def images(self, images: Sequence[Image.Image] | torch.Tensor, batch: int = 256) -> torch.Tensor:
        """Unit features (n, D) on the CPU of PIL pictures of any size, or of a tensor (n, 3, H, W) in [0, 1]."""
        pooled = (self.model.vision_model(pixel_values=pixels).pooler_output for pixels in self._pixels(images, batch))
        return _unit([self.model.visual_projection(part) for part in pooled], self.model.config.projection_dim)

    @torch.inference_mode()
    def styles(self, images: Sequence[Image.Image] | torch.Tensor, batch: int = 256) -> torch.Tensor:
        """How pictures are drawn, not what they show: (n, W), mean and deviation of the early layers' channels.

        Style lives in channel statistics (Huang & Belongie 2017, arXiv:1703.06868); the last layer has forgotten it.
        """
        features = []
        for pixels in self._pixels(images, batch):
            states = self.model.vision_model(pixel_values=pixels, output_hidden_states=True).hidden_states
            maps = states[:STYLE_LAYERS]
            features.append(torch.cat([torch.cat([m.mean((2, 3)), m.std((2, 3))], 1) for m in maps], 1).float().cpu())
        return torch.cat(features)

    def _pixels(self, images: Sequence[Image.Image] | torch.Tensor, batch: int) -> Iterator[torch.Tensor]:
        for start in range(0, len(images), batch):
            yield judge_pixels(images[start : start + batch], self.size, self.device)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str], batch: int = 1024) -> torch.Tensor:
        """Unit features (n, D) on the CPU; texts are cut at, and padded to, the tokenizer's length."""
        projected = []
        for start in range(0, len(texts), batch):
            ids = judge_ids(self.tokenizer, texts[start : start + batch]).to(self.device)
            mask = (ids != self.tokenizer.pad_token_id).long() if self.masks_padding else None
            states = self.model.text_model(input_ids=ids, attention_mask=mask).pooler_output
            projected.append(self.model.text_projection(states))
        return _unit(projected, self.model.config.projection_dim)


def judge_ids(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> torch.Tensor:
    """Token ids (n, L), L = `tokenizer.model_max_length`."""
    encoded = tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt")
    ids: torch.Tensor = encoded["input_ids"]
    return ids


def judge_pixels(images: Sequence[Image.Image] | torch.Tensor, size: int, device: torch.device | str) -> torch.Tensor:
    """Pixels (n, 3, size, size) in [-1, 1]: squared with the border colour, scaled down with an antialiasing filter."""
    if not isinstance(images, torch.Tensor):
        squares = [square(image) for image in images]
        if len({image.size for image in squares}) > 1:
            return torch.cat([judge_pixels([image], size, device) for image in squares])
        images = torch.stack([to_bytes(image) for image in squares]).to(device).float() / 255
    return _resize(images.to(device).float(), size) * 2 - 1


def square(image: Image.Image) -> Image.Image:
    """Put a picture on a square ground of its own border colour, neither cut nor stretched."""
    image = image.convert("RGB")
    if image.width == image.height:
        return image
    side = max(image.size)
    red, green, blue = (round(c) for c in border_colour(image))
    ground = Image.new("RGB", (side, side), (red, green, blue))
    ground.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return ground


def to_bytes(image: Image.Image) -> torch.Tensor:
    """An RGB picture as uint8 (3, H, W)."""
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def _resize(pixels: torch.Tensor, size: int) -> torch.Tensor:
    if pixels.shape[-2:] == (size, size):
        return pixels
    return torch.nn.functional.interpolate(
        pixels, size=(size, size), mode="bilinear", antialias=True, align_corners=False
    )


def _unit(parts: list[torch.Tensor], width: int) -> torch.Tensor:
    if not parts:
        return torch.zeros(0, width)
    return torch.nn.functional.normalize(torch.cat(parts).float(), dim=-1).cpu()
