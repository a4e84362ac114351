"""Where in a picture each word of its prompt acted: cross attention, averaged over steps, layers and heads.

After Tang et al. 2022, "What the DAAM: Interpreting Stable Diffusion Using Cross Attention", arXiv:2210.04885.
"""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from pai_modelscope.acceleration import EagerBackend
from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError
from pai_modelscope.images.contact_sheet import contact_sheet
from pai_modelscope.sampling.loaded_model import LoadedModel
from pai_modelscope.text.chunks import token_ids
from pai_modelscope.text.encode import TokenizedText
from pai_modelscope.text.prompt_schedule import composed_prompt
from pai_modelscope.text.prompt_tags import split_loras

if TYPE_CHECKING:
    from diffusers.models.attention_processor import Attention

    from pai_modelscope.sampling.sampler import Picture, Sampler

_COLD_TO_HOT = np.array([(20, 24, 82), (120, 28, 109), (215, 75, 50), (252, 165, 10), (252, 255, 164)], np.float32)
_GREY, _HEAT = 0.45, 0.55  # of a map laid over its picture


@dataclass(frozen=True)
class HeatMap:
    """A picture, and by word where it acted: (height, width) float32 of the picture's size, from 0 to 1 at its
    greatest; the mean of a map says how wide a word acts, not how strongly."""

    picture: "Picture"
    words: Mapping[str, np.ndarray]

    def sheet(self) -> Image.Image:
        """One page: the picture over its prompt, then each word's map laid over it, over the word."""
        pictures = [self.picture.image, *(overlaid(self.picture.image, heat) for heat in self.words.values())]
        columns = min(len(pictures), max(3, math.ceil(math.sqrt(len(pictures)))))
        return contact_sheet(pictures, [self.picture.prompt, *self.words], columns)


class AttentionRecord:
    """Inside, the network's layers tell how strongly each place attends to each token; what they compute is the same
    bit for bit."""

    def __init__(self, model: LoadedModel):
        """
        Raises:
            UserError: a model whose layers can't be asked.
        """
        self._layers = model.family.cross_attentions(model.pipe)
        if not self._layers or not isinstance(model.backend, EagerBackend):
            raise UserError(
                "heat maps need a network with layers of their own for text, run by the backend 'eager': this model's "
                "words can't be told apart"
            )
        self._factor = model.pipe.vae_scale_factor
        self._processors: list[object] = []
        self.sums: dict[int, torch.Tensor] = {}  # by number of places, (places, tokens), on the CPU
        self.counts: dict[int, int] = {}

    def __enter__(self) -> "AttentionRecord":
        self._processors = [layer.processor for layer in self._layers]
        for layer, processor in zip(self._layers, self._processors, strict=True):
            layer.set_processor(_Recorder(processor, self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for layer, processor in zip(self._layers, self._processors, strict=True):
            layer.set_processor(processor)

    def add(self, attention: torch.Tensor) -> None:
        """`attention`: of one layer in one step, (places, tokens), each place's sums to 1."""
        places = len(attention)
        attention = attention.float().cpu()
        self.sums[places] = self.sums[places] + attention if places in self.sums else attention
        self.counts[places] = self.counts.get(places, 0) + 1

    def mean(self, height: int, width: int) -> torch.Tensor:
        """The mean of all layers and steps, (tokens, height, width), height and width those of the picture."""
        factor = self._factor
        sizes = {rows * columns: (rows, columns) for rows, columns in _levels(height // factor, width // factor)}
        total = sum(self.counts.values())
        maps = []
        for places, summed in self.sums.items():
            grid = summed.T.reshape(1, -1, *sizes[places])
            large = torch.nn.functional.interpolate(grid, (height, width), mode="bicubic", align_corners=False)
            maps.append(large[0].clamp(min=0) / total)
        return torch.stack(maps).sum(0)


class _Recorder:
    """A layer's own processor, after a look at what it attends to."""

    def __init__(self, processor: object, record: AttentionRecord):
        self.processor, self.record = processor, record

    @torch.no_grad()
    def __call__(
        self,
        attn: "Attention",
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        *others: object,
        **more: object,
    ) -> torch.Tensor:
        if encoder_hidden_states is not None:
            # The last row is the picture's: those without a prompt come first.
            query = attn.head_to_batch_dim(attn.to_q(hidden_states[-1:]))
            key = attn.head_to_batch_dim(attn.to_k(encoder_hidden_states[-1:]))
            self.record.add(attn.get_attention_scores(query, key).mean(0))
        result: torch.Tensor = self.processor(attn, hidden_states, encoder_hidden_states, *others, **more)  # type: ignore[operator]
        return result


def draw_heat_map(
    sampler: "Sampler", prompt: str, words: Sequence[str] | None, options: Mapping[str, object]
) -> HeatMap:
    """See `Sampler.heat_map`."""
    text = _plain(prompt)
    if resized := [name for name in ("upscale", "mask", "outpaint") if options.get(name) is not None]:
        raise UserError(f"a heat map is of a whole picture as it is first drawn: leave {', '.join(resized)} out")
    model, tokenizer = sampler.model, sampler.tokenizer
    tokens = model.family.tokenize(tokenizer, text)
    chosen = sampler.check_prompt(prompt).words if words is None else words
    length = tokenizer.model_max_length
    places = {word: token_places(tokens, token_ids(tokenizer, [word])[0], length) for word in chosen}
    if missing := [word for word, found in places.items() if not found]:
        if words is not None:
            raise UserError(f"the prompt {short_repr(prompt)} has no {', '.join(missing)}: give words that stand in it")
        # Words are cut by a dictionary, tokens by the vocabulary: they need not end at the same places.
        warnings.warn(f"no heat map of {', '.join(missing)}: tokens are cut elsewhere there", stacklevel=3)
    with model.lock, AttentionRecord(model) as record:
        pictures = sampler(prompt, **{**options, "batch_size": 1})  # type: ignore[arg-type]  # it checks the callback
    if len(pictures) != 1:
        raise UserError(f"a heat map is of one picture, not of {len(pictures)}: leave num_images_per_prompt out")
    width, height = pictures[0].image.size
    attention = record.mean(height, width)
    return HeatMap(
        pictures[0], {word: _from_0_to_1(attention[found].mean(0)) for word, found in places.items() if found}
    )


def token_places(text: TokenizedText, word: Sequence[int], length: int) -> list[int]:
    """Where a word's tokens stand among the states of a text, in chunks of `length` that begin with [CLS]; all its
    occurrences. A word that a cut between chunks goes through counts, too."""
    ids, places = list[int](), list[int]()
    for number, (chunk, _) in enumerate(text.chunks):
        ids += chunk
        places += range(number * length + 1, number * length + 1 + len(chunk))
    starts = [start for start in range(len(ids) - len(word) + 1) if ids[start : start + len(word)] == list(word)]
    return sorted({places[start + i] for start in starts for i in range(len(word))}) if word else []


def overlaid(picture: Image.Image, heat: np.ndarray) -> Image.Image:
    """A picture in grey under a map (height, width) from 0, dark, to 1, bright."""
    grey = np.asarray(picture.convert("L"), np.float32)[..., None]
    stops = np.linspace(0, 1, len(_COLD_TO_HOT))
    colours = np.stack([np.interp(heat, stops, _COLD_TO_HOT[:, channel]) for channel in range(3)], -1)
    return Image.fromarray((_GREY * grey + _HEAT * colours).round().astype(np.uint8))


def _plain(prompt: str) -> str:
    """The prompt without tags of LoRAs. Raises `UserError` for one that is not a single text throughout."""
    text = split_loras(prompt)[0]
    parts = composed_prompt(text, 2)
    if len(parts) > 1 or len(parts[0].texts) > 1 or parts[0].texts[0][1] != text:
        raise UserError("a heat map is of one text: leave AND, [a:b:0.5] and [a|b] out of the prompt")
    return text


def _levels(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Sizes of latents on the way down a network: each half of the one before, rounded up."""
    while True:
        yield height, width
        if height == width == 1:
            return
        height, width = (height + 1) // 2, (width + 1) // 2


def _from_0_to_1(heat: torch.Tensor) -> np.ndarray:
    heat = heat - heat.min()
    scaled: np.ndarray = (heat / heat.max().clamp(min=1e-12)).numpy()
    return scaled
