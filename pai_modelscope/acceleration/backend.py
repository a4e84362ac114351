"""What a backend is: the one seam through which a denoising network is called while pictures are drawn."""

from collections.abc import Mapping
from typing import Protocol

import torch

from pai_modelscope.families import Inputs


class Backend(Protocol):
    """Evaluates one denoising network, and decides how: as it stands, compiled, captured, in another runtime."""

    @property
    def name(self) -> str:
        """What a picture's parameters call it, such as 'eager'."""

    @property
    def config(self) -> Mapping[str, object]:
        """The network's configuration, with its entries as attributes, too."""

    @property
    def dtype(self) -> torch.dtype:
        """The type in which samples are given and predictions come back."""

    @property
    def device(self) -> torch.device:
        """Where samples are given and predictions come back."""

    def predict(self, sample: torch.Tensor, timestep: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        """The network's prediction (rows, C, H, W) for noisy samples (rows, channels, H, W).

        `timestep`: one for all rows, or one a row, as the model's family has it; `inputs`: by the names of the
        network's arguments, what else it is given.
        """

    def use_adapters(self, weights: Mapping[str, float]) -> None:
        """Have predictions follow exactly these of the loaded adapters, at these weights.

        An adapter of another part, such as the text encoder, changes nothing here. No adapter, or weights of 0, give
        the bits of the network as it was opened.

        Raises:
            UserError: a weight that is no number.
        """
