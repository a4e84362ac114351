"""Chinese prompts on their way to the UNet: chunks beyond the encoder's length, weights, unknown characters."""

from pai_modelscope.text.chunks import chunk_ids
from pai_modelscope.text.encode import encode_ids, encode_prompts
from pai_modelscope.text.placeholders import expand
from pai_modelscope.text.unknown_characters import unknown_characters
from pai_modelscope.text.weights import parse_weights

__all__ = ["chunk_ids", "encode_ids", "encode_prompts", "expand", "parse_weights", "unknown_characters"]
