"""What a training run learns, from what, and by which method: the options beside those of the loop.

A field's comment is what a user reads of it; `comments` gives it to the command line.
"""

import inspect
import re
from dataclasses import dataclass, fields
from typing import Any

_FIELD = re.compile(r"\s+(?P<name>\w+):.*?  # (?P<comment>.*)")


@dataclass
class DataOptions:
    """The training set, and how its pictures and captions are shown."""

    train_data_dir: str = ""  # folder, file, shipped:food, or the id of a data set on ModelScope or Hugging Face
    image_column: str = "image"  # of tables and metadata files
    caption_column: str = "text"  # of tables and metadata files
    conditioning_image_column: str | None = None  # what a ControlNet is to follow
    mask_column: str | None = None  # where the loss counts
    max_train_samples: int | None = None  # only the first so many
    resolution: int = 256  # pixels a side, or the root of the area of other shapes
    aspect_buckets: bool = False  # several shapes, so that little is cropped
    center_crop: bool = True  # else from anywhere
    random_flip: bool = False  # half of the time as in a mirror; not for pictures with writing in them
    shuffle_tags: bool = False  # what stands between commas in random order
    keep_tags: int = 0  # the first so many tags stay in their places
    on_broken: str = "stop"  # 'stop' at a picture that can't be read, or 'skip' and count it
    cache_latents: bool = False  # encode every picture once, on disk; for a centre crop
    dataloader_num_workers: int = 4  # threads that read pictures


@dataclass
class DenoisingOptions:
    """What all methods share."""

    caption_dropout: float = 0.1  # share of captions left out, for guidance
    offset_noise: float = 0.0  # noise that is the same all over a channel, such as 0.1: darker and lighter pictures
    input_perturbation: float = 0.0  # more noise than the network must tell, such as 0.1
    snr_gamma: float | None = None  # weigh the loss by Min-SNR, such as 5
    timestep_sampling: str = "uniform"  # 'uniform' | 'logit-normal'
    gradient_checkpointing: bool = False  # less memory, slower steps
    text_encoder_lr: float | None = None  # a learning rate of its own for what trains in the text encoder


@dataclass
class FullOptions:
    """Every weight learns."""

    train: str = "all"  # 'all' of the UNet, or only its 'attention' layers
    train_text_encoder: bool = False  # the text encoder learns too


@dataclass
class LoraOptions:
    """Small matrices beside chosen layers learn."""

    rank: int = 16  # of the matrices
    alpha: float | None = None  # what is learned counts alpha / rank times; None: once
    targets: str = "attention"  # 'attention' | 'all-linear' | 'conv'
    use_dora: bool = False  # length and direction apart: slower, often better at low ranks
    text_rank: int = 0  # in the text encoder; 0: it stays as it is
    legacy: bool = False  # write the file of 2023's attention processors too


@dataclass
class TextualInversionOptions:
    """A new word learns."""

    placeholder: str = ""  # the word, such as <小奶猫>
    initializer: str = ""  # a word that comes near, such as 猫; of several characters each gives its share
    num_vectors: int = 1  # vectors of the word
    learnable_property: str = "object"  # 'object' | 'style': which sentences the word stands in


@dataclass
class ControlNetOptions:
    """A copy of the encoder learns to follow a picture."""

    rank: int | None = None  # keep the copy as it is and learn matrices of that rank; None: all of it learns


METHODS: dict[str, type] = {
    "full": FullOptions,
    "lora": LoraOptions,
    "textual-inversion": TextualInversionOptions,
    "controlnet": ControlNetOptions,
}


def comments(options: Any) -> dict[str, str]:
    """What the source says of each field of a dataclass, beside its default."""
    lines = (_FIELD.fullmatch(line) for line in inspect.getsource(options).splitlines())
    said = {line["name"]: line["comment"] for line in lines if line}
    return {field.name: said.get(field.name, "") for field in fields(options)}
