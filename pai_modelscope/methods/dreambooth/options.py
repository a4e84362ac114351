"""Options of DreamBooth."""

from dataclasses import dataclass, fields

from pai_modelscope.config.option import option
from pai_modelscope.errors import Fault
from pai_modelscope.methods.denoising_options import DenoisingOptions
from pai_modelscope.methods.full.options import TRAINED
from pai_modelscope.methods.lora.options import MOST_RANK, TARGETS
from pai_modelscope.methods.spec import RunOptions

MOST_IMAGES = 10**6
_OF_A_LORA, _OF_THE_WEIGHTS = ("alpha", "targets", "text_rank"), ("train", "train_text_encoder")


@dataclass
class DreamBoothOptions(DenoisingOptions):
    """A thing of one's own from a few pictures; pictures of its class keep the model from forgetting."""

    instance_prompt: str = option(
        "", help="of pictures that have no caption: a rare word and the class, such as 一只糯糯猫"
    )
    class_prompt: str = option("", help="the class alone, such as 一只猫; empty: no pictures of the class")
    num_class_images: int = option(
        100, help="what is missing is drawn by the model itself before the training", minimum=1, maximum=MOST_IMAGES
    )
    class_data_dir: str | None = option(
        None, help="where they are kept, for other runs too, or your own lie; None: in output_dir"
    )
    prior_loss_weight: float = option(1.0, help="how much a picture of the class counts", minimum=0)
    rank: int = option(0, help="of a LoRA; 0: the weights themselves learn", minimum=0, maximum=MOST_RANK)
    alpha: float | None = option(None, help="what a LoRA learned counts alpha / rank times; None: once", above=0)
    targets: str = option("all-linear", help="of a LoRA: 'attention' | 'all-linear' | 'conv'", choices=TARGETS)
    text_rank: int = option(0, help="of a LoRA in the text encoder", minimum=0, maximum=MOST_RANK)
    train: str = option(
        "all", help="without a LoRA: 'all' of the UNet, or only its 'attention' layers", choices=TRAINED
    )
    train_text_encoder: bool = option(False, help="without a LoRA: the text encoder learns too")

    @property
    def writes_model(self) -> bool:
        return not self.rank

    @property
    def text_encoder_learns(self) -> bool:
        return self.train_text_encoder or self.text_rank > 0

    def faults(self, run: RunOptions) -> list[Fault]:
        faults = super().faults(run)
        if not self.instance_prompt:
            message = "instance_prompt must be given: a rare word and the class, such as 一只糯糯猫"
            faults.append(Fault("instance_prompt", message))
        changed = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
        idle = [name for name in (_OF_THE_WEIGHTS if self.rank else _OF_A_LORA) if name in changed]
        if idle:
            why = "are for training without a LoRA: leave rank out" if self.rank else "are of a LoRA: give its rank"
            instead = " (in a LoRA, the text encoder learns by text_rank)" if self.train_text_encoder else ""
            faults.append(Fault(idle[0], f"{', '.join(idle)} {why}, or leave them out{instead}"))
        if not self.class_prompt and (self.class_data_dir or "with_prior_preservation" in run.without_effect):
            message = "class_prompt must be given, such as 一只猫: pictures of the class are asked for"
            faults.append(Fault("class_prompt", message))
        return faults

    def result_names(self, run_name: str) -> tuple[str, ...]:
        if self.writes_model:
            return super().result_names(run_name)
        return ("pytorch_lora_weights.safetensors", f"{run_name}.safetensors")
