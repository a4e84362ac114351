"""What a family of text-to-image models is: what its folders hold, how its prompts and networks are used."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import torch

from pai_modelscope.errors import UserError
from pai_modelscope.text.encode import TokenizedText, tokenize

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline, ModelMixin
    from diffusers.models.attention_processor import Attention
    from transformers import PreTrainedTokenizerBase

States = Mapping[str, torch.Tensor]  # of one text, one row each, by the names of the network's arguments
Inputs = Mapping[str, torch.Tensor | Sequence[torch.Tensor]]  # of several rows, by the names of the network's arguments
Spread = Callable[[torch.Tensor], torch.Tensor]  # rows of pictures to rows of the network
Task = Literal["text", "image", "mask"]  # what a picture is made from: text alone, an image, an image and a mask


@dataclass(frozen=True)
class ModelFacts:
    """What an opened model says of itself.

    `height`, `width`: of its pictures, in pixels; `text_layers`: of the text encoder, which `clip_skip` counts;
    `embeds_guidance`: the network is told the guidance scale, as LCM's is; `inpaints_only`: it repaints parts of
    pictures and draws none from text alone; `tasks`: what it can do; `controls`: whether ControlNets can steer it;
    `compares_phrases`: its text encoder was trained so that vectors of like meaning are near.
    """

    height: int
    width: int
    text_layers: int
    embeds_guidance: bool = False
    inpaints_only: bool = False
    tasks: frozenset[Task] = frozenset(("text",))
    controls: bool = False
    compares_phrases: bool = False


@dataclass(frozen=True)
class NetworkControl:
    """A ControlNet with its scale, and the share of the evaluations that it takes part in.

    `pictures`: what it sees, (pictures, 3, H, W) from 0 to 1, on its device and of its type.
    """

    network: "ModelMixin"
    pictures: torch.Tensor
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0

    def active(self, evaluation: int, evaluations: int) -> bool:
        """Whether it takes part in an evaluation, counted from 0, as diffusers' pipelines decide."""
        return evaluation / evaluations >= self.start and (evaluation + 1) / evaluations <= self.end


class ModelFamily(ABC):
    """One family of models, over a text-to-image pipeline of diffusers.

    Its pipelines take `prompt_embeds` or the like in place of a prompt, `generator`, `output_type='np'` and
    `callback_on_step_end`, and have a tokenizer and a text encoder by these names.
    """

    name: ClassVar[str]
    network: ClassVar[str]  # the pipeline's name for its denoising network, such as 'unet'
    lora_prefixes: ClassVar[tuple[str, ...]] = ()  # of the network's modules in LoRA files, 'transformer.'

    @abstractmethod
    def recognizes(self, index: Mapping[str, object]) -> bool:
        """Whether a model_index.json is of this family."""

    @abstractmethod
    def holds(self, pipe: object) -> bool:
        """Whether an opened pipeline is of this family."""

    @abstractmethod
    def open(self, folder: Path, device: torch.device, dtype: torch.dtype) -> "DiffusionPipeline":
        """A folder's text-to-image pipeline on `device`, in `dtype`, ready to infer. Its weights run no code.

        Raises:
            UserError: the folder is no model, lacks a part, is damaged, or its parts don't fit each other.
        """

    @abstractmethod
    def facts(self, pipe: "DiffusionPipeline") -> ModelFacts:
        """What an opened model says of itself."""

    @abstractmethod
    def encode(
        self,
        pipe: "DiffusionPipeline",
        tokenizer: "PreTrainedTokenizerBase",
        texts: Sequence[TokenizedText],
        clip_skip: int | None,
    ) -> list[States]:
        """The states of each text of a picture, all of the same shapes; a text's bits don't depend on the others.

        `tokenizer`: the pipeline's, or a copy that knows more words.
        """

    @abstractmethod
    def prompt_arguments(self, states: Mapping[str, torch.Tensor]) -> Mapping[str, object]:
        """What a pipeline is called with in place of prompts, for the states of a batch, stacked."""

    def tokenize(self, tokenizer: "PreTrainedTokenizerBase", text: str) -> TokenizedText:
        """Cut a text into the chunks that `encode` takes; weights and BREAK are read as the WebUI does.

        Raises:
            UserError: a text that can't be encoded whole.
        """
        return tokenize(tokenizer, text)

    def phrase_vectors(
        self, pipe: "DiffusionPipeline", tokenizer: "PreTrainedTokenizerBase", phrases: Sequence[str]
    ) -> torch.Tensor:
        """Vectors (n, D) of length 1 whose cosines say how near the meanings of phrases are, of models whose facts say
        `compares_phrases`. A phrase is cut to what the text encoder reads at once, and its vector is 0 where it
        holds a character that the model does not know. On the CPU."""
        raise NotImplementedError

    def cross_attentions(self, pipe: "DiffusionPipeline") -> "list[Attention]":
        """The layers of the denoising network that attend to text states alone, of diffusers' class; none where the
        network has no such layers."""
        return []

    def pipeline_class(self, task: Task) -> "type[DiffusionPipeline]":
        """diffusers' pipeline for one of the other tasks that `facts` names. It takes the parts of the first."""
        raise NotImplementedError

    def network_inputs(self, arguments: Mapping[str, object], spread: Spread) -> Inputs:
        """What the network is given beside sample, timestep and states: of the `arguments` that a pipeline calls it
        with, those that count, `spread` from a row a picture to the rows that are evaluated."""
        return {}

    def timestep(self, timestep: torch.Tensor, rows: int) -> torch.Tensor:
        """A pipeline's timestep as the network takes it for so many rows."""
        return timestep

    def scale_latents(self, pipe: "DiffusionPipeline", latents: torch.Tensor) -> torch.Tensor:
        """The latents (n, C, h, w) that the VAE encodes pictures into, as the network sees them: of unit variance."""
        config = pipe.vae.config
        shift = float(config.get("shift_factor") or 0.0)  # diffusers' configurations have None where there is none
        return (latents - shift) * float(config.scaling_factor)

    def recognizes_file(self, file: Path) -> bool:
        """Whether a file holds a model or a ControlNet in this family's single-file layout. Its header is enough."""
        return False

    def write_single_file(self, model: Path, file: Path, base: str | os.PathLike[str] | None) -> Path:
        """Write a model's or a ControlNet's folder as one new file.

        `base`: the model of a ControlNet that is kept as its difference from it.

        Raises:
            UserError: there is no such layout, or this folder has no place in it.
        """
        raise UserError(f"models of the family {self.name} have no single-file layout: give the folder as it is")

    def read_single_file(self, file: Path, folder: Path, base: str | os.PathLike[str] | None) -> Path:
        """Write the model or the ControlNet in a file as a new folder.

        `base`: whose tokenizer, scheduler and configurations the folder gets, where the file has none.

        Raises:
            UserError: there is no such layout, or the file is not of it.
        """
        raise UserError(f"models of the family {self.name} have no single-file layout: {file} can't be one")

    def open_controlnet(self, folder: Path, pipe: "DiffusionPipeline") -> "ModelMixin":
        """A ControlNet beside `pipe`, on its device and in its dtype.

        Raises:
            UserError: there are none for this family, or not this one for this model.
        """
        raise UserError(f"models of the family {self.name} take no ControlNets")

    def control_inputs(
        self,
        controls: Sequence[NetworkControl],
        samples: torch.Tensor,
        timestep: torch.Tensor,
        inputs: Inputs,
        unconditional: int,
        spread: Spread,
    ) -> Inputs:
        """What ControlNets add to the network's inputs; the first `unconditional` rows are without a prompt."""
        raise NotImplementedError
