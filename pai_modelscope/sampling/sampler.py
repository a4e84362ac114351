"""Texts in, pictures out: requests are batched, drawn by diffusers' pipeline and labelled, to be made again.

Pictures are denoised one by one on a CPU, where a batch is hardly faster, and eight at a time on a GPU. Rounding
differs between batch sizes, so a picture that was drawn in a batch says which row of how many it was; drawing it with
that `batch_size` and `batch_pos` fills the other rows with copies and gives the same bits.
"""

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from diffusers import LCMScheduler
from PIL import Image

from pai_modelscope.adapters.result_manifest import Tuned, lineage, read_tuned
from pai_modelscope.checkpoints.load import display_name, load_controlnet, load_pipeline, pick_device, pick_dtype
from pai_modelscope.config.option import shown
from pai_modelscope.errors import UserError
from pai_modelscope.images import realesrgan
from pai_modelscope.sampling.embeddings import Embeddings
from pai_modelscope.sampling.guidance import rescaled_guidance
from pai_modelscope.sampling.loras import Loras
from pai_modelscope.sampling.metadata import describe
from pai_modelscope.sampling.pipeline_selection import no_picture, out_of_memory, task
from pai_modelscope.sampling.progress import Callback, Progress
from pai_modelscope.sampling.prompts import check_prompts
from pai_modelscope.sampling.request import ModelLimits, ResolvedRequest, Text, read_call, resolve
from pai_modelscope.sampling.safety import SafetyCheck, build_safety
from pai_modelscope.sampling.schedulers import SCHEDULERS, on_cpu, own_name
from pai_modelscope.sampling.settings import check_types, own_settings
from pai_modelscope.sampling.upscale import enlarged, passes
from pai_modelscope.text import encode_prompts, expand
from pai_modelscope.text.encode import count_chunks
from pai_modelscope.zoo import model_dir

_GPU_BATCH = 8
States = tuple[torch.Tensor, torch.Tensor]


@dataclass
class Picture:
    """`seed` and `infotext` make it again; `flagged`: the safety check objected; `index`: its place in the call."""

    image: Image.Image
    seed: int
    infotext: str
    prompt: str
    flagged: bool = False
    index: int = 0


class Sampler:
    """`Sampler.from_pretrained(model)('熊猫', seed=0)[0].image`"""

    def __init__(
        self,
        pipe: Any,
        *,
        name: str = "",
        recommended: Mapping[str, Any] | None = None,
        safety: SafetyCheck | None = None,
        base: str = "",
    ):
        """`pipe`: a StableDiffusionPipeline; `recommended`: options that the model's folder sets; `name`: what its
        pictures call the model; `base`: what the zoo calls the model that it was trained from."""
        check_types(pipe, name, base, recommended, safety)
        self.pipe = pipe
        self.name, self.base = name, base or name
        self.safety = safety
        self.recommended = dict(recommended or {})
        self._own = pipe.scheduler
        self._states: dict[tuple[str, str, int | None], States] = {}
        self._controlnets: dict[str, Any] = {}
        self._own_controlnets: dict[str, str] = {}
        self._loras, self._embeddings = Loras(pipe), Embeddings(pipe)

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str],
        *,
        device: str | torch.device | None = None,
        torch_dtype: str | torch.dtype | None = None,
        safety: Any = None,
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
        pipe = load_pipeline(folder, picked, pick_dtype(torch_dtype, picked))
        base = lineage(folder) or ""
        sampler = cls(pipe, name=display_name(folder), recommended=recommended, safety=check, base=base)
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
        self, texts: Text | Sequence[Text], *, callback: Callback | None = None, **options: object
    ) -> list[Picture]:
        """Pictures for a text, a {'text': ..., options of its own}, or a list of either, in order.

        `options`: fields of `GenerationOptions`, and `generator` (a torch.Generator, or one a picture) in place of
        `seed`. `callback(step, total, latents)`, or with two parameters, after every step: `step` counts the
        steps of all pictures of the call. Raises one `UserError` naming every value that can't work.
        """
        return sorted(self.stream(texts, callback=callback, **options), key=lambda picture: picture.index)

    def add_lora(self, source: str | os.PathLike[str], name: str | None = None) -> str:
        """Load a LoRA (a file, a folder, a name of the zoo, a hub id) for the option `loras` and for prompts that say
        `<lora:name:0.8>`; gives its name. Raises `UserError` for one that doesn't fit; the model is then as before."""
        return self._loras.add(source, name)

    def add_embedding(self, source: str | os.PathLike[str], token: str | None = None) -> str:
        """Teach the model an embedding's word; gives the word. Raises `UserError` for one of another width."""
        return self._embeddings.add(source, token)

    def add_controlnet(self, net: Any, kind: str) -> None:
        """Have `control={kind: picture}` follow `net`, a ControlNetModel that was made or trained in this process."""
        if not isinstance(kind, str) or not callable(getattr(net, "forward", None)):
            raise UserError(f"add_controlnet takes a ControlNetModel and a name, not {shown(net)} and {shown(kind)}")
        self._controlnets[kind] = net
        self._own_controlnets[kind] = kind

    def stream(
        self, texts: Text | Sequence[Text], *, callback: Callback | None = None, **options: object
    ) -> Iterator[Picture]:
        """As the call, but each picture as soon as it is finished; `Picture.index` tells its place.

        Values are checked before it returns. Pictures that can share a batch are drawn together, so with several
        kinds of pictures and a batch size above one they may come out of order.
        """
        if callback is not None and not callable(callback):
            raise UserError(f"callback is {shown(callback)}; give a function of step and total")
        requests = resolve(read_call(texts, options), self.limits)
        for request in requests:  # what can't be loaded is said before anything is drawn
            self._loras.load(request.loras)
            for file in request.embeddings:
                self._embeddings.add(file)
            for control in request.controls:
                self._controlnet(control.model)
        check_prompts(self.pipe.tokenizer, [self._texts(request) for request in requests if request.first])
        return self._run(self._batches(requests), callback)

    @property
    def limits(self) -> ModelLimits:
        """What this model allows."""
        unet, config = self.pipe.unet.config, self.pipe.text_encoder.config
        size = unet.sample_size if isinstance(unet.sample_size, list | tuple) else (unet.sample_size,) * 2
        return ModelLimits(
            height=size[0] * self.pipe.vae_scale_factor,
            width=size[1] * self.pipe.vae_scale_factor,
            text_layers=config.num_hidden_layers,
            scheduler=own_name(self._own),
            lcm=isinstance(self._own, LCMScheduler)
            or self.recommended.get("scheduler") == "LCM"
            or unet.time_cond_proj_dim is not None,
            recommended=self.recommended,
            name=self.name,
            base=self.base,
            controlnets=self._own_controlnets,
            loras=self._loras.sources,
            timesteps=self._own.config.num_train_timesteps,
            inpaints_only=unet.in_channels != self.pipe.vae.config.latent_channels,
        )

    def _batches(self, requests: list[ResolvedRequest]) -> list[list[ResolvedRequest]]:
        """Requests that differ in texts and seed only, and need as many chunks, share a batch."""
        groups: dict[tuple[object, ...], list[ResolvedRequest]] = {}
        usual = 1 if self.pipe.device.type == "cpu" else _GPU_BATCH
        for request in requests:
            size = 1 if request.batch_pos is not None else request.batch_size or usual
            chunks = count_chunks(self.pipe.tokenizer, *self._texts(request)) if size > 1 else 0
            groups.setdefault((size, chunks, *request.shared), []).append(request)
        sizes = [cast(int, size) for size, *_ in groups]
        batches = [
            group[i : i + size]
            for size, group in zip(sizes, groups.values(), strict=True)
            for i in range(0, len(group), size)
        ]
        return sorted(batches, key=lambda batch: batch[0].index)

    def _run(self, batches: list[list[ResolvedRequest]], callback: Callback | None) -> Iterator[Picture]:
        counts = (passes(batch[0].upscale, len(batch)) * batch[0].num_inference_steps for batch in batches)
        progress, flagged = Progress(callback, sum(counts)), 0
        try:
            for batch in batches:
                for picture in self._draw(batch, progress):
                    flagged += picture.flagged
                    yield picture
        finally:
            self._states.clear()
            if flagged:
                warnings.warn(f"The safety check objected to {flagged} of the pictures.", stacklevel=2)

    def _draw(self, batch: list[ResolvedRequest], progress: Progress) -> Iterator[Picture]:
        copies, position = batch[0].batch_size or 1, batch[0].batch_pos
        rows = batch if position is None else batch * copies
        first = position or 0
        images = self._denoise(rows, progress)[first : first + len(batch)]
        for row, (request, image) in enumerate(zip(batch, images, strict=True), first):
            flagged, image = False, self._upscale(request, image, progress)
            if self.safety:
                image, flagged = self.safety(image)
            text = self._infotext(request, len(rows), row)
            yield Picture(image, request.seed, text, request.prompt, flagged, request.index)

    def _upscale(self, request: ResolvedRequest, image: Image.Image, progress: Progress) -> Image.Image:
        """One at a time, whatever the batch: a picture has four or sixteen times the pixels then."""
        if request.upscale is None:
            return image
        if request.upscale.upscaler == "realesrgan":
            return realesrgan.enlarge(image, request.upscale.factor)
        start = enlarged(image, request.upscale)
        width, height = start.image.image.size
        return self._denoise([replace(request, init_image=start, width=width, height=height)], progress)[0]

    @torch.no_grad()
    def _denoise(self, rows: list[ResolvedRequest], progress: Progress) -> list[Image.Image]:
        request = rows[0]
        if self._loras.switch(request.loras):
            self._states.clear()  # a LoRA may change the text encoder
        cond, uncond = self._encode(rows)
        work = task(self.pipe, request, [self._controlnet(control.model) for control in request.controls])
        work.use(self._scheduler(request.scheduler))
        try:
            with rescaled_guidance(self.pipe.unet, request.guidance_scale, request.guidance_rescale):
                images = work.pipe(
                    prompt_embeds=cond,
                    negative_prompt_embeds=uncond,
                    num_inference_steps=request.num_inference_steps,
                    guidance_scale=request.guidance_scale,
                    # Noise is drawn on the CPU: the same seed then means the same picture on every device.
                    generator=[torch.Generator("cpu").manual_seed(request.seed) for request in rows],
                    output_type="np",
                    callback_on_step_end=progress.begin(request.num_inference_steps),
                    **work.inputs,
                ).images
        except (torch.OutOfMemoryError, RuntimeError) as error:
            raise out_of_memory(error, len(rows), request) from error
        finally:
            self.pipe.scheduler = self._own
        if not np.isfinite(images).all():
            raise no_picture(self.pipe.dtype, request)
        return [work.finish(picture) for picture in self.pipe.numpy_to_pil(images)]

    def _controlnet(self, model: str) -> Any:
        """Opened once; a name of the zoo, a hub id or a folder."""
        if model not in self._controlnets:
            self._controlnets[model] = load_controlnet(model_dir(model), self.pipe)
        return self._controlnets[model]

    def _encode(self, rows: list[ResolvedRequest]) -> States:
        """States of each text by itself, so that a picture does not depend on its neighbours' texts."""
        pairs = [(*self._texts(request), request.clip_skip) for request in rows]
        for prompt, negative, skip in set(pairs) - set(self._states):
            states = encode_prompts(self.pipe.tokenizer, self.pipe.text_encoder, [prompt], [negative], skip)
            self._states[prompt, negative, skip] = states
        self._states = {pair: self._states[pair] for pair in pairs}
        conds, unconds = zip(*(self._states[pair] for pair in pairs), strict=True)
        return torch.cat(conds), torch.cat(unconds)

    def _texts(self, request: ResolvedRequest) -> tuple[str, str]:
        """Prompt and negative prompt with every vector of an embedding written out."""
        tokenizer = self.pipe.tokenizer
        return expand(tokenizer, request.plain_prompt), expand(tokenizer, request.negative_prompt)

    def _scheduler(self, name: str) -> Any:
        return on_cpu(self._own if name == own_name(self._own) else SCHEDULERS[name](self._own.config))

    def _infotext(self, request: ResolvedRequest, size: int, row: int) -> str:
        dtype = self.pipe.dtype
        values = {
            "Model": self.name or None,
            "Embeddings": self._embeddings.remembered(request.plain_prompt, request.negative_prompt),
            "Lora files": self._loras.remembered(request.loras),
            "Batch size": size if size > 1 else None,
            "Batch pos": row if size > 1 else None,
            "Precision": None if dtype == pick_dtype(None, self.pipe.device) else str(dtype).removeprefix("torch."),
        }
        return describe(request, self.recommended, values)
