"""ControlNet: a trained copy of the UNet's encoder reads a picture and steers the frozen UNet (Zhang et al. 2023,
arXiv:2302.05543)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Unpack

import torch
from diffusers import ControlNetModel, DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from torch import nn

from pai_modelscope.adapters.control import FILE as CONTROL_ADAPTER
from pai_modelscope.adapters.control import (
    attach_control_lora,
    controlnet_folder,
    hint_channels,
    is_control_lora,
    load_control_lora,
    write_control_lora,
)
from pai_modelscope.adapters.result_manifest import Tuned, write_tuned
from pai_modelscope.config.option import faults_in
from pai_modelscope.data import TrainingData, TrainingSet
from pai_modelscope.errors import UserError
from pai_modelscope.methods.base import Batch
from pai_modelscope.methods.controlnet.options import ControlNetOptions
from pai_modelscope.methods.denoising import Denoising, Networks
from pai_modelscope.methods.denoising_options import DenoisingArguments
from pai_modelscope.methods.fine_tuning import FineTuning
from pai_modelscope.zoo import model_dir

CONTROL = "control"  # the kind of control picture of a training set that brought its own


class ControlNetTraining(Denoising):
    """A batch holds, beside latents and ids, `control` (batch, 3, height, width) in [0, 1]: edges, depth, a pose."""

    stored_name = "ControlNetTraining"

    def __init__(
        self,
        unet: UNet2DConditionModel,
        text_encoder: nn.Module,
        scheduler: DDIMScheduler | DDPMScheduler,
        empty_ids: torch.Tensor,
        *,
        controlnet: ControlNetModel | None = None,
        rank: int | None = ControlNetOptions.rank,
        seed: int = 0,
        **options: Unpack[DenoisingArguments],
    ):
        """`controlnet`: one to train on; None begins with a copy of the UNet's encoder whose outputs are zero.
        `rank`: the copy itself stays, and learns by matrices of that rank; None trains all of it.
        `seed`: of the first values of what no UNet has: the layers that read the picture, and the matrices."""
        if faults := faults_in(ControlNetOptions, {"rank": rank}):
            raise UserError(f"{faults[0].message}, or leave it out: all of the copy learns then", faults)
        super().__init__(unet.requires_grad_(False), text_encoder, scheduler, empty_ids, **options)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.controlnet = controlnet or ControlNetModel.from_unet(unet)
            self.controlnet.requires_grad_(True)
            if rank:
                attach_control_lora(self.controlnet, rank)
        if options.get("gradient_checkpointing"):
            self.controlnet.enable_gradient_checkpointing()

    def compilable_modules(self) -> list[nn.Module]:
        return [self.controlnet, self.unet]

    def control_network(self) -> nn.Module:
        network: nn.Module = self.controlnet
        return network

    def predict(self, noisy: torch.Tensor, timesteps: torch.Tensor, states: torch.Tensor, batch: Batch) -> torch.Tensor:
        down, middle = self.controlnet(noisy, timesteps, states, batch["control"], return_dict=False)
        prediction: torch.Tensor = self.unet(
            noisy,
            timesteps,
            states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]
        return prediction

    def save(self, folder: Path) -> None:
        if is_control_lora(self.controlnet):
            write_control_lora(self.controlnet, folder / "controlnet")
        else:
            self.controlnet.save_pretrained(folder / "controlnet", safe_serialization=True)


class ControlNetFineTuning(FineTuning[ControlNetOptions, ControlNetTraining]):
    def create_method(self) -> ControlNetTraining:
        options, seed, pipe = self.options, self.context.loop.seed, self.context.pipe
        networks, arguments = Networks.of(options, self.context.pipe), options.arguments()
        if not options.controlnet_model_name_or_path:
            return ControlNetTraining(*networks, rank=options.rank, seed=seed, **arguments)
        folder = controlnet_folder(model_dir(options.controlnet_model_name_or_path))
        if not options.rank:
            return ControlNetTraining(*networks, controlnet=self.family.open_controlnet(folder, pipe), **arguments)
        if not (folder / CONTROL_ADAPTER).is_file():
            raise UserError(
                f"rank is {options.rank}, but {folder} is a whole ControlNet, all of which must learn: leave rank out"
            )
        net = ControlNetModel.from_unet(pipe.unet, conditioning_embedding_out_channels=hint_channels(folder))
        method = ControlNetTraining(*networks, controlnet=net, rank=options.rank, **arguments)
        load_control_lora(method.controlnet, folder)
        return method

    @property
    def annotator(self) -> str | None:
        return self.options.annotator

    @property
    def control_kind(self) -> str:
        return self.annotator or CONTROL

    def training_set(self) -> TrainingSet:
        return self._checked(super().training_set())

    def held_out_set(self, source: TrainingData) -> TrainingSet:
        return self._checked(super().held_out_set(source))

    def validation_control(self, images: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return {self.control_kind: images} if images else {}

    def export(self, folder: Path) -> None:
        super().export(folder)
        write_tuned(folder, Tuned(self.context.base_model, controlnets={self.control_kind: "controlnet"}))

    def _checked(self, pictures: TrainingSet) -> TrainingSet:
        if not self.annotator and pictures[0].condition is None:
            raise UserError(
                "the pictures have no conditions, which a ControlNet is to follow: name a conditioning_image_column, "
                "or set an annotator that draws them, such as canny"
            )
        return pictures
