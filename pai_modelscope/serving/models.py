"""What is known of a service's models: whether each is open, and what it allows. Whoever opens them tells it."""

import copy
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from pai_modelscope.serving.memory import free_memory
from pai_modelscope.serving.metrics import Metrics

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from pai_modelscope.families import ModelFamily
    from pai_modelscope.prompting.learned_words import LearnedWords
    from pai_modelscope.sampling import ModelLimits, Sampler
    from pai_modelscope.sampling.prompt_check import PromptCheck

MIB = 2**20


class Presence(StrEnum):
    ABSENT = "absent"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Opened:
    """What is known of a model that has been opened, without its networks; it may come from another process.

    `room`: bytes of memory that were left for drawing; None on a GPU, where too much is an error that harms nobody.
    """

    limits: "ModelLimits"
    family: "ModelFamily"
    tokenizer: "PreTrainedTokenizerBase"
    learned: "LearnedWords | None"
    bytes: int
    on_cpu: bool
    room: int | None = None

    @classmethod
    def of(cls, sampler: "Sampler") -> "Opened":
        # Without what would keep the networks in memory, and wait for them; the tokenizer is the engine's to use.
        limits, tokenizer = replace(sampler.limits, phrase_vectors=None), copy.deepcopy(sampler.tokenizer)
        on_cpu = sampler.pipe.device.type == "cpu"
        room = free_memory() if on_cpu else None
        return cls(limits, sampler.model.family, tokenizer, sampler.learned, _bytes_of(sampler), on_cpu, room)


class Models:
    """The models of a service by name. Any thread may ask about them."""

    def __init__(self, names: Sequence[str], metrics: Metrics):
        self.names = tuple(dict.fromkeys(names))
        self._metrics = metrics
        self._presence = dict.fromkeys(self.names, Presence.ABSENT)
        # They stay when a model is put away: requests can then be checked without it.
        self._known: dict[str, tuple[Opened, _Checker]] = {}

    def presence(self, name: str) -> Presence:
        return self._presence[name]

    def bytes(self, name: str) -> int:
        """That its weights take now."""
        known = self.known(name)
        return known.bytes if known and self.presence(name) is Presence.READY else 0

    def known(self, name: str) -> Opened | None:
        """None until it has been opened once."""
        known = self._known.get(name)
        return known[0] if known else None

    def limits(self, name: str) -> "ModelLimits | None":
        """What a model allows; None until it has been opened once."""
        known = self.known(name)
        return known.limits if known else None

    def check_prompt(self, name: str, prompt: str) -> "PromptCheck | None":
        """What the model makes of a prompt, as far as its words and characters tell; None until it has been opened.

        Raises:
            UserError: a prompt that can't be drawn.
        """
        known = self._known.get(name)
        return known[1](prompt) if known else None

    def loading(self, name: str) -> None:
        self._presence[name] = Presence.LOADING

    def failed(self, name: str) -> None:
        self._presence[name] = Presence.FAILED

    def opened(self, name: str, opened: Opened) -> None:
        self._known[name] = opened, _Checker(opened)
        self._presence[name] = Presence.READY
        self._metrics.model_loads.labels(name).inc()
        self._metrics.model_bytes.labels(name).set(opened.bytes)

    def put_away(self, name: str) -> None:
        self._presence[name] = Presence.ABSENT
        self._metrics.model_bytes.labels(name).set(0)


class _Checker:
    """Reads prompts beside the engine, without the networks."""

    def __init__(self, opened: Opened):
        from pai_modelscope.sampling.prompt_check import WordFinder

        self._family, self._tokenizer = opened.family, opened.tokenizer
        self._words = WordFinder(opened.learned, None)
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
