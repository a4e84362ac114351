"""LoRAs and textual-inversion embeddings of any origin: read, looked at, used in a pipeline, written."""

from pai_modelscope.adapters.embeddings import Embedding, read_embedding, read_embeddings, write_embedding
from pai_modelscope.adapters.extract import extract_lora
from pai_modelscope.adapters.find import lora_place
from pai_modelscope.adapters.lora import LoraFile
from pai_modelscope.adapters.merged import save_merged
from pai_modelscope.adapters.read import read_lora
from pai_modelscope.adapters.summary import inspect
from pai_modelscope.adapters.tokens import load_embedding
from pai_modelscope.adapters.use import load_lora, loaded_loras, merge_lora, set_loras, unload_lora
from pai_modelscope.adapters.write import write_lora

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
    "unload_lora",
    "write_embedding",
    "write_lora",
]
