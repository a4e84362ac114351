"""An opened model that several callers share: nothing that one of them does is there for the next."""

import copy
import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from pai_modelscope import limits
from pai_modelscope.acceleration import Backend, EagerBackend
from pai_modelscope.adapters import LoraFile, load_lora, loaded_loras, set_loras, set_network_loras, unload_lora
from pai_modelscope.adapters.lora_loader import active_loras, switch_loras
from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError
from pai_modelscope.families import ModelFacts, ModelFamily, families, family_of_folder, family_of_pipeline
from pai_modelscope.zoo import model_dir

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline, ModelMixin


class LoadedModel:
    """The networks, tokenizer and scheduler of a pipeline, and the lock of whoever draws with them.

    They never change, but within an `AdapterSession`, which holds the lock.
    """

    def __init__(
        self,
        pipe: "DiffusionPipeline",
        *,
        family: ModelFamily | None = None,
        backend: Backend | None = None,
        lora_bytes: int = limits.LORA_CACHE_BYTES,
    ):
        """
        Args:
            pipe: a text-to-image pipeline.
            family: None for the one that holds such pipelines.
            backend: what predicts in place of the denoising network; None for the network itself.
            lora_bytes: how much LoRAs may take that lie ready in the networks, switched off.

        Raises:
            UserError: a pipeline of no family that is known.
        """
        family = family or family_of_pipeline(pipe)
        if family is None:
            raise UserError(
                f"pipe is {short_repr(pipe)}; give a text-to-image pipeline of diffusers, of one of the families "
                f"{', '.join(families())}, or use Sampler.from_pretrained"
            )
        self.pipe, self.family = pipe, family
        self._backend = backend
        self._networks = self._networks_of()
        self.controlnets = ControlNets(self)
        self.lora_bytes = lora_bytes

    @classmethod
    def open(cls, folder: Path, device: torch.device, dtype: torch.dtype) -> "LoadedModel":
        """A model folder, by its family. Raises `UserError` if it can't be opened."""
        family = family_of_folder(folder)
        return cls(family.open(folder, device, dtype), family=family)

    @contextmanager
    def borrow(self, parts: Mapping[str, object], device: torch.device) -> Iterator["LoadedModel"]:
        """The same model with some parts of its pipeline exchanged, such as those that a training is changing.

        All of it is on `device`, and stays there. LoRAs that are loaded inside are gone after it.
        """
        pipe = copy.copy(self.pipe)
        for name, part in parts.items():
            setattr(pipe, name, part)
        pipe.to(device)
        model = LoadedModel(pipe, family=self.family, lora_bytes=self.lora_bytes)
        try:
            yield model
        finally:
            model.release()

    @property
    def network(self) -> torch.nn.Module:
        """The denoising network."""
        network: torch.nn.Module = getattr(self.pipe, self.family.network)
        return network

    @property
    def facts(self) -> ModelFacts:
        return self.family.facts(self.pipe)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.pipe.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.pipe.dtype
        return dtype

    @property
    def backend(self) -> Backend:
        return self._backend or EagerBackend(self.network)

    @property
    def lock(self) -> threading.RLock:
        """Whoever calls the networks holds it."""
        return self.networks.lock

    @property
    def networks(self) -> "Networks":
        if (self._networks.unet, self._networks.text_encoder) != (self.network, self.pipe.text_encoder):
            self._networks = self._networks_of()  # a part of the pipeline was exchanged
        return self._networks

    def _networks_of(self) -> "Networks":
        return networks_of(self.network, self.pipe.text_encoder)

    def load(self, digest: str, read: Callable[[], LoraFile], keep: Collection[str] = ()) -> None:
        """Have the LoRA of this digest lie ready, switched off; `read` gives it if it does not yet. For its sake others
        are taken out, but none of `keep`.

        Raises:
            UserError: it does not fit the model, which is then as it was.
        """
        self.networks.load(digest, read, self.lora_bytes, keep)

    def active(self, weights: Mapping[str, float]) -> AbstractContextManager[None]:
        """Exactly the LoRAs of these digests are on inside, at their weights; the lock is held."""
        return self.networks.active(weights, self.backend, self.lora_bytes)

    def release(self) -> None:
        """Take all LoRAs out, and forget ControlNets: every key and tensor is that of the opened model then."""
        self.controlnets.clear()
        self.networks.release()


class ControlNets(dict[str, "ModelMixin"]):
    """The ControlNets of a model by their folder, name of the zoo or hub id; each is opened when it is first asked for.

    Asking raises `UserError` for one that can't be opened, or was made for another model.
    """

    def __init__(self, model: LoadedModel):
        super().__init__()
        self._model = weakref.proxy(model)  # which holds this

    def __missing__(self, source: str) -> "ModelMixin":
        with self._model.lock:
            if source not in self:  # another thread may have opened it meanwhile
                self[source] = self._model.family.open_controlnet(model_dir(source), self._model.pipe)
            return self[source]


class Networks:
    """A denoising network and a text encoder, with the LoRAs that lie in them, by the digests of their files.

    The first is called `unet`, as in the files of LoRAs, whatever the family of the model.
    """

    def __init__(self, unet: torch.nn.Module, text_encoder: torch.nn.Module):
        self.unet, self.text_encoder = unet, text_encoder
        self.lock = threading.RLock()
        self._sizes: dict[str, int] = {}  # bytes; the one that was used last stands last
        self._active: dict[str, float] = {}
        self._depth = 0
        # Networks whose last model is gone are as they were opened, for whoever still has them.
        weakref.finalize(self, _unload, _Pair(unet, text_encoder), self._sizes).atexit = False

    def load(self, digest: str, read: Callable[[], LoraFile], most: int, keep: Collection[str] = ()) -> None:
        with self.lock:
            if digest in self._sizes:
                self._sizes[digest] = self._sizes.pop(digest)
                return
            lora = read()
            size = _bytes(lora, self.unet)
            self._evict(most - size, keep)
            name = _adapter(digest)
            if name in loaded_loras(self):  # left by a model that is no more
                unload_lora(self, name)
            before = active_loras(self)
            load_lora(self, lora, name)
            switch_loras(self, before)
            self._sizes[digest] = size

    @contextmanager
    def active(self, weights: Mapping[str, float], backend: Backend, most: int) -> Iterator[None]:
        """Exactly these loaded LoRAs are on inside, at their weights; after it, what was on before. Those that stay
        take at most so many bytes."""

        def use(adapters: Mapping[str, float]) -> None:
            backend.use_adapters(adapters)
            set_network_loras(self.text_encoder, adapters)

        with self.lock:
            if not self._depth and self._active:  # an interrupt came between switching on and off
                use({})
                self._active = {}
            if not weights and not self._active:  # what somebody else put into the networks stays as it is
                yield
                return
            ours, others = self._active, active_loras(self)
            self._depth += 1
            try:
                self._active = {_adapter(digest): weight for digest, weight in weights.items()}
                use(self._active)
                yield
            finally:
                use(ours)
                if not ours:
                    switch_loras(self, others)
                self._active = ours
                self._depth -= 1
                self._evict(most)

    def release(self) -> None:
        with self.lock:
            if self._active and not self._depth:  # an interrupt came between switching on and off
                set_loras(self, {})
                self._active = {}
            self._evict(-1)

    def _evict(self, most: int, keep: Collection[str] = ()) -> None:
        """Take LoRAs out, those first that were not used for longest, until the others take at most so many bytes."""
        for digest in list(self._sizes):
            if sum(self._sizes.values()) <= most:
                return
            if _adapter(digest) not in self._active and digest not in keep:
                unload_lora(self, _adapter(digest))
                del self._sizes[digest]


class _Pair(NamedTuple):
    unet: torch.nn.Module
    text_encoder: torch.nn.Module


def _unload(networks: _Pair, digests: Iterable[str]) -> None:
    for digest in digests:
        unload_lora(networks, _adapter(digest))


# By the identity of both networks: samplers over one pipeline, or over two that share networks, share the lock, too.
_NETWORKS: weakref.WeakValueDictionary[tuple[int, int], Networks] = weakref.WeakValueDictionary()
_REGISTERING = threading.Lock()


def networks_of(unet: torch.nn.Module, text_encoder: torch.nn.Module) -> Networks:
    """The networks that are registered by these two, so that all who share them share their lock."""
    key = id(unet), id(text_encoder)
    with _REGISTERING:
        networks = _NETWORKS.get(key)
        if networks is None:
            networks = _NETWORKS[key] = Networks(unet, text_encoder)
        return networks


def _adapter(digest: str) -> str:
    """PEFT's name for it."""
    return f"lora_{digest}"


def _bytes(lora: LoraFile, network: torch.nn.Module) -> int:
    """What the LoRA takes in the networks: matrices in the type of the model, other changes as in the file."""
    width = next(network.parameters()).element_size()
    matrices = sum(tensor.numel() for state in lora.parts.values() for tensor in state.values())
    changes = sum(tensor.nbytes for change in lora.changes.values() for tensor in change.tensors.values())
    return matrices * width + changes
