"""ModelScope's text-to-image pipeline for models of our family."""

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from modelscope.msdatasets import MsDataset
from modelscope.outputs import OutputKeys
from modelscope.pipelines.base import Pipeline
from modelscope.pipelines.builder import PIPELINES
from modelscope.utils.ast_utils import INDEX_KEY, MODULE_KEY
from modelscope.utils.constant import Tasks
from modelscope.utils.import_utils import LazyImportModule

from pai_modelscope.config import GenerationOptions
from pai_modelscope.errors import UserError
from pai_modelscope.zoo import model_dir
from pai_modelscope.zoo.folders import PIPELINE_TYPE

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from pai_modelscope.sampling import Picture

Text = str | dict[str, object]
Result = dict[str, object]
Output = Result | list[Result] | Iterator["Output"]  # of a text, of a list of texts, of an MsDataset
_FROM_MODELSCOPE = {"preprocessor", "trust_remote_code"}  # handed to every pipeline; ours has no use for them


# `force`, because a reload registers the name again.
@PIPELINES.register_module(Tasks.text_to_image_synthesis, module_name=PIPELINE_TYPE, force=True)
class PaiDiffusionPipeline(Pipeline):
    """Chinese text to pictures, by `pai_modelscope.sampling.Sampler`.

    ```python
    pipe = pipeline('text-to-image-synthesis', FOLDER)
    result = pipe({'text': '雾蒙蒙的日出在湖面上'}, seed=0)
    cv2.imwrite('image.png', result['output_imgs'][0])
    ```
    """

    def __init__(
        self,
        model: str,
        device: str = "gpu",
        *,
        torch_dtype: "str | torch.dtype | None" = None,
        safety: object = None,
        model_revision: str | None = None,
        revision: str | None = None,
        **others: object,
    ) -> None:
        """Load a model: a folder, a name of the zoo, or an id on either hub.

        device: 'gpu' takes a GPU when there is one; 'cpu', 'gpu:1' and 'cuda:1' are obeyed.
        torch_dtype, safety: as `Sampler.from_pretrained`.
        model_revision: for an id. ModelScope's `pipeline()` keeps that keyword to itself when `pipeline_name` is
        given; `revision` means the same and comes through.

        Raises UserError for an unknown keyword, and for a model that is not found or does not open.
        """
        # Pipeline.__init__ would look for ModelScope's own model and preprocessor classes in the folder.
        from pai_modelscope.sampling import Sampler

        if not isinstance(device, str):
            raise UserError(f"device is {device!r}; give 'gpu', 'cpu' or such as 'cuda:1'")
        if unknown := sorted(others.keys() - _FROM_MODELSCOPE):
            valid = "model, device, torch_dtype, safety, model_revision, revision"
            raise UserError(f"unknown option {', '.join(unknown)}; valid are {valid}")
        folder = model_dir(model, revision=model_revision or revision)
        self.model = str(folder)
        self.models = [self.model]
        self.has_multiple_models = False
        self.preprocessor = None
        self.framework = None  # the sampler keeps devices and gradients in order itself
        self.device_name = device
        self.sampler = Sampler.from_pretrained(
            folder, device=_torch_device(device), torch_dtype=torch_dtype, safety=safety
        )

    def __call__(self, input: Text | list[Text] | MsDataset, **options: object) -> Output:
        """Draw pictures for a text, a {'text': ...}, or a list of either.

        options: every field of `GenerationOptions`, a `callback` and a `generator`; the same names in a dict stand
        for that text alone. Unknown names are a UserError that lists the valid ones.

        Returns {'output_imgs': [...], 'seeds': [...], 'infotext': [...], 'flagged': [...]}, each with one item a
        picture: BGR uint8 arrays of (height, width, 3), or PIL pictures for `output_type='pil'`; the seed that draws
        it again; its parameters in A1111's form; whether the safety check objected to it; with `scroll` also
        'scrolls'. 'output' is what ModelScope's contract of the task asks for, here 'output_imgs' again. For a list,
        one such dict a text, in order: as every ModelScope pipeline does. An MsDataset gives a generator of them.
        """
        if isinstance(input, MsDataset):
            return (self(text, **options) for text in input)
        requests = [self.request(item, options) for item in _as_list(input)]
        if isinstance(input, dict) and "callback" in input:  # where ModelScope's own pipelines take it
            options["callback"] = requests[0].pop("callback")
        pictures = iter(self.sampler(requests, **options))  # type: ignore[arg-type]  # it checks the callback
        results = []
        for request in requests:
            layers = (request, options, self.sampler.recommended)
            count, kind = (_option(name, *layers) for name in ("num_images_per_prompt", "output_type"))
            results.append(_result(list(itertools.islice(pictures, count)), kind))
        return results if isinstance(input, list) else results[0]

    def request(self, text: Text, options: Mapping[str, object]) -> dict[str, object]:
        """Make of one input what the sampler takes."""
        return dict(text) if isinstance(text, dict) else {"text": text}


def _as_list(input: Text | list[Text]) -> list[Text]:
    return input if isinstance(input, list) else [input]


def _torch_device(device: str) -> str | None:
    """ModelScope's name for a device as torch's; None (the best there is) for its default, 'gpu'."""
    return None if device == "gpu" else device.replace("gpu", "cuda", 1)


def _option(name: str, *sources: Mapping[str, object]) -> Any:
    """The option's value in the first of these that sets it, else its default."""
    return next((source[name] for source in sources if source.get(name) is not None), getattr(GenerationOptions, name))


def _result(pictures: "list[Picture]", output_type: str) -> Result:
    images = [picture.image if output_type == "pil" else _bgr(picture.image) for picture in pictures]
    scrolls = [picture.scroll for picture in pictures if picture.scroll is not None]
    mounted = {"scrolls": [scroll if output_type == "pil" else _bgr(scroll) for scroll in scrolls]} if scrolls else {}
    return {
        OutputKeys.OUTPUT_IMGS: images,
        OutputKeys.OUTPUT: images,
        "seeds": [picture.seed for picture in pictures],
        "infotext": [picture.infotext for picture in pictures],
        "flagged": [picture.flagged for picture in pictures],
        **mounted,
    }


def _bgr(image: "Image.Image") -> np.ndarray:
    """A PIL picture as OpenCV wants it: uint8 (height, width, 3), blue first."""
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])


# ModelScope warns at every use of a name that its index of its own sources lacks.
_INDEX = LazyImportModule.get_ast_index()[INDEX_KEY]
_INDEX["PIPELINES", Tasks.text_to_image_synthesis, PIPELINE_TYPE] = {MODULE_KEY: __name__}
