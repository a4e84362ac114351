"""Families of models: one file each, and a registry that is open to other packages."""

from pai_modelscope.families.family import Inputs, ModelFacts, ModelFamily, NetworkControl, Spread, States, Task
from pai_modelscope.families.registry import (
    STABLE_DIFFUSION,
    families,
    family_of_file,
    family_of_folder,
    family_of_pipeline,
    recognized,
    register_family,
)

__all__ = [
    "STABLE_DIFFUSION",
    "Inputs",
    "ModelFacts",
    "ModelFamily",
    "NetworkControl",
    "Spread",
    "States",
    "Task",
    "families",
    "family_of_file",
    "family_of_folder",
    "family_of_pipeline",
    "recognized",
    "register_family",
]
