"""ModelScope's pipelines for pictures made from pictures: image to image, inpainting, ControlNet."""

from typing import Any, ClassVar

from modelscope.outputs import OutputKeys
from modelscope.pipelines.builder import PIPELINES
from modelscope.utils.ast_utils import INDEX_KEY, MODULE_KEY
from modelscope.utils.constant import Tasks
from modelscope.utils.import_utils import LazyImportModule

from pai_modelscope.errors import UserError
from pai_modelscope.pipelines.text_to_image import PaiDiffusionPipeline, Text
from pai_modelscope.zoo.folders import PIPELINE_TYPE

# What ModelScope's own pipelines of these tasks call things.
_SYNONYMS = {"img": "image", "prompt": "text", "mask_image": "mask"}


class _Editing(PaiDiffusionPipeline):
    needs: ClassVar[tuple[str, ...]]
    without_text: ClassVar[str | None] = None  # what is drawn where no text is given; None: it must be given

    def request(self, text: Text, options: dict[str, Any]) -> dict[str, Any]:
        renamed = _renamed(super().request(text, options))
        if renamed.get("text") is None and self.without_text is not None:
            renamed["text"] = self.without_text
        for name in self.needs:
            if renamed.get(name) is None and options.get(name) is None:
                raise UserError(
                    f"the input lacks {name!r}: give {{'text': ..., {', '.join(f'{n!r}: ...' for n in self.needs)}}}"
                )
        return renamed

    def __call__(self, input: Any, **options: Any) -> Any:
        """As `PaiDiffusionPipeline`, with `img` or `image` (and `mask`) in the dict or among the options: a path, a PIL
        picture, a BGR array, bytes or a data URL. `text` or `prompt` may stand among the options, too. The result has
        the first picture as `output_img` and `output`.
        """
        options = _renamed(options)
        text = options.pop("text", None)
        if text is not None:
            input = [_with_text(item, text) for item in input] if isinstance(input, list) else _with_text(input, text)
        output = super().__call__(input, **options)  # a dict, a list of them, or an iterator
        for result in [output] if isinstance(output, dict) else output if isinstance(output, list) else []:
            result[OutputKeys.OUTPUT_IMG] = result[OutputKeys.OUTPUT] = result[OutputKeys.OUTPUT_IMGS][0]
        return output


def _renamed(values: dict[str, Any]) -> dict[str, Any]:
    """What was given, by our names. Raises `UserError` for two names of one thing."""
    renamed: dict[str, Any] = {}
    for name, value in values.items():
        ours = _SYNONYMS.get(name, name)
        if ours in renamed:
            raise UserError(f"{name!r} is given beside another name of {ours!r}: give it once")
        renamed[ours] = value
    return renamed


def _with_text(item: Any, text: Any) -> Any:
    """The input with a text that was given beside it, where it has none of its own."""
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

    def __init__(self, model: str, *args: Any, controlnet: str | None = None, kind: str = "canny", **options: Any):
        """`controlnet`: a folder, a name of the zoo or a hub id; None: the zoo's for this model. `kind`: what it reads,
        one of `pai_modelscope.images.annotators.ANNOTATORS`."""
        super().__init__(model, *args, **options)
        self.kind, self.controlnet = kind, controlnet

    def request(self, text: Text, options: dict[str, Any]) -> dict[str, Any]:
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
