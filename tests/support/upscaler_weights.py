"""Weights of the painter's upscaler for tests of how it runs: random ones, or such that repeat the nearest pixel."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from pai_modelscope.images.upscalers.painter_network import PainterUpscaler


def random_upscaler() -> PainterUpscaler:
    """A network in which a pixel's result depends on all that its convolutions reach."""
    torch.manual_seed(0)
    network = PainterUpscaler().eval()
    for layer in network.layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=0.25)
    network.layers[-2].weight.data *= 0.2
    return network


def write_weights(network: PainterUpscaler, file: Path) -> Path:
    """As the recipe writes them, in float16."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, file)
    return file
