"""Options of LoRA."""

from dataclasses import dataclass

from pai_modelscope.config.option import option
from pai_modelscope.methods.denoising_options import DenoisingOptions

MOST_RANK = 4096  # few layers have more rows or columns
TARGETS = ("attention", "all-linear", "conv")


@dataclass
class LoraOptions(DenoisingOptions):
    """Small matrices beside chosen layers learn."""

    rank: int = option(16, help="of the matrices", minimum=1, maximum=MOST_RANK)
    alpha: float | None = option(None, help="what is learned counts alpha / rank times; None: once", above=0)
    targets: str = option("attention", help="'attention' | 'all-linear' | 'conv'", choices=TARGETS)
    use_dora: bool = option(False, help="length and direction apart: slower, often better at low ranks")
    text_rank: int = option(0, help="in the text encoder; 0: it stays as it is", minimum=0, maximum=MOST_RANK)
    legacy: bool = option(False, help="write the file of 2023's attention processors too")

    @property
    def text_encoder_learns(self) -> bool:
        return self.text_rank > 0

    def result_names(self, run_name: str) -> tuple[str, ...]:
        return ("pytorch_lora_weights.safetensors", f"{run_name}.safetensors")
