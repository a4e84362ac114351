"""What makes networks draw sharp pixels: features of a trained tower, and a contest with a second network.

Distances between features of version 1's judge see what a mean of pixels does not (after Zhang et al. 2018,
arXiv:1801.03924). The contest is with a small discriminator of patches (Isola et al. 2017, arXiv:1611.07004; hinge
loss, Lim and Ye 2017, arXiv:1705.02894), which is a phase of its own.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from transformers import VisionTextDualEncoderModel

from pai_modelscope.methods.base import Losses, Phase

JUDGE = Path("pai_modelscope/assets/judge")  # of version 1
DISCRIMINATOR = "discriminator"


class Features(nn.Module):
    """How differently a trained image tower sees two pictures."""

    def __init__(self, tower: nn.Module):
        super().__init__()
        self.tower = tower.eval().requires_grad_(False)

    @classmethod
    def of_judge(cls) -> "Features":
        return cls(VisionTextDualEncoderModel.from_pretrained(JUDGE).vision_model)

    def train(self, mode: bool = True) -> "Features":
        """Stays as it is: its batch norm must not learn."""
        return self

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The mean squared distance of features, each of length 1, of (n, 3, h, w) in [-1, 1]; a mean over blocks."""
        both = torch.cat([output, target])
        hidden = self.tower(both, output_hidden_states=True).hidden_states
        distances = []
        for features in hidden[1 : 1 + len(hidden) // 2]:  # the later ones are too coarse to place an edge
            a, b = F.normalize(features.float(), dim=1).chunk(2)
            distances.append((a - b).square().sum(1).mean())
        return torch.stack(distances).mean()


class Discriminator(nn.Sequential):
    """Says of every patch of about 34 pixels whether it is real: above 0, or drawn: below 0."""

    def __init__(self, width: int = 48):
        def block(before: int, after: int, stride: int) -> list[nn.Module]:
            convolution = nn.utils.parametrizations.spectral_norm(nn.Conv2d(before, after, 4, stride, 1))
            return [convolution, nn.LeakyReLU(0.2)]

        layers = [*block(3, width, 2), *block(width, 2 * width, 2), *block(2 * width, 4 * width, 1)]
        super().__init__(*layers, nn.Conv2d(4 * width, 1, 4, 1, 1))


class Contest(nn.Module):
    """A discriminator, and what has just been drawn to fool it."""

    def __init__(self) -> None:
        super().__init__()
        self.discriminator = Discriminator()
        self.drawn: tuple[torch.Tensor, torch.Tensor] | None = None

    def phase(self, first: int) -> Phase:
        """Its training, from step `first` on."""
        return Phase(DISCRIMINATOR, [{"params": list(self.discriminator.parameters())}], first=first)

    def generator_loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of what drew `output` (n, 3, h, w) in [-1, 1]."""
        self.drawn = output.detach(), target
        return -self.discriminator(output).mean()

    def discriminator_losses(self) -> Losses:
        """On what was drawn last."""
        assert self.drawn is not None
        output, target = self.drawn
        fake, real = self.discriminator(output), self.discriminator(target)
        return {"loss": (F.relu(1 - real) + F.relu(1 + fake)).mean()}
