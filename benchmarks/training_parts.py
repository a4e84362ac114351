"""What `benchmarks.training` trains, and on what: models, batches in memory, and a clock that does not stop the GPU."""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch

SAMPLES, TOKENS = 64, 32


class Enough(Exception):
    """All steps were made: the run ends here, so that its time holds no saving."""


class Clock:
    """When each step began, on the GPU's own clock where there is one."""

    def __init__(self, device: torch.device):
        self._events: list[Any] = []
        self._on_gpu = device.type == "cuda"

    def mark(self) -> None:
        if not self._on_gpu:
            self._events.append(time.perf_counter())
            return
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self._events.append(event)

    def seconds(self) -> list[float]:
        """Of each step."""
        if not self._on_gpu:
            return [round(b - a, 5) for a, b in zip(self._events, self._events[1:], strict=False)]
        torch.cuda.synchronize()
        pairs = zip(self._events, self._events[1:], strict=False)
        return [round(a.elapsed_time(b) / 1000, 5) for a, b in pairs]


class Recorded:
    """A source that marks each step, and ends the run after `total` of them."""

    def __init__(self, source: Any, clock: Clock, total: int):
        self._source, self._clock, self._left = source, clock, total

    @property
    def lengths(self) -> Sequence[int]:
        return self._source.lengths

    @property
    def cycle(self) -> Sequence[int]:
        return self._source.cycle

    def batch(self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor) -> Any:
        self._clock.mark()
        if not self._left:
            raise Enough
        self._left -= 1
        return self._source.batch(bucket, indices, device, keys)


class Latents:
    """Random latents, ids and text states, in memory that a GPU copies from without being waited for."""

    lengths, cycle = (SAMPLES,), (0,)

    def __init__(self, side: int, vocabulary: int, width: int, seed: int):
        draw = torch.Generator().manual_seed(seed)
        self._data = {
            "latents": torch.randn(SAMPLES, 4, side, side, generator=draw),
            "ids": torch.randint(4, vocabulary, (SAMPLES, 1, TOKENS), generator=draw),
            "states": torch.randn(SAMPLES, TOKENS, width, generator=draw),
        }

    def batch(self, bucket: int, indices: torch.Tensor, device: torch.device, keys: torch.Tensor) -> Any:
        chosen = {name: value[indices] for name, value in self._data.items()}
        if device.type == "cuda":
            chosen = {name: value.pin_memory() for name, value in chosen.items()}
        return {name: value.to(device, non_blocking=True) for name, value in chosen.items()}


class Pixels:
    """Random pictures and ids, for the loop that encodes them at every step."""

    def __init__(self, side: int, vocabulary: int, seed: int):
        draw = torch.Generator().manual_seed(seed)
        self._pixels = torch.rand(SAMPLES, 3, side, side, generator=draw) * 2 - 1
        self._ids = torch.randint(4, vocabulary, (SAMPLES, TOKENS), generator=draw)

    def batch(self, step: int, size: int) -> dict[str, torch.Tensor]:
        chosen = torch.arange(step * size, (step + 1) * size) % SAMPLES
        return {"pixels": self._pixels[chosen], "ids": self._ids[chosen]}


@dataclass
class Opened:
    """A model on the CPU, of which every row takes a copy, and what it is trained on."""

    pipe: Any
    side: int  # pixels
    source: Any
    device: torch.device
    gpus: int
    seed: int

    @cached_property
    def _pixels(self) -> Pixels:
        return Pixels(self.side, self.pipe.text_encoder.config.vocab_size, self.seed)

    def pixels(self) -> Pixels:
        return self._pixels


def open_shape(shape: str, seed: int) -> Opened:
    """'full': PAI-Diffusion's own with random weights; 'shipped': the shipped model and pictures; 'tiny': that model on
    small random latents, for tests."""
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    gpus = int(os.environ.get("WORLD_SIZE", "1"))
    if shape == "shipped":
        return _shipped(device, gpus, seed)
    side = 512 if shape == "full" else 64
    pipe = _full(device) if shape == "full" else _mini()
    words = pipe.text_encoder.config
    return Opened(pipe, side, Latents(side // 8, words.vocab_size, words.hidden_size, seed), device, gpus, seed)


def _full(device: torch.device) -> Any:
    from benchmarks.full_size import build

    pipe = build(str(device)).to("cpu")
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return pipe


def _mini() -> Any:
    from pai_modelscope import model_dir
    from pai_modelscope.families import STABLE_DIFFUSION

    return STABLE_DIFFUSION.open(model_dir("pai-diffusion-mini-zh"), torch.device("cpu"), torch.float32)


def _shipped(device: torch.device, gpus: int, seed: int) -> Opened:
    from pai_modelscope.data import Geometry, open_training_set, scan
    from pai_modelscope.data.augmentation import CaptionSettings
    from pai_modelscope.data.cached_batches import CachedSource
    from pai_modelscope.families import STABLE_DIFFUSION

    pipe, pictures = _mini(), scan(open_training_set("shipped:food"))
    parts = (pictures, Geometry(256), CaptionSettings(), pipe.tokenizer)
    cache = tempfile.mkdtemp(prefix="training-benchmark-")
    source = CachedSource(
        *parts,
        vae=pipe.vae,
        scale=partial(STABLE_DIFFUSION.scale_latents, pipe),
        text_encoder=pipe.text_encoder,
        folder=cache,
        device=device,
    )
    return Opened(pipe.to("cpu"), 256, source, device, gpus, seed)
