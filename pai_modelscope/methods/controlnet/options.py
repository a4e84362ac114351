"""Options of training a ControlNet."""

from dataclasses import dataclass

from pai_modelscope.config.option import option, short_repr
from pai_modelscope.errors import Fault
from pai_modelscope.methods.denoising_options import DenoisingOptions
from pai_modelscope.methods.lora.options import MOST_RANK
from pai_modelscope.methods.spec import RunOptions


@dataclass
class ControlNetOptions(DenoisingOptions):
    """A copy of the encoder learns to follow a picture."""

    annotator: str | None = option(
        None, help="'canny', 'lineart', ...: read from the pictures themselves what is to be followed"
    )
    controlnet_model_name_or_path: str | None = option(None, help="one to train on; None: a copy of the UNet's encoder")
    rank: int | None = option(
        None,
        help="keep the copy as it is and learn matrices of that rank; None: all of it learns",
        minimum=1,
        maximum=MOST_RANK,
    )

    def faults(self, run: RunOptions) -> list[Fault]:
        from pai_modelscope.images.annotators import ANNOTATORS  # imports OpenCV

        faults = super().faults(run)
        if self.annotator is not None and self.annotator not in ANNOTATORS:
            valid = ", ".join(ANNOTATORS)
            faults.append(Fault("annotator", f"annotator is {short_repr(self.annotator)}; valid are {valid}", valid))
        return faults

    def validation_faults(self, run: RunOptions) -> list[Fault]:
        prompts, images = run.validation.validation_prompts or [], run.validation.validation_images or []
        if len(images) <= len(prompts) and (images or not prompts):
            return []
        message = (
            f"there are {len(prompts)} validation_prompts and {len(images)} validation_images: give a prompt for each "
            "image, or leave both out"
        )
        return [Fault("validation_images", message)]

    def result_names(self, run_name: str) -> tuple[str, ...]:
        return ("controlnet",)
