"""What `fine_tune` asks of a method: what learns, from which pictures, and how the result opens as a model."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from accelerate import Accelerator
from diffusers import StableDiffusionPipeline
from transformers import PreTrainedTokenizerBase

from pai_modelscope.config.data import DataOptions
from pai_modelscope.config.training import TrainingConfig
from pai_modelscope.data import Geometry, TrainingData, TrainingSet, open_training_set, scan
from pai_modelscope.data.augmentation import CaptionSettings
from pai_modelscope.data.batches import ExampleSource, PictureSource, SourceOptions
from pai_modelscope.data.cached_batches import CachedSource
from pai_modelscope.data.combined import mix
from pai_modelscope.errors import UserError
from pai_modelscope.families import STABLE_DIFFUSION, family_of_pipeline
from pai_modelscope.methods.base import Method
from pai_modelscope.methods.spec import MethodOptions

CACHE, CLASS = "cache", "class"  # folders of a run's folder, for encoded pictures and DreamBooth's class
Options = TypeVar("Options", bound=MethodOptions)
Module = TypeVar("Module", bound=Method)


@dataclass(frozen=True)
class RunContext:
    """What a run has opened and was told beside the method's options."""

    model: str  # as it was asked for
    folder: Path  # of the model
    pipe: StableDiffusionPipeline
    data: DataOptions
    loop: TrainingConfig
    accelerator: Accelerator

    @property
    def run_folder(self) -> Path:
        return Path(self.loop.output_dir)

    @property
    def run_name(self) -> str:
        return self.run_folder.resolve().name

    @property
    def base_model(self) -> str:
        """What a result names as the model beside which it is used: a hub id or a name of the zoo, else a folder."""
        return str(self.folder) if Path(self.model).exists() else self.model


class FineTuning(ABC, Generic[Options, Module]):
    """One run of a method.

    It makes the module that trains, `method`, opens its training set, and writes the result.
    """

    checkpoint_files: ClassVar[frozenset[str]] = frozenset()  # of the result, which `--flat` puts into the checkpoint

    families: ClassVar[frozenset[str]] = frozenset({STABLE_DIFFUSION.name})  # of models that it can train

    def __init__(self, options: Options, context: RunContext):
        """Raises `UserError` for a model that the method can't train as its options ask."""
        self.options, self.context = options, context
        family = family_of_pipeline(context.pipe)
        if family is None or family.name not in self.families:
            kind = f"the family {family.name}" if family else "no family that is known"
            raise UserError(
                f"{context.model} is a model of {kind}; this method trains those of {', '.join(sorted(self.families))}"
            )
        self.family = family
        self.method: Module = self.create_method()

    @abstractmethod
    def create_method(self) -> Module:
        """The module that trains, over the networks of `context.pipe`."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """What makes ids of captions."""
        return self.context.pipe.tokenizer

    @property
    def caption(self) -> str | None:
        """Of pictures in a plain folder without any texts."""
        return None

    @property
    def annotator(self) -> str | None:
        """The name of what draws conditions from the pictures themselves, see `images.annotators`."""
        return None

    def training_set(self) -> TrainingSet:
        """The pictures that are learned."""
        data = self.context.data
        return self.with_replay(self.open(data.train_data_dir, data.max_train_samples, self.caption))

    def held_out_set(self, source: TrainingData) -> TrainingSet:
        """Other pictures, read as those of the training are. `source`: as `open_training_set` takes it."""
        return self.open(source, caption=self.caption)

    def open(self, source: TrainingData, limit: int | None = None, caption: str | None = None) -> TrainingSet:
        """The pictures of `source`, all looked at. Raises `UserError`, see `open_training_set` and `scan`."""
        data = self.context.data
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

    def with_replay(self, pictures: TrainingSet) -> TrainingSet:
        """`pictures`, and between them those of what the model knows already, where `replay_data_dir` asks for it."""
        data = self.context.data
        if not data.replay_data_dir:
            return pictures
        return mix(pictures, self.open(data.replay_data_dir), data.replay_share)

    def batches(self, pictures: TrainingSet) -> ExampleSource:
        """What the loop trains on: latents and token ids of `pictures`, drawn anew or from a cache."""
        data, pipe, accelerator = self.context.data, self.context.pipe, self.context.accelerator
        geometry = Geometry(
            data.resolution, buckets=data.aspect_buckets, random_crop=not data.center_crop, random_flip=data.random_flip
        )
        captions = CaptionSettings(shuffle_tags=data.shuffle_tags, keep_tags=data.keep_tags)
        options: SourceOptions = {
            "annotator": self.annotator,
            "workers": data.dataloader_num_workers,
            "worker_processes": data.dataloader_worker_processes,
        }
        scale = partial(self.family.scale_latents, pipe)
        if not data.cache_latents:
            return PictureSource(pictures, geometry, captions, self.tokenizer, vae=pipe.vae, scale=scale, **options)
        learns = any(p.requires_grad for p in pipe.text_encoder.parameters())
        return CachedSource(
            pictures,
            geometry,
            captions,
            self.tokenizer,
            vae=pipe.vae,
            scale=scale,
            folder=data.cache_dir or self.context.run_folder / CACHE,
            text_encoder=None if learns or data.shuffle_tags else pipe.text_encoder,
            device=accelerator.device,
            process_index=accelerator.process_index,
            num_processes=accelerator.num_processes,
            wait=accelerator.wait_for_everyone,
            **options,
        )

    def validation_control(self, images: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Which kind of control picture the validation's `images` are; only a ControlNet has any."""
        return {}

    def export(self, folder: Path) -> None:
        """Write the result into a new folder, so that it opens as a model: in ModelScope, in diffusers, and here."""
        self.method.save(folder)
