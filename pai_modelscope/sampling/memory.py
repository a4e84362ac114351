"""How much memory pictures take while they are drawn, estimated: on a CPU nobody says no before the kernel kills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

    from pai_modelscope.families import ModelFamily
    from pai_modelscope.sampling.request import ResolvedRequest

# Numbers of a width that are held for each latent of a row, and for each pixel that is decoded. Measured on the shipped
# model at 256 to 1024 pixels, one to eight pictures, one to six texts joined by AND: 25 and 7 (9 below 512 pixels); in
# the shape of the released checkpoints at 512 pixels, one and eight texts: 23 and 7.
_OF_NETWORK, _OF_DECODER = 28, 9
_OF_CONTROL = 0.6  # of a row, for a ControlNet
_FINISHED = 24  # bytes of a pixel of a picture that is made larger


@dataclass(frozen=True)
class MemoryNeeds:
    """What one model takes. `row`: bytes for each pixel of a picture and row of the denoising network; `decoded`: bytes
    for each pixel that the autoencoder decodes, which it does picture by picture."""

    row: float
    decoded: float

    @classmethod
    def of(cls, pipe: "DiffusionPipeline", family: "ModelFamily") -> "MemoryNeeds":
        network, decoder = getattr(pipe, family.network), getattr(pipe, "vae", None)
        # Pixels a side, of what the network sees as one.
        pixels = getattr(pipe, "vae_scale_factor", 8) * (network.config.get("patch_size") or 1)
        row = _OF_NETWORK * _width(network.config) * network.dtype.itemsize / pixels**2
        decoded = _OF_DECODER * _width(decoder.config) * decoder.dtype.itemsize if decoder is not None else 0.0
        return cls(row, decoded)

    def bytes(self, pictures: "Sequence[ResolvedRequest]", at_once: int) -> int:
        """What a job's pictures take beside the model, so many drawn at once where none of them says how many."""
        return max(int(self._of(picture, picture.batch_size or at_once)) for picture in pictures)

    def _of(self, picture: "ResolvedRequest", at_once: int) -> float:
        sizes = [picture.width * picture.height] * len(picture.passes)
        finished = sizes[0] * (picture.upscale.factor**2 if picture.upscale else 1)
        sizes[1:] = [finished] * (len(sizes) - 1)
        rows = [len(each.parts) + 1 + _OF_CONTROL * len(picture.controls) for each in picture.passes]
        drawn = max(self.row * size * count for size, count in zip(sizes, rows, strict=True)) * at_once
        return max(drawn, self.decoded * sizes[-1]) + _FINISHED * finished


def _width(config: Mapping[str, Any]) -> int:
    """The channels at a network's full resolution."""
    if widths := config.get("block_out_channels"):
        return int(widths[0])
    return int(config.get("num_attention_heads") or 16) * int(config.get("attention_head_dim") or 64)
