"""LoRAs and textual-inversion embeddings of any origin: read, looked at, used in a pipeline, written."""

from pai_modelscope.adapters.embedding_io import Embedding, read_embedding, read_embeddings, write_embedding
from pai_modelscope.adapters.embedding_loader import load_embedding
from pai_modelscope.adapters.extract import extract_lora
from pai_modelscope.adapters.lora_io.file import LoraFile
from pai_modelscope.adapters.lora_io.locate import lora_place
from pai_modelscope.adapters.lora_io.read import read_lora
from pai_modelscope.adapters.lora_io.write import write_lora
from pai_modelscope.adapters.lora_loader import (
    load_lora,
    loaded_loras,
    merge_lora,
    set_loras,
    set_network_loras,
    unload_lora,
)
from pai_modelscope.adapters.merge import save_merged
from pai_modelscope.adapters.summary import inspect

__all__ = [
    "Embedding",
    "LoraFile",
    "extract_lora",
    "inspect",
    "load_embedding",
    "load_lora",
    "loaded_loras",
    "lora_place",
    "merge_lora",
    "read_embedding",
    "read_embeddings",
    "read_lora",
    "save_merged",
    "set_loras",
    "set_network_loras",
    "unload_lora",
    "write_embedding",
    "write_lora",
]
