"""The models that a service draws with: opened when they are first asked for, and put away when memory runs short."""

import copy
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from pai_modelscope.serving.metrics import Metrics

if TYPE_CHECKING:
    from pai_modelscope.sampling import ModelLimits, Sampler
    from pai_modelscope.sampling.prompt_check import PromptCheck

MIB = 2**20


class Presence(StrEnum):
    ABSENT = "absent"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass
class _Place:
    """Where a model is. `limits` and `checker` stay when it is put away: requests can then be checked without it."""

    presence: Presence = Presence.ABSENT
    sampler: "Sampler | None" = None
    limits: "ModelLimits | None" = None
    checker: "_Checker | None" = None
    bytes: int = 0
    used: float = 0.0


class Models:
    """The models of a service by name. Only the engine's thread opens them; any thread may ask about them."""

    def __init__(
        self,
        names: Sequence[str],
        open_model: "Callable[[str], Sampler]",
        metrics: Metrics,
        budget: int | None = None,
        pinned: Sequence[str] = (),
    ):
        """`budget`: bytes that all together may take; `pinned`: those that are never put away."""
        self.names = tuple(dict.fromkeys(names))
        self._open, self._metrics, self._budget, self._pinned = open_model, metrics, budget, set(pinned)
        self._places = {name: _Place() for name in self.names}
        self._lock = threading.Lock()

    def presence(self, name: str) -> Presence:
        return self._places[name].presence

    def bytes(self, name: str) -> int:
        return self._places[name].bytes

    def limits(self, name: str) -> "ModelLimits | None":
        """What a model allows; None until it has been opened once."""
        return self._places[name].limits

    def check_prompt(self, name: str, prompt: str) -> "PromptCheck | None":
        """What the model makes of a prompt, as far as its words and characters tell; None until it has been opened.

        Raises:
            UserError: a prompt that can't be drawn.
        """
        checker = self._places[name].checker
        return checker(prompt) if checker else None

    def sampler(self, name: str) -> "Sampler":
        """The model, opened; for the engine's thread alone.

        Raises:
            UserError: it can't be opened.
        """
        place = self._places[name]
        place.used = time.monotonic()
        if place.sampler is not None:
            return place.sampler
        self._set(place, Presence.LOADING)
        try:
            sampler = self._open(name)
        except Exception:
            self._set(place, Presence.FAILED)
            raise
        with self._lock:
            # Without what would keep the networks in memory, and wait for them.
            place.sampler, place.limits = sampler, replace(sampler.limits, phrase_vectors=None)
            place.checker, place.bytes = _Checker(sampler), _bytes_of(sampler)
        self._set(place, Presence.READY)
        self._metrics.model_loads.labels(name).inc()
        self._metrics.model_bytes.labels(name).set(place.bytes)
        self._make_room(name)
        return sampler

    def _make_room(self, newest: str) -> None:
        if self._budget is None:
            return
        others = sorted(
            (name for name in self.names if name != newest and name not in self._pinned),
            key=lambda name: self._places[name].used,
        )
        for name in others:
            if sum(place.bytes for place in self._places.values()) <= self._budget:
                return
            place = self._places[name]
            if place.sampler is not None:
                place.sampler, place.bytes = None, 0
                self._metrics.model_bytes.labels(name).set(0)
                self._set(place, Presence.ABSENT)

    def _set(self, place: _Place, presence: Presence) -> None:
        with self._lock:
            place.presence = presence


class _Checker:
    """Reads prompts beside the engine: without the networks, and with a tokenizer of its own."""

    def __init__(self, sampler: "Sampler"):
        from pai_modelscope.sampling.prompt_check import WordFinder

        self._family, self._tokenizer = sampler.model.family, copy.deepcopy(sampler.tokenizer)
        self._words = WordFinder(sampler.learned, None)
        self._lock = threading.Lock()

    def __call__(self, prompt: str) -> "PromptCheck":
        from pai_modelscope.sampling.prompt_check import check_prompt

        with self._lock:
            return check_prompt(prompt, self._family, self._tokenizer, self._words)


def _bytes_of(sampler: "Sampler") -> int:
    """Of all weights."""
    import torch

    modules = (part for part in sampler.pipe.components.values() if isinstance(part, torch.nn.Module))
    return sum(tensor.nbytes for module in modules for tensor in module.state_dict().values())
