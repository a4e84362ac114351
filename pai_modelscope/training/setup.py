"""From options to a run: the model's parts, the training set, the method, and `train`."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from diffusers import ControlNetModel

from pai_modelscope.adapters.control import FILE as CONTROL_ADAPTER
from pai_modelscope.adapters.control import controlnet_folder, hint_channels, load_control_lora
from pai_modelscope.checkpoints.load import load_controlnet, load_pipeline
from pai_modelscope.config import TrainingConfig
from pai_modelscope.data import Geometry, TrainingSet, open_training_set, scan
from pai_modelscope.data.augmentation import CaptionSettings
from pai_modelscope.data.batches import ExampleSource, PictureSource
from pai_modelscope.data.cached_batches import CachedSource
from pai_modelscope.data.records import mix
from pai_modelscope.errors import UserError
from pai_modelscope.methods import (
    ControlNetTraining,
    FullFineTuning,
    LoraTraining,
    TextualInversion,
    class_examples,
    class_pictures,
    warn_of_other_words,
    with_class_pictures,
    with_word,
)
from pai_modelscope.methods.denoising import Denoising
from pai_modelscope.sampling import Sampler
from pai_modelscope.text import chunk_ids
from pai_modelscope.training.card import about_run
from pai_modelscope.training.checkpoints import choose
from pai_modelscope.training.export import CONTROL, exporter, flat_names, flatten
from pai_modelscope.training.lock import claimed
from pai_modelscope.training.loop import train
from pai_modelscope.training.noise_schedule import OPTIONS as OF_THE_SCHEDULE
from pai_modelscope.training.noise_schedule import schedule_of
from pai_modelscope.training.optimizers import lighten
from pai_modelscope.training.options import Options, settle
from pai_modelscope.training.ownership import CACHE, CLASS, RESULT
from pai_modelscope.training.sharding import launched
from pai_modelscope.training.trackers import asked_for
from pai_modelscope.training.validation_images import PictureValidation
from pai_modelscope.zoo import model_dir


def run(
    method: str, given: Mapping[str, Any], accelerator: Accelerator | None = None, flat: bool = False
) -> dict[str, Any]:
    """Train by `method`: 'full', 'lora', 'textual-inversion', 'dreambooth' or 'controlnet'; returns what `train` does.

    given: options by their names, see `config.methods` and `TrainingConfig`; `train_data_dir` and `replay_data_dir` may
    also be objects with rows, such as a `datasets.Dataset`. flat: see `flatten`, for a run that comes to its end.

    Raises:
        UserError: options, model or data that can't work.
    """
    options = settle(method, given)
    accelerator = launched(options.loop, given=accelerator)
    output_dir = Path(options.loop.output_dir)
    beside = flat_names(method, output_dir.resolve().name, options.whole_model) if flat else ()
    with claimed(output_dir, accelerator, (RESULT, *beside)) as folder:
        if not options.loop.overwrite_output_dir:  # said before anything is drawn or read
            choose(folder, options.loop.resume_from_checkpoint)
        done = Run(options, accelerator).go()
        if flat and done["finished"]:
            flatten(folder, done["step"])
        return done


def fine_tune(method: str, **options: Any) -> Path:
    """`fine_tune('lora', train_data_dir='pictures', output_dir='ink', max_train_steps=300)`: as `run`.

    Returns the folder of the result, which `Sampler.from_pretrained` and ModelScope's `pipeline` open.
    """
    run(method, options)
    return Path(options["output_dir"]) / "result"


class Run:
    """A run that is ready to go: all of its parts are open, and what can't work has been said."""

    def __init__(self, options: Options, accelerator: Accelerator | None = None):
        self.options = options
        self.accelerator = launched(options.loop, given=accelerator)
        asked_for(options.loop.report_to)
        self.precision = self.accelerator.mixed_precision
        for name, why in sorted(options.without_effect.items()):
            warnings.warn(f"{name} changes nothing: {why}", stacklevel=2)
        self.folder = model_dir(options.model, revision=options.revision)
        self.pipe = load_pipeline(self.folder, torch.device("cpu"), torch.float32)
        self.scheduler = schedule_of(self.pipe.scheduler, options.shared, options.whole_model)
        self.method = self._method()
        self.tokenizer = getattr(self.method, "tokenizer", self.pipe.tokenizer)
        self.pictures = self._pictures()
        self.source = self.source_of(self.pictures)
        self.config = self._config()
        lighten(self.method, self.accelerator)

    def go(self) -> dict[str, Any]:
        """Train; see `train`."""
        options, precision = self.options, self.accelerator.mixed_precision
        if precision != self.precision:
            made = f"this run was prepared for mixed_precision {self.precision!r}"
            raise UserError(f"{made}, and another run has changed that to {precision!r} since: prepare it again")
        about = about_run(options, len(self.pictures))
        export = exporter(
            self.method,
            self.folder,
            options.model if not Path(options.model).exists() else str(self.folder),
            scheduler=self.scheduler if self.scheduler is not self.pipe.scheduler else None,
            reads=getattr(options.own, "annotator", None),
            whole=getattr(options.own, "save_as_full_pipeline", False),
        )
        return train(self.method, self.source, self.config, self.accelerator, self._validation(), about, export)

    def _method(self) -> Denoising:
        options, pipe = self.options, self.pipe
        parts: dict[str, Any] = {
            "unet": pipe.unet,
            "text_encoder": pipe.text_encoder,
            "scheduler": self.scheduler,
            "empty_ids": chunk_ids(pipe.tokenizer, [""])[0, 0],
        }
        given = {**asdict(options.shared), **asdict(options.own)}
        shared = {name: given[name] for name in asdict(options.shared) if name not in OF_THE_SCHEDULE}
        own = {name: given[name] for name in _TAKES[options.method] if name in given}
        if options.method == "textual-inversion":
            words = {"placeholder": given["placeholder_token"], "initializer": given["initializer_token"]}
            return TextualInversion(**parts, tokenizer=pipe.tokenizer, **words, **own, **shared)
        if options.method == "controlnet":
            return self._controlnet(parts, shared)
        if options.whole_model:
            return FullFineTuning(**parts, **{name: given[name] for name in _TAKES["full"]}, **shared)
        words = {"trigger_words": [options.own.instance_prompt]} if options.method == "dreambooth" else {}
        return LoraTraining(
            **parts,
            name=Path(options.loop.output_dir).resolve().name,
            base_model=options.model,
            resolution=options.data.resolution,
            seed=options.loop.seed,
            **words,
            **own,
            **shared,
        )

    def _controlnet(self, parts: dict[str, Any], shared: dict[str, Any]) -> ControlNetTraining:
        own = self.options.own
        if not own.controlnet_model_name_or_path:
            return ControlNetTraining(**parts, rank=own.rank, seed=self.options.loop.seed, **shared)
        folder = controlnet_folder(model_dir(own.controlnet_model_name_or_path))
        is_adapter = (folder / CONTROL_ADAPTER).is_file()
        if not own.rank:
            return ControlNetTraining(**parts, controlnet=load_controlnet(folder, self.pipe), **shared)
        if not is_adapter:
            raise UserError(
                f"rank is {own.rank}, but {folder} is a whole ControlNet, all of which must learn: leave rank out"
            )
        net = ControlNetModel.from_unet(self.pipe.unet, conditioning_embedding_out_channels=hint_channels(folder))
        made = ControlNetTraining(**parts, controlnet=net, rank=own.rank, **shared)
        load_control_lora(made.controlnet, folder)
        return made

    def _pictures(self) -> TrainingSet:
        options, data = self.options, self.options.data
        found = self._open(data.train_data_dir, data.max_train_samples, self._caption())
        if options.method == "textual-inversion":
            return with_word(found, options.own.placeholder_token, self.tokenizer, options.own.learnable_property)
        if options.method == "dreambooth":
            warn_of_other_words(found, options.own.instance_prompt)
        if options.method == "dreambooth" and options.own.class_prompt:
            found = with_class_pictures(found, self._class_pictures(), options.own.prior_loss_weight)
        if data.replay_data_dir:
            found = mix(found, self._open(data.replay_data_dir, None, None), data.replay_share)
        return found

    def _caption(self) -> str | None:
        """Of pictures in a plain folder without any texts."""
        own = self.options.own
        return getattr(own, "instance_prompt", None) or getattr(own, "placeholder_token", None)

    def _open(self, source: Any, limit: int | None, caption: str | None) -> TrainingSet:
        data = self.options.data
        opened = open_training_set(
            source,
            image_column=data.image_column,
            caption_column=data.caption_column,
            conditioning_image_column=data.conditioning_image_column,
            mask_column=data.mask_column,
            size=data.resolution,
            limit=limit,
            caption=caption,
        )
        # The package's own pictures are sound, and to draw them takes longer than to read a file.
        return scan(opened, on_broken=data.on_broken, quick=str(source).startswith("shipped:"))

    def _class_pictures(self) -> TrainingSet:
        own, accelerator, size = self.options.own, self.accelerator, self.options.data.resolution
        cache = own.class_data_dir or Path(self.options.loop.output_dir) / CLASS
        with accelerator.main_process_first():  # it draws them, the others find them
            sampler = Sampler.from_pretrained(self.folder, device=accelerator.device, safety=False)
            drawn = class_pictures(sampler, own.class_prompt, own.num_class_images, cache, resolution=size)
        return scan(class_examples(drawn, own.class_prompt), on_broken=self.options.data.on_broken)

    def held_out(self, source: Any) -> ExampleSource:
        """Batches of other pictures, read and shown as those of the training are."""
        found = self._open(source, None, self._caption())
        if self.options.method == "textual-inversion":
            own = self.options.own
            found = with_word(found, own.placeholder_token, self.tokenizer, own.learnable_property)
        return self.source_of(found)

    def source_of(self, pictures: TrainingSet) -> ExampleSource:
        """Batches of `pictures`."""
        data, accelerator = self.options.data, self.accelerator
        annotator = getattr(self.options.own, "annotator", None)
        if self.options.method == "controlnet" and not annotator and pictures[0].condition is None:
            raise UserError(
                "the pictures have no conditions, which a ControlNet is to follow: name a conditioning_image_column, "
                "or set an annotator that draws them, such as canny"
            )
        geometry = Geometry(
            data.resolution, buckets=data.aspect_buckets, random_crop=not data.center_crop, random_flip=data.random_flip
        )
        captions = CaptionSettings(shuffle_tags=data.shuffle_tags, keep_tags=data.keep_tags)
        parts: tuple[Any, ...] = (pictures, geometry, captions, self.tokenizer)
        how = {"vae": self.pipe.vae, "workers": data.dataloader_num_workers, "annotator": annotator}
        if not data.cache_latents:
            return PictureSource(*parts, **how)
        learns = any(p.requires_grad for p in self.method.text_encoder.parameters())
        return CachedSource(
            *parts,
            **how,
            folder=data.cache_dir or Path(self.options.loop.output_dir) / CACHE,
            text_encoder=None if learns or data.shuffle_tags else self.pipe.text_encoder,
            device=accelerator.device,
            process_index=accelerator.process_index,
            num_processes=accelerator.num_processes,
            wait=accelerator.wait_for_everyone,
        )

    def _config(self) -> TrainingConfig:
        """With epochs counted in steps, and validation at both ends where only prompts are given."""
        config = self.options.loop
        together = config.train_batch_size * config.gradient_accumulation_steps * self.accelerator.num_processes
        if not config.max_train_steps:
            steps = math.ceil(config.num_train_epochs * sum(self.source.lengths) / max(together, 1))
            config = replace(config, max_train_steps=steps)
        if self.options.validation.validation_prompts and not config.validation_steps:
            config = replace(config, validation_steps=config.max_train_steps)
        return config

    def _validation(self) -> PictureValidation | None:
        told = self.options.validation
        if not told.validation_prompts:
            return None
        reads = getattr(self.options.own, "annotator", None) or CONTROL
        return PictureValidation(
            self.folder,
            told.validation_prompts,
            seed=self.options.loop.seed,
            control={reads: told.validation_images} if told.validation_images else None,
            num_inference_steps=told.validation_inference_steps,
            height=self.options.data.resolution,
            width=self.options.data.resolution,
        )


# Which of the options go to the method's constructor as they are.
_TAKES = {
    "full": ("train", "train_text_encoder"),
    "lora": ("rank", "alpha", "targets", "use_dora", "text_rank", "legacy"),
    "dreambooth": ("rank", "alpha", "targets", "text_rank"),
    "textual-inversion": ("num_vectors",),
    "controlnet": (),
}
