"""Chinese prompts on their way to the UNet: chunks beyond the encoder's length, weights, unknown characters."""

from pai_modelscope.text.chunks import chunk_ids
from pai_modelscope.text.encode import encode_ids

__all__ = ["chunk_ids", "encode_ids"]
