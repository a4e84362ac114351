"""The options of all methods that teach a network to denoise."""

from dataclasses import dataclass
from typing import TypedDict

from pai_modelscope.config.option import option
from pai_modelscope.errors import Fault
from pai_modelscope.methods.spec import MethodOptions, RunOptions

SAMPLINGS = ("uniform", "logit-normal")


@dataclass
class DenoisingOptions(MethodOptions):
    """What all methods share."""

    caption_dropout: float = option(0.1, help="share of captions left out, for guidance", minimum=0, maximum=1)
    offset_noise: float = option(
        0.0,
        help="noise that is the same all over a channel, such as 0.1: darker and lighter pictures",
        minimum=0,
        maximum=1,
    )
    input_perturbation: float = option(
        0.0, help="more noise than the network must tell, such as 0.1", minimum=0, maximum=1
    )
    snr_gamma: float | None = option(None, help="weigh the loss by Min-SNR, such as 5", above=0)
    timestep_sampling: str = option("uniform", help="'uniform' | 'logit-normal'", choices=SAMPLINGS)
    gradient_checkpointing: bool = option(False, help="less memory, slower steps")
    text_encoder_lr: float | None = option(
        None, help="a learning rate of its own for what trains in the text encoder", above=0
    )
    prediction_type: str | None = option(
        None, help="'epsilon' | 'v_prediction'; None: the model's own", choices=("epsilon", "v_prediction")
    )
    rescale_betas_zero_snr: bool | None = option(
        None, help="let the last timestep be pure noise; None: as the model has it"
    )

    @property
    def text_encoder_learns(self) -> bool:
        """Whether anything in the text encoder learns, for which `text_encoder_lr` could be the rate."""
        return False

    def faults(self, run: RunOptions) -> list[Fault]:
        faults = super().faults(run)
        if self.text_encoder_lr is not None and not self.text_encoder_learns:
            message = (
                "text_encoder_lr is given, but the text encoder does not learn: leave it out, or give "
                "train_text_encoder (full and dreambooth) or text_rank (of a LoRA)"
            )
            faults.append(Fault("text_encoder_lr", message))
        return faults

    def arguments(self) -> "DenoisingArguments":
        """Those that `Denoising` takes as they are."""
        return {
            "caption_dropout": self.caption_dropout,
            "offset_noise": self.offset_noise,
            "input_perturbation": self.input_perturbation,
            "snr_gamma": self.snr_gamma,
            "timestep_sampling": self.timestep_sampling,
            "gradient_checkpointing": self.gradient_checkpointing,
            "text_encoder_lr": self.text_encoder_lr,
        }


class DenoisingArguments(TypedDict, total=False):
    """Keyword arguments of every method's class, see `Denoising`."""

    caption_dropout: float
    offset_noise: float
    input_perturbation: float
    snr_gamma: float | None
    timestep_sampling: str
    timestep_range: tuple[int, int] | None
    logit_mean: float
    logit_std: float
    bands: int
    gradient_checkpointing: bool
    text_encoder_lr: float | None
