"""Fine-tuning methods as another package would bring them: one that trains biases, one with two optimizers."""

from pathlib import Path
from typing import ClassVar

from torch import nn

from pai_modelscope.methods import Denoising, FineTuning, Phase
from pai_modelscope.methods.denoising import Networks
from pai_modelscope.zoo.folders import configure, copy_model
from tests.support.plugin_options import BIASES, TWO_PHASES, BiasOptions, TwoPhaseOptions, spec

__all__ = ["BIASES", "TWO_PHASES", "BiasFineTuning", "TwoPhaseFineTuning", "TwoPhaseTraining", "spec"]


class BiasTraining(Denoising):
    stored_name = "biases"

    def __init__(self, *networks, blocks: str, **options):
        super().__init__(*networks, **options)
        self.unet.requires_grad_(False)
        prefixes = (f"{blocks}_",) if blocks else ("up_", "down_")
        for name, module in self.unet.named_modules():
            # Not those of norms: with frozen weights beside them, PyTorch 2.13 crashed in their backward pass on a CPU.
            if name.startswith(prefixes) and isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
                module.bias.requires_grad_(True)

    def save(self, folder: Path) -> None:
        self.unet.save_pretrained(folder / "unet")


class BiasFineTuning(FineTuning[BiasOptions, BiasTraining]):
    def create_method(self) -> BiasTraining:
        networks = Networks.of(self.options, self.context.pipe)
        return BiasTraining(*networks, blocks=self.options.blocks, **self.options.arguments())

    def export(self, folder: Path) -> None:
        super().export(folder)
        copy_model(self.context.folder, folder, but=["unet"])
        configure(folder, base_model=self.context.base_model)


class TwoPhaseTraining(BiasTraining):
    SHARES: ClassVar = [("lower", 1, 0), ("upper", 2, 1)]  # name, every, first

    def phases(self) -> list[Phase]:
        named = [(name, parameter) for name, parameter in self.unet.named_parameters() if parameter.requires_grad]
        shares = [[parameter for name, parameter in named if name.startswith(part)] for part in ("down_", "up_")]
        return [
            Phase(name, [{"params": share}], every, first)
            for (name, every, first), share in zip(self.SHARES, shares, strict=False)
        ]

    def training_step(self, batch, phase):
        learns = {name.split("_")[0] for name, parameter in self.unet.named_parameters() if parameter.requires_grad}
        assert learns == {{"lower": "down", "upper": "up"}[phase]}, "a phase's gradient reaches what it trains alone"
        return super().training_step(batch, phase)


class TwoPhaseFineTuning(FineTuning[TwoPhaseOptions, TwoPhaseTraining]):
    def create_method(self) -> TwoPhaseTraining:
        return TwoPhaseTraining(*Networks.of(self.options, self.context.pipe), blocks="", **self.options.arguments())
