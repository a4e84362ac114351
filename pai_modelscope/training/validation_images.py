"""Validation pictures of diffusion methods: the same prompts and seeds, drawn with the networks as they are."""

import os
from collections.abc import Mapping, Sequence
from itertools import cycle

from PIL import Image

from pai_modelscope.errors import UserError
from pai_modelscope.methods.base import Method
from pai_modelscope.sampling import Sampler
from pai_modelscope.training.validation import CAPTION


class PictureValidation:
    """`train(..., validation=PictureValidation('pai-diffusion-mini-zh', ['戴眼镜的猫']))`"""

    def __init__(
        self,
        model: str | os.PathLike[str] | Sampler,
        prompts: Sequence[str],
        seed: int = 0,
        control: Mapping[str, Sequence[object]] | None = None,
        **options: object,
    ):
        """
        Args:
            model: gives what the method does not have, such as the VAE; of what it has, the method's is used.
            prompts: a picture for each; the first has `seed`, the next one more, and so on.
            control: for a method with a `controlnet`: what it reads, and the pictures for the prompts, repeated if
                there are fewer.
            options: fields of `GenerationOptions`, such as num_inference_steps.
        """
        if not prompts:
            raise UserError("validation pictures need at least one prompt")
        self._base = model if isinstance(model, Sampler) else Sampler.from_pretrained(model, device="cpu", safety=False)
        controls: list[dict[str, object]] = [{} for _ in prompts]
        self._kinds = list(control or {})
        for kind, pictures in (control or {}).items():
            for steering, picture in zip(controls, cycle(pictures), strict=False):
                steering[kind] = picture
        self._texts: list[dict[str, object]] = [
            {"text": prompt, "seed": seed + i} | ({"control": steering} if steering else {})
            for i, (prompt, steering) in enumerate(zip(prompts, controls, strict=True))
        ]
        self._options = options

    def validate(self, method: Method, step: int) -> list[Image.Image]:
        method.eval()
        images = []
        with self._base.model.borrow(method.components(), next(method.parameters()).device) as model:
            sampler = Sampler(model, name=self._base.name, recommended=self._base.recommended, base=self._base.base)
            for kind in self._kinds:
                sampler.add_controlnet(method.control_network(), kind)
            for picture in sampler(self._texts, callback=None, **self._options):
                picture.image.info[CAPTION] = picture.prompt
                images.append(picture.image)
        return images
