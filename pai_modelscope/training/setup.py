"""From options to a run: the model's parts, the training set, the method, and `train`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from pai_modelscope.config import TrainingConfig
from pai_modelscope.config.methods import METHODS, DataOptions, DenoisingOptions
from pai_modelscope.data import Geometry, TrainingSet, open_training_set, scan
from pai_modelscope.data.cached import CachedSource
from pai_modelscope.data.draws import CaptionSettings
from pai_modelscope.data.sources import ExampleSource, PictureSource
from pai_modelscope.errors import UserError
from pai_modelscope.methods import ControlNetTraining, FullFineTuning, LoraTraining, TextualInversion, with_word
from pai_modelscope.methods.denoising import Denoising
from pai_modelscope.sampling.load import load_pipeline
from pai_modelscope.text import chunk_ids
from pai_modelscope.training.card import About
from pai_modelscope.training.loop import train
from pai_modelscope.zoo import model_dir

DEFAULT_MODEL = "pai-diffusion-mini-zh"


@dataclass
class Options:
    """All that a run is told, each part for the one that reads it."""

    model: str
    data: DataOptions
    shared: DenoisingOptions
    own: Any
    loop: TrainingConfig


def settle(method: str, given: Mapping[str, Any]) -> Options:
    """`given`: options of any part by their names. Raises one `UserError` that names every unknown or missing one."""
    if method not in METHODS:
        raise UserError(f"there is no method {method!r}; valid are {', '.join(METHODS)}")
    rest = dict(given)
    model = str(rest.pop("pretrained_model_name_or_path", None) or DEFAULT_MODEL)
    parts, taken = [], set()
    for kind in (DataOptions, DenoisingOptions, METHODS[method], TrainingConfig):
        names = {field.name for field in fields(kind)}
        parts.append({name: value for name, value in rest.items() if name in names})
        taken |= names
    if unknown := sorted(rest.keys() - taken):
        raise UserError(f"unknown option {', '.join(unknown)} of {method}; valid are {', '.join(sorted(taken))}")
    missing = [name for name in ("train_data_dir", "output_dir", "max_train_steps") if not rest.get(name)]
    if missing:
        raise UserError(f"{', '.join(missing)} must be given to train")
    data, shared, own, loop = parts
    return Options(
        model, DataOptions(**data), DenoisingOptions(**shared), METHODS[method](**own), TrainingConfig(**loop)
    )


def run(method: str, given: Mapping[str, Any], accelerator: Accelerator | None = None) -> dict[str, Any]:
    """Train by `method` ('full', 'lora', 'textual-inversion', 'controlnet'); what `train` returns.

    Raises:
        UserError: options, model or data that can't work.
    """
    options = settle(method, given)
    accelerator = accelerator or Accelerator(mixed_precision=options.loop.mixed_precision)
    folder = model_dir(options.model)
    pipe = load_pipeline(folder, torch.device("cpu"), torch.float32)
    learner = _method(method, options, pipe)
    tokenizer = getattr(learner, "tokenizer", pipe.tokenizer)
    found = _pictures(method, options, tokenizer)
    source = _source(options, found, tokenizer, pipe, accelerator)
    about = About(base_model=options.model, data=f"{len(found)} pictures of {options.data.train_data_dir}")
    return train(learner, source, options.loop, accelerator, about=about)


def _method(method: str, options: Options, pipe: Any) -> Denoising:
    parts = (pipe.unet, pipe.text_encoder, pipe.scheduler, chunk_ids(pipe.tokenizer, [""])[0, 0])
    settings = {**asdict(options.shared), **asdict(options.own)}
    if method == "textual-inversion":
        settings.pop("learnable_property")
        return TextualInversion(*parts, tokenizer=pipe.tokenizer, **settings)
    if method == "lora":
        resolution = options.data.resolution
        name = Path(options.loop.output_dir).name
        return LoraTraining(
            *parts, name=name, base_model=options.model, resolution=resolution, seed=options.loop.seed, **settings
        )
    return {"full": FullFineTuning, "controlnet": ControlNetTraining}[method](*parts, **settings)


def _pictures(method: str, options: Options, tokenizer: Any) -> TrainingSet:
    data = options.data
    opened = open_training_set(
        data.train_data_dir,
        image_column=data.image_column,
        caption_column=data.caption_column,
        conditioning_image_column=data.conditioning_image_column,
        mask_column=data.mask_column,
        limit=data.max_train_samples,
    )
    if data.on_broken not in ("stop", "skip"):
        raise UserError(f"on_broken is {data.on_broken!r}; valid are 'stop' and 'skip'")
    found = scan(opened, on_broken=data.on_broken)  # type: ignore[arg-type]
    if method != "textual-inversion":
        return found
    return with_word(found, options.own.placeholder, tokenizer, options.own.learnable_property)


def _source(options: Options, found: TrainingSet, tokenizer: Any, pipe: Any, accelerator: Accelerator) -> ExampleSource:
    data = options.data
    geometry = Geometry(
        data.resolution, buckets=data.aspect_buckets, random_crop=not data.center_crop, random_flip=data.random_flip
    )
    captions = CaptionSettings(shuffle_tags=data.shuffle_tags, keep_tags=data.keep_tags)
    parts = (found, geometry, captions, tokenizer)
    if not data.cache_latents:
        return PictureSource(*parts, vae=pipe.vae, workers=data.dataloader_num_workers)
    return CachedSource(
        *parts,
        vae=pipe.vae,
        folder=Path(options.loop.output_dir) / "cache",
        device=accelerator.device,
        process_index=accelerator.process_index,
        num_processes=accelerator.num_processes,
        wait=accelerator.wait_for_everyone,
        workers=data.dataloader_num_workers,
    )
