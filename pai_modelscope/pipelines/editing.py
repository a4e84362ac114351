"""ModelScope's pipelines for pictures made from pictures: image to image, inpainting, ControlNet."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from modelscope.msdatasets import MsDataset
from modelscope.outputs import OutputKeys
from modelscope.pipelines.builder import PIPELINES
from modelscope.utils.ast_utils import INDEX_KEY, MODULE_KEY
from modelscope.utils.constant import Tasks
from modelscope.utils.import_utils import LazyImportModule

from pai_modelscope.errors import UserError
from pai_modelscope.pipelines.text_to_image import Output, PaiDiffusionPipeline, Text
from pai_modelscope.zoo.folders import PIPELINE_TYPE

if TYPE_CHECKING:
    import torch

# What ModelScope's own pipelines of these tasks call things.
_SYNONYMS = {"img": "image", "prompt": "text", "mask_image": "mask"}


class _Editing(PaiDiffusionPipeline):
    needs: ClassVar[tuple[str, ...]]
    without_text: ClassVar[str | None] = None  # what is drawn where no text is given; None: it must be given

    def request(self, text: Text, options: Mapping[str, object]) -> dict[str, object]:
        renamed = _renamed(super().request(text, options))
        if renamed.get("text") is None and self.without_text is not None:
            renamed["text"] = self.without_text
        for name in self.needs:
            if renamed.get(name) is None and options.get(name) is None:
                raise UserError(
                    f"the input lacks {name!r}: give {{'text': ..., {', '.join(f'{n!r}: ...' for n in self.needs)}}}"
                )
        return renamed

    def __call__(self, input: Text | list[Text] | MsDataset, **options: object) -> Output:
        """As `PaiDiffusionPipeline`, with `img` or `image` (and `mask`) in the dict or among the options: a path, a PIL
        picture, a BGR array, bytes or a data URL. `text` or `prompt` may stand among the options, too. The result has
        the first picture as `output_img` and `output`.
        """
        options = _renamed(options)
        text = options.pop("text", None)
        if text is not None:
            input = [_with_text(item, text) for item in input] if isinstance(input, list) else _with_text(input, text)
        output = super().__call__(input, **options)
        for result in [output] if isinstance(output, dict) else output if isinstance(output, list) else []:
            pictures = result[OutputKeys.OUTPUT_IMGS]
            assert isinstance(pictures, list)
            result[OutputKeys.OUTPUT_IMG] = result[OutputKeys.OUTPUT] = pictures[0]
        return output


def _renamed(values: Mapping[str, object]) -> dict[str, object]:
    """Name options as `GenerationOptions` does. Raises `UserError` for two names of one option."""
    renamed: dict[str, object] = {}
    for name, value in values.items():
        option = _SYNONYMS.get(name, name)
        if option in renamed:
            raise UserError(f"{name!r} is given beside another name of {option!r}: give it once")
        renamed[option] = value
    return renamed


def _with_text(item: Text, text: object) -> Text:
    """Add the text that stands among the options to an input that has none."""
    has_text = isinstance(item, dict) and (item.get("text") is not None or item.get("prompt") is not None)
    return {**item, "text": text} if isinstance(item, dict) and not has_text else item


class PaiDiffusionImg2ImgPipeline(_Editing):
    """A picture drawn over another: `pipe({'text': '狐狸,扁平插画风格', 'image': 'fox.jpg', 'strength': 0.6})`."""

    needs = ("image",)


class PaiDiffusionInpaintPipeline(_Editing):
    """The white part of a mask drawn anew: `pipe({'text': '太阳', 'image': 'sky.png', 'mask': 'mask.png'})`.

    Outside the mask every pixel comes back unchanged. Without a text, as ModelScope's own pipelines of this task take
    it, the model fills the mask by the picture around it.
    """

    needs = ("image", "mask")
    without_text = ""


class PaiDiffusionControlNetPipeline(_Editing):
    """A picture that follows another's edges, depth or pose: `pipe({'text': '狐狸', 'image': 'fox.jpg'})`.

    For several ControlNets, or one with a scale of its own, `control` takes the place of `image`, as in
    `GenerationOptions`; with both, the drawing also starts from `image`.
    """

    needs = ("control",)

    def __init__(
        self,
        model: str,
        device: str = "gpu",
        *,
        controlnet: str | None = None,
        kind: str = "canny",
        torch_dtype: "str | torch.dtype | None" = None,
        safety: object = None,
        model_revision: str | None = None,
        revision: str | None = None,
        **others: object,
    ) -> None:
        """`controlnet`: a folder, a name of the zoo or a hub id; None: the zoo's for this model. `kind`: what it reads,
        one of `pai_modelscope.images.annotators.ANNOTATORS`."""
        super().__init__(
            model,
            device,
            torch_dtype=torch_dtype,
            safety=safety,
            model_revision=model_revision,
            revision=revision,
            **others,
        )
        self.kind, self.controlnet = kind, controlnet

    def request(self, text: Text, options: Mapping[str, object]) -> dict[str, object]:
        renamed = _renamed(text if isinstance(text, dict) else {})
        if renamed.get("control") is None and options.get("control") is None and renamed.get("image") is not None:
            picture = renamed.pop("image")
            renamed["control"] = {self.kind: {"image": picture, "model": self.controlnet}}
        return super().request(renamed if isinstance(text, dict) else text, options)


# Under its own name, and under the type that the folders of this family give for text to image: the same folder then
# serves every task. ModelScope warns at every use of a name that its index of its own sources lacks.
_INDEX = LazyImportModule.get_ast_index()[INDEX_KEY]
for _task, _name, _class in (
    (Tasks.image_to_image_generation, "pai-diffusion-img2img", PaiDiffusionImg2ImgPipeline),
    (Tasks.image_inpainting, "pai-diffusion-inpaint", PaiDiffusionInpaintPipeline),
    (Tasks.controllable_image_generation, "pai-diffusion-controlnet", PaiDiffusionControlNetPipeline),
):
    for _type in (_name, PIPELINE_TYPE):
        PIPELINES.register_module(_task, module_name=_type, module_cls=_class, force=True)
        _INDEX["PIPELINES", _task, _type] = {MODULE_KEY: __name__}
