"""Whole models and ControlNets as one file, as other programs keep them, and back: each family has its layout."""

import os
from pathlib import Path

from pai_modelscope.families.registry import family_of_file, family_of_folder
from pai_modelscope.tensor_files import check_free
from pai_modelscope.zoo.resolve import model_dir


def to_single_file(
    model: str | os.PathLike[str], path: str | os.PathLike[str], base: str | os.PathLike[str] | None = None
) -> Path:
    """Write a model (a folder, a name of the zoo, a hub id) or a ControlNet's folder as one file, and return its path.

    base: of a control adapter of low rank, the model that it was made for; the zoo knows the base of its own.

    Raises:
        UserError: what has no such layout, and a `path` that exists; nothing is left behind.
    """
    check_free(Path(path))  # before a model is downloaded
    folder = model_dir(model)
    return family_of_folder(folder).write_single_file(folder, Path(path), base)


def from_single_file(
    path: str | os.PathLike[str], folder: str | os.PathLike[str], base: str | os.PathLike[str] | None = None
) -> Path:
    """Write the model or the ControlNet in a file as a folder that every library opens, and return its path.

    base: a folder, a name of the zoo or a hub id, whose tokenizer, scheduler and configurations the folder gets; a file
    that `to_single_file` wrote has its own.

    Raises:
        UserError: what is no such file or does not fit, and a `folder` that exists; nothing is left behind.
    """
    return family_of_file(Path(path)).read_single_file(Path(path), Path(folder), base)
