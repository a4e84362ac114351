"""The shipped model's own Chinese CLIP: the text tower of a pipeline's folder, and the image tower that follows it."""

from pathlib import Path

import torch

from pai_modelscope.errors import UserError
from pai_modelscope.evaluation.judge import Judge
from pai_modelscope.tensor_files import read_part

IMAGE_TOWER = Path(__file__).parent.parent / "assets" / "chinese-clip-mini"


class ChineseClip(Judge):
    """Image-text similarity by the model's own text tower: a score, not a judgement."""

    masks_padding = False  # the text tower was trained, and is used in pipelines, without a mask

    @classmethod
    def load(cls, folder: str | Path | None = None, device: torch.device | str = "cpu") -> "ChineseClip":
        """Join the text tower of the pipeline `folder` (the shipped model's) with the image tower that ships.

        Raises `UserError` if the folder holds another text tower than the one that the image tower was trained with.
        """
        from safetensors.torch import load_file
        from transformers import BertTokenizer, VisionTextDualEncoderConfig, VisionTextDualEncoderModel

        from pai_modelscope.zoo import model_dir

        folder = Path(folder or model_dir("pai-diffusion-mini-zh"))
        model = VisionTextDualEncoderModel(VisionTextDualEncoderConfig.from_pretrained(IMAGE_TOWER))
        text = {
            f"text_model.{name.removeprefix('text_model.')}": value
            for name, value in read_part(folder / "text_encoder").items()
        }
        try:
            model.load_state_dict({**load_file(IMAGE_TOWER / "model.safetensors"), **text})
        except RuntimeError as error:
            raise UserError(
                f"the text tower of {folder} does not fit the shipped image tower; use pai-diffusion-mini-zh, or a "
                "model that was fine-tuned from it without training its text tower"
            ) from error
        return cls(model.float(), BertTokenizer.from_pretrained(folder / "tokenizer"), device)
