"""Texts in, pictures out: requests are batched, drawn by diffusers' pipeline and labelled, to be made again.

Pictures are denoised one by one on a CPU, where a batch is hardly faster, and eight at a time on a GPU. Rounding
differs between batch sizes, so a picture that was drawn in a batch says which row of how many it was; drawing it with
that `batch_size` and `batch_pos` fills the other rows with copies and gives the same bits.
"""

import os
import warnings
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from diffusers import LCMScheduler
from PIL import Image

from pai_modelscope.adapters.result_manifest import Tuned, lineage, read_tuned
from pai_modelscope.checkpoints.load import display_name, pick_device, pick_dtype
from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError
from pai_modelscope.families import NetworkControl
from pai_modelscope.images.aigc_label import labelling
from pai_modelscope.images.picture_text import write_picture
from pai_modelscope.images.scroll import scroll as mount
from pai_modelscope.images.upscalers.registry import UPSCALERS
from pai_modelscope.prompting.learned_words import LearnedWords, read_learned_words
from pai_modelscope.prompting.poem import PhraseVectors, PoemReading
from pai_modelscope.sampling.adapter_session import Adapters, AdapterSession, Vocabulary, remembered_loras
from pai_modelscope.sampling.conditioning import CallTexts
from pai_modelscope.sampling.denoiser import Denoiser, Guidance
from pai_modelscope.sampling.heat_map import HeatMap, draw_heat_map
from pai_modelscope.sampling.loaded_model import LoadedModel
from pai_modelscope.sampling.memory import MemoryNeeds
from pai_modelscope.sampling.metadata import describe
from pai_modelscope.sampling.pipeline_selection import open_pipeline, pipeline_inputs
from pai_modelscope.sampling.preview import Preview
from pai_modelscope.sampling.progress import Callback, Progress
from pai_modelscope.sampling.prompt_check import PromptCheck, WordFinder, check_prompt
from pai_modelscope.sampling.request import ModelLimits, ResolvedRequest, Text, read_call, resolve
from pai_modelscope.sampling.safety import SafetyCheck, build_safety
from pai_modelscope.sampling.schedulers import build_scheduler, own_name
from pai_modelscope.sampling.settings import check_types, own_settings
from pai_modelscope.sampling.upscale import enlarged, passes
from pai_modelscope.zoo import model_dir

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline, ModelMixin
    from transformers import PreTrainedTokenizerBase

_GPU_BATCH = 8


@dataclass
class Picture:
    """`seed` and `infotext` make it again; `flagged`: the safety check objected; `index`: its place in the call.

    `reading`: what was seen in the poem that the prompt comes from; `added`: the words that beautified the prompt;
    `scroll`: the picture mounted, where that was asked for.
    """

    image: Image.Image
    seed: int
    infotext: str
    prompt: str
    flagged: bool = False
    index: int = 0
    reading: PoemReading | None = None
    added: tuple[str, ...] = ()
    scroll: Image.Image | None = None

    def save(
        self, path: str | os.PathLike[str], *, aigc_label: str | None = None, aigc_producer: str | None = None
    ) -> None:
        """Write a PNG, JPEG or WebP, by what the name ends with, that holds the parameters and the label of generated
        content; `image` itself has neither.

        `aigc_label`: 'metadata' (the default), 'visible', 'both' or 'off'; `aigc_producer`: who generates. Raises
        `UserError` for another value, and where the file can't be written.
        """
        write_picture(self.image, path, self.infotext, labelling(aigc_label, aigc_producer))


class Sampler:
    """`Sampler.from_pretrained(model)('熊猫', seed=0)[0].image`"""

    def __init__(
        self,
        pipe: "DiffusionPipeline | LoadedModel",
        *,
        name: str = "",
        recommended: Mapping[str, object] | None = None,
        safety: SafetyCheck | None = None,
        base: str = "",
        learned: LearnedWords | None = None,
    ):
        """`pipe`: a text-to-image pipeline, or a LoadedModel that other samplers draw with, too; `recommended`: what
        the model's folder sets of the options; `name`: what its pictures call the model; `base`: what the zoo calls the
        model that it was trained from; `learned`: the words that it is known to know."""
        check_types(name, base, recommended, safety)
        self.model = pipe if isinstance(pipe, LoadedModel) else LoadedModel(pipe)
        self.pipe = self.model.pipe
        self.name, self.base = name, base or name
        self.safety = safety
        self.learned = learned
        self.recommended: dict[str, object] = dict(recommended or {})
        self._own = self.pipe.scheduler
        # Those that were added here, then those of the model, which other samplers share.
        self._controlnets: ChainMap[str, ModelMixin] = ChainMap({}, self.model.controlnets)
        self._own_controlnets: dict[str, str] = {}
        self._adapters = Adapters(self.model)
        self._word_finder: WordFinder | None = None
        self._preview = Preview(self.pipe, self.model.family)

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str],
        *,
        device: str | torch.device | None = None,
        torch_dtype: str | torch.dtype | None = None,
        safety: object = None,
    ) -> "Sampler":
        """Open a folder, a name of the zoo or a hub id. The folder may be a training result: its LoRA, embedding or
        ControlNet comes with the model that it was trained on, the LoRA in use wherever no other is asked for.

        `device`: 'cpu', 'cuda', or None for the fastest there is; `torch_dtype`: None is float32 on a CPU, else
        float16; `safety`: True or {'threshold': 0.8, 'action': 'blur'|'black'|'error'|'flag'}, False for off, None
        for what the folder's configuration.json says under "safety" (off). Raises `UserError` if it can't be opened.
        """
        folder = model_dir(model)
        picked = pick_device(device)
        if tuned := read_tuned(folder):
            folder = model_dir(tuned.base_model)
        own_safety, recommended = own_settings(folder)
        check = build_safety(own_safety if safety is None else safety)
        opened = LoadedModel.open(folder, picked, pick_dtype(torch_dtype, picked))
        base = lineage(folder) or ""
        sampler = cls(
            opened,
            name=display_name(folder),
            recommended=recommended,
            safety=check,
            base=base,
            learned=read_learned_words(folder),
        )
        if tuned:
            sampler._adopt(tuned)
        return sampler

    def _adopt(self, tuned: Tuned) -> None:
        """What lies in the folder of a training result."""
        for file in tuned.loras:
            self.add_lora(file)
        if tuned.loras:
            self.recommended["loras"] = tuned.loras
        for file in tuned.embeddings:
            self.add_embedding(file)
        self._own_controlnets |= tuned.controlnets

    def __call__(
        self, texts: Text | Sequence[Text] = "", *, callback: Callback | None = None, **options: object
    ) -> list[Picture]:
        """Pictures for a text, a {'text': ..., options of its own}, or a list of either, in order; with `poem`, the
        text may be missing.

        `options`: fields of `GenerationOptions`, and `generator` (a torch.Generator, or one a picture) in place of
        `seed`. `callback(step, total, latents, previews)`, or with fewer parameters, after every step: `step` counts
        the steps of all pictures of the call; `previews()` gives a small picture of each that is being drawn, as it
        will look. Raises one `UserError` naming every value that can't work.
        """
        return sorted(self.stream(texts, callback=callback, **options), key=lambda picture: picture.index)

    def add_lora(self, source: str | os.PathLike[str], name: str | None = None) -> str:
        """Load a LoRA (a file, a folder, a name of the zoo, a hub id) for the option `loras` and for prompts that say
        `<lora:name:0.8>`; gives its name. Raises `UserError` for one that doesn't fit; the model is then as before."""
        return self._adapters.add_lora(source, name)

    def add_embedding(self, source: str | os.PathLike[str], token: str | None = None) -> str:
        """Have texts know an embedding's word; gives the word. Raises `UserError` for one of another width."""
        return self._adapters.add_embedding(source, token)

    @property
    def tokenizer(self) -> "PreTrainedTokenizerBase":
        """The model's tokenizer; with words that were added, a copy that knows them."""
        return self._adapters.vocabulary().tokenizer

    def add_controlnet(self, net: "ModelMixin", kind: str) -> None:
        """Have `control={kind: picture}` follow `net`, a ControlNetModel that was made or trained in this process."""
        if not isinstance(kind, str) or not callable(getattr(net, "forward", None)):
            raise UserError(
                f"add_controlnet takes a ControlNetModel and a name, not {short_repr(net)} and {short_repr(kind)}"
            )
        self._controlnets[kind] = net
        self._own_controlnets[kind] = kind

    def stream(
        self, texts: Text | Sequence[Text] = "", *, callback: Callback | None = None, **options: object
    ) -> Iterator[Picture]:
        """As the call, but each picture as soon as it is finished; `Picture.index` tells its place.

        Values are checked before it returns. Pictures that can share a batch are drawn together, so with several
        kinds of pictures and a batch size above one they may come out of order.
        """
        if callback is not None and not callable(callback):
            raise UserError(f"callback is {short_repr(callback)}; give a function of step and total")
        call = read_call(texts, options)
        requests = resolve(call, self.limits)
        # What can't be loaded is said before anything is drawn.
        requests = [replace(request, loras=self._adapters.open(request.loras)) for request in requests]
        uses = [use for request in requests for use in request.loras]
        vocabulary = self._adapters.vocabulary([file for request in requests for file in request.embeddings], uses)
        for name in dict.fromkeys(control.model for request in requests for control in request.controls):
            self._controlnets[name]
        call_texts = CallTexts(self.model, vocabulary)
        call_texts.check([request for request in requests if request.first or request.added])
        batches = self._batches(requests, call_texts)
        return self._run(batches, call_texts, callback)

    @property
    def limits(self) -> ModelLimits:
        """The limits and defaults of this model, by which `resolve` reads requests."""
        facts = self.model.facts
        return ModelLimits(
            height=facts.height,
            width=facts.width,
            text_layers=facts.text_layers,
            scheduler=own_name(self._own),
            lcm=isinstance(self._own, LCMScheduler)
            or self.recommended.get("scheduler") == "LCM"
            or facts.embeds_guidance,
            recommended=self.recommended,
            name=self.name,
            base=self.base,
            controlnets=self._own_controlnets,
            loras=self._adapters.sources,
            words=self._adapters.words,
            timesteps=self._own.config.num_train_timesteps,
            inpaints_only=facts.inpaints_only,
            tasks=facts.tasks,
            controls=facts.controls,
            learned=self.learned,
            phrase_vectors=self.phrase_vectors,
            memory=MemoryNeeds.of(self.pipe, self.model.family),
        )

    @property
    def phrase_vectors(self) -> PhraseVectors | None:
        """Vectors (n, D) of n phrases by the model's text tower; None where it can't say how near phrases are."""
        return self._phrase_vectors if self.model.facts.compares_phrases else None

    def _phrase_vectors(self, phrases: Sequence[str]) -> np.ndarray:
        with self.model.active({}):  # without the LoRAs of whoever draws meanwhile
            vectors = self.model.family.phrase_vectors(self.pipe, self.pipe.tokenizer, phrases)
        return vectors.numpy()

    def check_prompt(self, prompt: str) -> PromptCheck:
        """What the model makes of a prompt before anything is drawn: characters and words that it does not know, with
        the nearest that it does; words that show nothing; where a long prompt is cut into chunks.

        Raises:
            UserError: a prompt that can't be drawn, such as one with a weight that is no number.
        """
        if self._word_finder is None:
            self._word_finder = WordFinder(self.learned, self.phrase_vectors)
        return check_prompt(prompt, self.model.family, self.tokenizer, self._word_finder)

    def heat_map(self, prompt: str, words: Sequence[str] | None = None, **options: object) -> HeatMap:
        """Draw one picture, and tell of each word where in it the network attended to it.

        `words`: stretches of the prompt, None for those that `check_prompt` finds, of which a warning names the ones
        that stand in no token; `options`: as for the call. The picture has the same bits as without.

        Raises `UserError` for a prompt that changes over the steps or joins texts by AND, for a word that is not in
        it, and for models that don't attend to words in layers of their own.
        """
        return draw_heat_map(self, prompt, words, options)

    def _batches(self, requests: list[ResolvedRequest], texts: CallTexts) -> list[list[ResolvedRequest]]:
        """Requests share a batch that need as many chunks and rows, and differ in texts, seeds and control pictures
        only."""
        groups: dict[tuple[object, ...], list[ResolvedRequest]] = {}
        usual = 1 if self.pipe.device.type == "cpu" else _GPU_BATCH
        for request in requests:
            size = _size(request, usual)
            shape = texts.shape(request) if size > 1 else ()
            groups.setdefault((shape, *batch_key(request)), []).append(request)
        batches = []
        for group in groups.values():
            size = _size(group[0], usual)
            batches += [group[i : i + size] for i in range(0, len(group), size)]
        return sorted(batches, key=lambda batch: batch[0].index)

    def _run(
        self, batches: list[list[ResolvedRequest]], texts: CallTexts, callback: Callback | None
    ) -> Iterator[Picture]:
        counts = (passes(batch[0].upscale, len(batch)) * batch[0].num_inference_steps for batch in batches)
        progress, flagged = Progress(callback, sum(counts)), 0
        try:
            for batch in batches:
                for picture in self._draw(batch, texts, progress):
                    flagged += picture.flagged
                    yield picture
        finally:
            if flagged:
                warnings.warn(f"The safety check objected to {flagged} of the pictures.", stacklevel=2)

    def _draw(self, batch: list[ResolvedRequest], texts: CallTexts, progress: Progress) -> Iterator[Picture]:
        copies, position = batch[0].batch_size or 1, batch[0].batch_pos
        rows = batch if position is None else batch * copies
        first = position or 0
        images = self._denoise(rows, texts, progress)[first : first + len(batch)]
        for row, (request, image) in enumerate(zip(batch, images, strict=True), first):
            flagged, image = False, self._upscale(request, image, texts, progress)
            if self.safety:
                image, flagged = self.safety(image)
            text = self._infotext(request, texts.vocabulary, len(rows), row)
            mounted = mount(image, request.scroll) if request.scroll else None
            made = (request.reading, request.added, mounted)
            yield Picture(image, request.seed, text, request.prompt, flagged, request.index, *made)

    def _upscale(
        self, request: ResolvedRequest, image: Image.Image, texts: CallTexts, progress: Progress
    ) -> Image.Image:
        """One at a time, whatever the batch: a picture has four or sixteen times the pixels then."""
        if request.upscale is None:
            return image
        if not request.upscale.draws_over:
            return UPSCALERS[request.upscale.upscaler].enlarge(image, request.upscale.factor, self.pipe.device)
        start = enlarged(image, request.upscale)
        width, height = start.image.image.size
        second = replace(request, init_image=start, width=width, height=height)
        return self._denoise([second], texts, progress, 1)[0]

    @torch.no_grad()
    def _denoise(
        self, rows: list[ResolvedRequest], texts: CallTexts, progress: Progress, number: int = 0
    ) -> list[Image.Image]:
        """One pass over the pictures of a batch; `number`: which, from 0."""
        request = rows[0]
        with AdapterSession(self._adapters, request.loras):
            scheduler = build_scheduler(request.scheduler, self._own)
            prepared = pipeline_inputs(rows)
            pipe = open_pipeline(self.model, request, scheduler)
            conditionings = texts.condition(rows, number)
            controls = []
            for control, pictures in zip(request.controls, prepared.control_pictures, strict=True):
                network = self._controlnets[control.model]
                pictures = pictures.to(network.device, network.dtype)  # here, not again in every step
                controls.append(NetworkControl(network, pictures, control.scale, control.start, control.end))
            guidance = Guidance(request.guidance_scale, request.guidance_rescale)
            denoiser = Denoiser(self.model, conditionings, guidance, controls, steps=request.passes[number].steps)
            denoiser.stand_in(pipe)
            try:
                images = pipe(
                    **self.model.family.prompt_arguments(denoiser.first_states()),
                    num_inference_steps=request.num_inference_steps,
                    guidance_scale=request.guidance_scale if denoiser.embeds_guidance else 1.0,
                    # Noise is drawn on the CPU: the same seed then means the same picture on every device.
                    generator=[torch.Generator("cpu").manual_seed(row.seed) for row in rows],
                    output_type="np",
                    callback_on_step_end=progress.begin(
                        request.num_inference_steps, lambda: self._preview(denoiser.foreseen(scheduler))
                    ),
                    **prepared.inputs,
                ).images
            except (torch.OutOfMemoryError, RuntimeError) as error:
                raise _out_of_memory(error, len(rows), request) from error
        if not np.isfinite(images).all():
            raise _no_picture(self.pipe.dtype, request)
        return [prepared.finish(picture) for picture in self.pipe.numpy_to_pil(images)]

    def _infotext(self, request: ResolvedRequest, vocabulary: Vocabulary, size: int, row: int) -> str:
        dtype = self.pipe.dtype
        values = {
            "Model": self.name or None,
            "Embeddings": vocabulary.remembered(request.plain_prompt, request.negative_prompt),
            "Lora files": remembered_loras(request.loras),
            "Batch size": size if size > 1 else None,
            "Batch pos": row if size > 1 else None,
            "Precision": None if dtype == pick_dtype(None, self.pipe.device) else str(dtype).removeprefix("torch."),
        }
        return describe(request, self.recommended, values)


_OF_ONE_PICTURE = {"index", "prompt", "plain_prompt", "negative_prompt", "passes", "seed", "first", "controls"} | {
    "poem",
    "reading",
    "added",
    "scroll",
}
_OF_A_BATCH = [name for name in ResolvedRequest.__dataclass_fields__ if name not in _OF_ONE_PICTURE]


def batch_key(request: ResolvedRequest) -> tuple[object, ...]:
    """What pictures of one batch have in common, beside the number of chunks of their texts."""
    return *(getattr(request, name) for name in _OF_A_BATCH), tuple(control.use for control in request.controls)


def _size(request: ResolvedRequest, usual: int) -> int:
    """How many pictures like this one are denoised at once."""
    return 1 if request.batch_pos is not None else request.batch_size or usual


def _out_of_memory(error: Exception, rows: int, request: ResolvedRequest) -> Exception:
    """What to raise for an error of the drawing itself."""
    if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
        return UserError(
            f"Not enough memory for {rows} pictures of {request.width}x{request.height} at once: choose a smaller size "
            "or batch_size=1."
        )
    return error


def _no_picture(dtype: torch.dtype, request: ResolvedRequest) -> UserError:
    """What to raise for numbers that are infinite or none."""
    half = dtype != torch.float32
    weights = f"overflow in {str(dtype).removeprefix('torch.')}: try float32" if half else "are damaged: get them again"
    causes = [f"the model's weights {weights}"]
    if names := ", ".join(use.name for use in request.loras):
        causes.insert(0, f"a LoRA ({names}) is damaged or too strong: leave it out, or lower its weight")
    return UserError(f"What was drawn is no picture, but numbers that are not finite: {'; or '.join(causes)}.")
