"""Pictures that show how far a training run has come."""

from dataclasses import dataclass

from pai_modelscope.config.option import option


@dataclass
class ValidationOptions:
    """Pictures drawn while it trains."""

    validation_prompts: list[str] | None = option(
        None, help="a picture of each, before, every validation_steps, and at the end"
    )
    validation_images: list[str] | None = option(None, help="for a ControlNet: the picture to follow, one a prompt")
    validation_inference_steps: int = option(20, help="denoising steps of such a picture", minimum=1, maximum=1000)
