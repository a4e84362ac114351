"""Options of full fine-tuning."""

from dataclasses import dataclass

from pai_modelscope.config.option import option
from pai_modelscope.methods.denoising_options import DenoisingOptions

TRAINED = ("all", "attention")


@dataclass
class FullOptions(DenoisingOptions):
    """Every weight learns."""

    train: str = option("all", help="'all' of the UNet, or only its 'attention' layers", choices=TRAINED)
    train_text_encoder: bool = option(False, help="the text encoder learns too")

    @property
    def writes_model(self) -> bool:
        return True

    @property
    def text_encoder_learns(self) -> bool:
        return self.train_text_encoder
