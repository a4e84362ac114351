"""What a training run learns, from what, and by which method: the options beside those of the loop."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pai_modelscope.config.option import option
from pai_modelscope.config.training import MOST, TrainingConfig

MOST_PIXELS = 8192  # a side
MOST_RANK = 4096  # few layers have more rows or columns
MOST_VECTORS = 75  # more than a prompt's chunk holds
MOST_WORKERS = 256
MOST_IMAGES = 10**6
SAMPLINGS = ("uniform", "logit-normal")
TARGETS = ("attention", "all-linear", "conv")
TRAINED = ("all", "attention")


@dataclass
class DataOptions:
    """The training set, and how its pictures and captions are shown."""

    train_data_dir: str = option(
        "", help="folder, file, shipped:food, or the id of a data set on ModelScope or Hugging Face"
    )
    image_column: str = option("image", help="of tables and metadata files")
    caption_column: str = option("text", help="of tables and metadata files")
    conditioning_image_column: str | None = option(None, help="what a ControlNet is to follow")
    mask_column: str | None = option(None, help="where the loss counts")
    max_train_samples: int | None = option(None, help="only the first so many", minimum=1, maximum=MOST)
    replay_data_dir: str | None = option(
        None, help="what the model knows already, shown in between so that it is not forgotten"
    )
    replay_share: float = option(0.5, help="of the samples that come from there", above=0, below=1)
    resolution: int = option(
        256, help="pixels a side, or the root of the area of other shapes", minimum=8, maximum=MOST_PIXELS
    )
    aspect_buckets: bool = option(False, help="several shapes, so that little is cropped")
    center_crop: bool = option(True, help="else from anywhere")
    random_flip: bool = option(False, help="half of the time as in a mirror; not for pictures with writing in them")
    shuffle_tags: bool = option(False, help="what stands between commas in random order")
    keep_tags: int = option(0, help="the first so many tags stay in their places", minimum=0, maximum=MOST)
    on_broken: str = option(
        "stop", help="'stop' at a picture that can't be read, or 'skip' it", choices=("stop", "skip")
    )
    cache_latents: bool = option(
        False, help="encode every picture, and every caption, once, on disk; for a centre crop"
    )
    cache_dir: str | None = option(None, help="of that; None: in output_dir. Runs may share one")
    dataloader_num_workers: int = option(4, help="threads that read pictures", minimum=0, maximum=MOST_WORKERS)


@dataclass
class DenoisingOptions:
    """What all methods share."""

    caption_dropout: float = option(0.1, help="share of captions left out, for guidance", minimum=0, maximum=1)
    offset_noise: float = option(
        0.0,
        help="noise that is the same all over a channel, such as 0.1: darker and lighter pictures",
        minimum=0,
        maximum=1,
    )
    input_perturbation: float = option(
        0.0, help="more noise than the network must tell, such as 0.1", minimum=0, maximum=1
    )
    snr_gamma: float | None = option(None, help="weigh the loss by Min-SNR, such as 5", above=0)
    timestep_sampling: str = option("uniform", help="'uniform' | 'logit-normal'", choices=SAMPLINGS)
    gradient_checkpointing: bool = option(False, help="less memory, slower steps")
    text_encoder_lr: float | None = option(
        None, help="a learning rate of its own for what trains in the text encoder", above=0
    )
    prediction_type: str | None = option(
        None, help="'epsilon' | 'v_prediction'; None: the model's own", choices=("epsilon", "v_prediction")
    )
    rescale_betas_zero_snr: bool | None = option(
        None, help="let the last timestep be pure noise; None: as the model has it"
    )


@dataclass
class FullOptions:
    """Every weight learns."""

    train: str = option("all", help="'all' of the UNet, or only its 'attention' layers", choices=TRAINED)
    train_text_encoder: bool = option(False, help="the text encoder learns too")


@dataclass
class LoraOptions:
    """Small matrices beside chosen layers learn."""

    rank: int = option(16, help="of the matrices", minimum=1, maximum=MOST_RANK)
    alpha: float | None = option(None, help="what is learned counts alpha / rank times; None: once", above=0)
    targets: str = option("attention", help="'attention' | 'all-linear' | 'conv'", choices=TARGETS)
    use_dora: bool = option(False, help="length and direction apart: slower, often better at low ranks")
    text_rank: int = option(0, help="in the text encoder; 0: it stays as it is", minimum=0, maximum=MOST_RANK)
    legacy: bool = option(False, help="write the file of 2023's attention processors too")


@dataclass
class TextualInversionOptions:
    """A new word learns."""

    placeholder_token: str = option("", help="the word, such as <小奶猫>")
    initializer_token: str = option(
        "", help="a word that comes near, such as 猫; of several characters each gives its share"
    )
    num_vectors: int = option(1, help="vectors of the word", minimum=1, maximum=MOST_VECTORS)
    learnable_property: str = option(
        "object", help="'object' | 'style': which sentences the word stands in", choices=("object", "style")
    )
    save_as_full_pipeline: bool = option(False, help="write the whole model too, whose tokenizer knows the word")


@dataclass
class DreamBoothOptions:
    """A thing of one's own from a few pictures; pictures of its class keep the model from forgetting."""

    instance_prompt: str = option(
        "", help="of pictures that have no caption: a rare word and the class, such as 一只糯糯猫"
    )
    class_prompt: str = option("", help="the class alone, such as 一只猫; empty: no pictures of the class")
    num_class_images: int = option(
        100, help="what is missing is drawn by the model itself before the training", minimum=1, maximum=MOST_IMAGES
    )
    class_data_dir: str | None = option(
        None, help="where they are kept, for other runs too, or your own lie; None: in output_dir"
    )
    prior_loss_weight: float = option(1.0, help="how much a picture of the class counts", minimum=0)
    rank: int = option(0, help="of a LoRA; 0: the weights themselves learn", minimum=0, maximum=MOST_RANK)
    alpha: float | None = option(None, help="what a LoRA learned counts alpha / rank times; None: once", above=0)
    targets: str = option("all-linear", help="of a LoRA: 'attention' | 'all-linear' | 'conv'", choices=TARGETS)
    text_rank: int = option(0, help="of a LoRA in the text encoder", minimum=0, maximum=MOST_RANK)
    train: str = option(
        "all", help="without a LoRA: 'all' of the UNet, or only its 'attention' layers", choices=TRAINED
    )
    train_text_encoder: bool = option(False, help="without a LoRA: the text encoder learns too")


@dataclass
class ControlNetOptions:
    """A copy of the encoder learns to follow a picture."""

    annotator: str | None = option(
        None, help="'canny', 'lineart', ...: read from the pictures themselves what is to be followed"
    )
    controlnet_model_name_or_path: str | None = option(None, help="one to train on; None: a copy of the UNet's encoder")
    rank: int | None = option(
        None,
        help="keep the copy as it is and learn matrices of that rank; None: all of it learns",
        minimum=1,
        maximum=MOST_RANK,
    )


@dataclass
class ValidationOptions:
    """Pictures drawn while it trains."""

    validation_prompts: list[str] | None = option(
        None, help="a picture of each, before, every validation_steps, and at the end"
    )
    validation_images: list[str] | None = option(None, help="for a ControlNet: the picture to follow, one a prompt")
    validation_inference_steps: int = option(20, help="denoising steps of such a picture", minimum=1, maximum=1000)


METHODS: dict[str, type] = {
    "full": FullOptions,
    "lora": LoraOptions,
    "textual-inversion": TextualInversionOptions,
    "dreambooth": DreamBoothOptions,
    "controlnet": ControlNetOptions,
}


# What diffusers' example scripts and ModelScope's trainers call things, where that differs: our name, and what becomes
# of the value (None: as if it had not been given).
ALIASES: dict[str, tuple[str, Callable[[Any], Any] | None]] = {
    "model": ("pretrained_model_name_or_path", None),
    "noise_offset": ("offset_noise", None),
    "proportion_empty_prompts": ("caption_dropout", None),
    "use_8bit_adam": ("optimizer", lambda on: "adamw-8bit" if on else None),
    "use_ema": ("ema_decay", lambda on: 0.9999 if on else None),
    "validation_prompt": ("validation_prompts", None),
    "validation_image": ("validation_images", None),
    "dataset_name": ("train_data_dir", None),
    "instance_data_dir": ("train_data_dir", None),
    "placeholder": ("placeholder_token", None),
    "initializer": ("initializer_token", None),
    "lora_rank": ("rank", None),
    "lora_alpha": ("alpha", None),
}

# Flags of those scripts that change nothing here, and why.
NO_EFFECT = {
    "allow_tf32": "matrices are multiplied in TF32 wherever a GPU can",
    "enable_xformers_memory_efficient_attention": "PyTorch's own attention is as lean",
    "set_grads_to_none": "gradients are always set to None",
    "local_rank": "the launcher tells it",
    "logging_dir": "everything is logged in output_dir",
    "with_prior_preservation": "a class_prompt asks for it",
    "pre_compute_text_embeddings": "cache_latents keeps the captions' states too",
    "only_save_embeds": "the embedding is always a file of its own",
    "repeats": "an epoch shows every picture once, and max_train_steps counts",
    "variant": "of several copies of a network's file the fullest is read",
    "offload_ema": "the average stays where the weights are",
    "foreach_ema": "the average is always taken in one pass",
    "num_validation_images": "a prompt is drawn once each time; repeat it in validation_prompts for more",
    "validation_epochs": "validation_steps says when pictures are drawn",
    "validation_scheduler": "pictures are drawn by the model's own scheduler",
    "save_steps": "checkpointing_steps says when what was learned is kept",
    "sample_batch_size": "as many class pictures are drawn at once as the device takes well",
    "prior_generation_precision": "class pictures are drawn in the precision that the device takes well",
    "no_safe_serialization": "everything is written as safetensors",
    "tracker_project_name": "the tracker's project is called pai_modelscope",
    "skip_save_text_encoder": "the text encoder is written only where it learned",
}

# Flags of those scripts that would change what is learned, and what to do instead.
NOT_HERE = {
    "class_labels_conditioning": "it is for DeepFloyd IF: leave it out",
    "dataset_config_name": "give train_data_dir a folder that holds that part of the data set alone",
    "dream_detail_preservation": "leave it out, with dream_training",
    "dream_training": "leave it out; snr_gamma is the weighting that there is",
    "hub_model_id": "`pai-modelscope zoo push FOLDER ID` uploads the folder of the result",
    "hub_token": "`pai-modelscope zoo push FOLDER ID` uploads the folder of the result",
    "image_interpolation_mode": "pictures are always resized by Lanczos, its default: leave it out",
    "lora_dropout": "leave it out; a lower rank or fewer steps learn less by heart",
    "non_ema_revision": "give the weights to learn from with revision",
    "push_to_hub": "`pai-modelscope zoo push FOLDER ID` uploads the folder of the result",
    "text_encoder_use_attention_mask": "it is for DeepFloyd IF: leave it out",
    "tokenizer_max_length": "long captions are always read whole, in chunks: leave it out",
    "tokenizer_name": "the tokenizer is always the model's own: leave it out",
}


def parts_of(method: str) -> tuple[type, ...]:
    """The dataclasses whose fields are the method's options."""
    return DataOptions, METHODS[method], DenoisingOptions, TrainingConfig, ValidationOptions
