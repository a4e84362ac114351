"""What all methods share that teach a network to denoise: text, noise, target, loss."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import torch
from diffusers import DDIMScheduler, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import nn

from pai_modelscope.config.option import faults_in
from pai_modelscope.diffusion import (
    add_noise,
    logit_normal_timesteps,
    masked_mean,
    min_snr_weight,
    prediction_target,
    uniform_timesteps,
)
from pai_modelscope.diffusion.randomness import normal, uniform
from pai_modelscope.errors import UserError
from pai_modelscope.methods.base import Batch, Losses, Method, ParamGroup
from pai_modelscope.methods.denoising_options import DenoisingOptions
from pai_modelscope.methods.noise_schedule import schedule_of
from pai_modelscope.text import chunk_ids, encode_ids

NOISE, TIMESTEP, CAPTION, OFFSET, PERTURBATION = range(5)  # streams of a sample's key


class Networks(NamedTuple):
    """What every method's class begins with."""

    unet: UNet2DConditionModel
    text_encoder: nn.Module
    scheduler: DDIMScheduler | DDPMScheduler
    empty_ids: torch.Tensor  # (32,), the chunk of the empty prompt

    @classmethod
    def of(cls, options: DenoisingOptions, pipe: StableDiffusionPipeline) -> "Networks":
        """The model's own, and the noise schedule that the options ask for.

        Raises `UserError` for a schedule that can't be learned, or that the result could not be drawn with.
        """
        scheduler = schedule_of(pipe.scheduler, options, options.writes_model)
        return cls(pipe.unet, pipe.text_encoder, scheduler, chunk_ids(pipe.tokenizer, [""])[0, 0])


class Denoising(Method):
    """The denoising loss of latent diffusion (Rombach et al. 2022, arXiv:2112.10752, eq. 3) on a batch of latents.

    A batch holds `latents` (batch, 4, height/8, width/8), scaled to unit variance, `ids` (batch, chunks, 32), and
    `keys` (batch,), from which noise, timesteps and dropped captions follow. It may hold `weight` (batch,), how much
    each sample counts, `mask` (batch, 1, height/8, width/8) in [0, 1], where its loss counts, and `states` (batch,
    chunks * 32, width) of the ids, encoded before.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        text_encoder: nn.Module,
        scheduler: DDIMScheduler | DDPMScheduler,
        empty_ids: torch.Tensor,
        caption_dropout: float = DenoisingOptions.caption_dropout,
        *,
        offset_noise: float = DenoisingOptions.offset_noise,
        input_perturbation: float = DenoisingOptions.input_perturbation,
        snr_gamma: float | None = DenoisingOptions.snr_gamma,
        timestep_sampling: str = DenoisingOptions.timestep_sampling,
        timestep_range: tuple[int, int] | None = None,
        logit_mean: float = 0.0,
        logit_std: float = 1.0,
        bands: int = 4,
        gradient_checkpointing: bool = DenoisingOptions.gradient_checkpointing,
        text_encoder_lr: float | None = DenoisingOptions.text_encoder_lr,
    ):
        """
        Args:
            empty_ids: (32,), the chunk of the empty prompt, which replaces a caption with probability
                `caption_dropout` so that guidance has an unconditional model (Ho & Salimans 2022, arXiv:2207.12598).
            offset_noise: strength of noise that is the same at every place of a channel, so that pictures may become
                darker and lighter as a whole (Guttenberg 2023, crosslabs.org/blog/diffusion-with-offset-noise); 0.1.
            input_perturbation: how much more noise the network sees than it must tell (Ning et al. 2023,
                arXiv:2301.11706, algorithm 1); 0.1.
            snr_gamma: weigh the loss by Min-SNR-gamma, see `min_snr_weight`; 5.
            timestep_sampling: 'uniform', or 'logit-normal' with `logit_mean` and `logit_std`.
            timestep_range: first and last timestep that are drawn; all by default.
            bands: into how many parts of the schedule the logged loss is split.
            gradient_checkpointing: remember less and compute it again, for larger pictures in the same memory.
            text_encoder_lr: a learning rate of its own for what trains in the text encoder.
        """
        super().__init__()
        self.alphas_cumprod: torch.Tensor
        self.empty_ids: torch.Tensor
        self.unet = unet
        self.text_encoder = text_encoder.requires_grad_(False).eval()
        self._empty_states: torch.Tensor | None = None  # (1, 32, width), of a text encoder that does not learn
        self.scheduler, self.prediction_type = scheduler, scheduler.config.prediction_type
        self.caption_dropout = caption_dropout
        self.offset_noise, self.input_perturbation, self.snr_gamma = offset_noise, input_perturbation, snr_gamma
        self.timestep_sampling, self.logit_mean, self.logit_std = timestep_sampling, logit_mean, logit_std
        self.bands, self.text_encoder_lr = bands, text_encoder_lr
        self.register_buffer("alphas_cumprod", scheduler.alphas_cumprod.clone(), persistent=False)
        self.register_buffer("empty_ids", empty_ids, persistent=False)
        self.first, self.last = timestep_range or (0, len(self.alphas_cumprod) - 1)
        self._check()
        if gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()

    def compilable_modules(self) -> list[nn.Module]:
        return [self.unet]

    def param_groups(self) -> list[ParamGroup]:
        text = [p for p in self.text_encoder.parameters() if p.requires_grad]
        if not text or self.text_encoder_lr is None:
            return super().param_groups()
        in_text_encoder = set(map(id, text))
        others = [p for p in self.trainable() if id(p) not in in_text_encoder]
        of_text: ParamGroup = {"params": text, "lr": self.text_encoder_lr}
        return [{"params": others}, of_text] if others else [of_text]

    def components(self) -> Mapping[str, object]:
        return {"unet": self.unet, "text_encoder": self.text_encoder, "scheduler": self.scheduler}

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """No caption is left out meanwhile."""
        dropout, self.caption_dropout = self.caption_dropout, 0.0
        try:
            yield
        finally:
            self.caption_dropout = dropout

    def predict(self, noisy: torch.Tensor, timesteps: torch.Tensor, states: torch.Tensor, batch: Batch) -> torch.Tensor:
        """What the networks take the target (batch, 4, height/8, width/8) to be."""
        prediction: torch.Tensor = self.unet(noisy, timesteps, states, return_dict=False)[0]
        return prediction

    def states(self, ids: torch.Tensor, keys: torch.Tensor, known: torch.Tensor | None = None) -> torch.Tensor:
        """Text states (batch, chunks * 32, width) after caption dropout; `known`: those of `ids`, if somebody kept
        them, which saves the encoder's work where it does not learn."""
        learns = any(p.requires_grad for p in self.text_encoder.parameters())
        dropped = (uniform(keys, CAPTION)[:, 0] < self.caption_dropout)[:, None, None]
        with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
            if learns or known is None:
                return encode_ids(self.text_encoder, torch.where(dropped, self.empty_ids, ids))
            if not self.caption_dropout:
                return known
            if self._empty_states is None or self._empty_states.device != known.device:
                self._empty_states = encode_ids(self.text_encoder, self.empty_ids[None, None]).to(known)
            return torch.where(dropped, self._empty_states.repeat(1, ids.shape[1], 1), known)

    def timesteps(self, keys: torch.Tensor) -> torch.Tensor:
        """(batch,) long."""
        if self.timestep_sampling == "uniform":
            return uniform_timesteps(uniform(keys, TIMESTEP)[:, 0], self.first, self.last)
        drawn = normal(keys, TIMESTEP, ())
        return logit_normal_timesteps(drawn, self.first, self.last, self.logit_mean, self.logit_std)

    def noise(self, keys: torch.Tensor, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        """The noise to tell, and the noise that is seen, (batch, *shape) each."""
        noise = normal(keys, NOISE, shape)
        if self.offset_noise:
            noise = noise + self.offset_noise * normal(keys, OFFSET, (shape[0], 1, 1))
        if not self.input_perturbation:
            return noise, noise
        return noise, noise + self.input_perturbation * normal(keys, PERTURBATION, shape)

    def training_step(self, batch: Batch, phase: str) -> Losses:
        latents, keys = batch["latents"].float(), batch["keys"]
        noise, seen = self.noise(keys, latents.shape[1:])
        timesteps = self.timesteps(keys)
        noisy = add_noise(latents, seen, timesteps, self.alphas_cumprod)
        target = prediction_target(self.prediction_type, latents, noise, timesteps, self.alphas_cumprod)
        prediction = self.predict(noisy, timesteps, self.states(batch["ids"], keys, batch.get("states")), batch)
        errors = masked_mean((prediction.float() - target).square(), batch.get("mask"))
        weights = batch.get("weight", torch.ones_like(errors))
        if self.snr_gamma is not None:
            weights = weights * min_snr_weight(self.prediction_type, timesteps, self.alphas_cumprod, self.snr_gamma)
        return {"loss": (errors * weights).mean(), **self._parts(errors.detach(), timesteps, batch.get("weight"))}

    def _parts(self, errors: torch.Tensor, timesteps: torch.Tensor, weight: torch.Tensor | None) -> Losses:
        """The errors, unweighted, of bands of timesteps, and of DreamBooth's instance and class pictures: each a sum
        and a count, for a band may have no sample in this batch."""
        steps = len(self.alphas_cumprod)
        edges = [steps * i // self.bands for i in range(self.bands + 1)] if self.bands else []
        chosen = {f"loss/{low}-{high - 1}": (timesteps >= low) & (timesteps < high) for low, high in pairwise(edges)}
        if weight is not None:
            chosen |= {"loss/instance": weight == 1, "loss/prior": weight != 1}
        sums = {f"{name}:sum": (errors * which).sum() for name, which in chosen.items()}
        return sums | {f"{name}:count": which.sum() for name, which in chosen.items()}

    def _check(self) -> None:
        steps, wrong = len(self.alphas_cumprod), list[str]()
        if not 0 <= self.first <= self.last < steps:
            wrong.append(f"timestep_range is {(self.first, self.last)}; give two of 0 to {steps - 1}, the lower first")
        wrong += [fault.message for fault in faults_in(DenoisingOptions, vars(self))]
        if not self.logit_std > 0:
            wrong.append(f"logit_std is {self.logit_std}; it must be positive, such as 1")
        if not 0 <= self.bands <= steps:
            wrong.append(f"bands is {self.bands}; it must be in [0, {steps}]")
        if wrong:
            raise UserError("this can't be trained: " + "; ".join(wrong))
