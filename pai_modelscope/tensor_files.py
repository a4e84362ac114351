"""Weight files opened without running what may hide in them, and written without replacing anything."""

import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from pai_modelscope import limits
from pai_modelscope.errors import UserError, reason
from pai_modelscope.files import new
from pai_modelscope.model_layout import AGAIN, weight_files
from pai_modelscope.pickles import asks_for_more, check_pickle, check_sizes
from pai_modelscope.untrusted import open_regular

PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_FLOAT4 = getattr(torch, "float4_e2m1fn_x2", None)  # two numbers in a byte, since PyTorch 2.8


def read_tensors(path: Path) -> tuple[object, dict[str, str]]:
    """Read a weight file of any format: its content, and a safetensors header's own entries.

    A pickle opens only as plain tensors. What a file claims is compared with its size before anything is allocated.
    Raises `UserError` for what is missing, cut short, no regular file, a Git LFS pointer, or of another format.
    """
    if not path.exists():
        raise UserError(f"There is no file {path}. Give a LoRA's or an embedding's file or folder.")
    refuse_pointer(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in PICKLES:
        return read_pickle(path), {}
    raise UserError(f"{path} is no weight file: give a .safetensors, .bin or .pt file, or a folder that holds one.")


def refuse_pointer(path: Path) -> None:
    """Raise `UserError` for what Git LFS left in place of a file, and for what is no regular file."""
    try:
        with open_regular(path) as file:
            if file.read(64).startswith(b"version https://git-lfs"):
                raise UserError(f"{path} is a Git LFS pointer, no weights: run `git lfs pull` there or download it.")
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror or reason(error)}).") from None


def header_length(path: Path) -> int:
    """Read how many bytes a safetensors file's header has.

    Raises `UserError` where the header is cut short or larger than `limits.HEADER_BYTES`.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
    if length > max(size, limits.HEADER_BYTES):
        raise UserError(f"{path} is no safetensors file. {AGAIN}")
    if size < 8 + length:
        raise UserError(f"{path} is cut short: {size} bytes are not all of it. {AGAIN}")
    if length > limits.HEADER_BYTES:
        raise UserError(f"{path} has a header of {length} bytes; valid are up to {limits.HEADER_BYTES}.")
    return length


def read_metadata(path: Path) -> dict[str, str]:
    """Read a safetensors header's own entries. Raises `UserError` for what is no safetensors file."""
    from safetensors import SafetensorError, safe_open

    header_length(path)
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is corrupt, cut short or no safetensors file ({reason(error)}). {AGAIN}") from None


def _read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    header_length(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            names = list(file.keys())
            if len(names) > limits.TENSORS:
                raise UserError(f"{path} holds {len(names)} tensors; valid are up to {limits.TENSORS}.")
            metadata = {key: value for key, value in (file.metadata() or {}).items() if key != "format"}
            return {key: file.get_tensor(key) for key in names}, metadata
    except UserError:
        raise
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:  # the last: a size that no tensor can have
        raise UserError(f"{path} is corrupt, cut short or no safetensors file ({reason(error)}). {AGAIN}") from None


def read_pickle(path: Path, *, shapes_only: bool = False) -> object:
    """Open a pickle as plain tensors; with `shapes_only`, as tensors on 'meta', and without reading their values.

    Raises `UserError` if it is damaged, asks for anything else, or claims more than its bytes hold.
    """
    check_pickle(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the pickle's age
            device, mmap = ("meta", _is_zip(path)) if shapes_only else ("cpu", None)
            content: object = torch.load(path, map_location=device, weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        raise asks_for_more(path, error) from None
    except Exception as error:  # whatever damaged bytes set off in there
        raise UserError(f"{path} is corrupt or cut short, or no PyTorch file ({reason(error)}). {AGAIN}") from None
    check_sizes(path, content)
    return content


def _is_zip(path: Path) -> bool:
    """Whether it is a pickle of today, which can be mapped into memory."""
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Read a weight file of names and tensors. Raises `UserError` as `read_tensors`, and for any other content."""
    content, _ = read_tensors(path)
    if not isinstance(content, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in content.values()):
        raise UserError(f"{path} holds no plain dictionary of tensors: these are no weights. {AGAIN}")
    return content


def read_part(part: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of one part of a model folder, in the dtypes that they are stored in."""
    tensors: dict[str, torch.Tensor] = {}
    for file in weight_files(part):
        tensors |= read_state(file)
    return tensors


def is_float8(tensor: torch.Tensor) -> bool:
    """Whether it is in one of the float8 types, which PyTorch stores and converts, but does not calculate with."""
    return tensor.is_floating_point() and tensor.element_size() == 1 and tensor.dtype != _FLOAT4


def widened(tensor: torch.Tensor) -> torch.Tensor:
    """float8 as float32, which has every value of it; every other tensor as it is."""
    return tensor.float() if is_float8(tensor) else tensor


def all_finite(tensor: torch.Tensor) -> bool:
    """Whether no value is NaN or infinite; False for types that PyTorch can't read, such as float4."""
    return tensor.dtype != _FLOAT4 and bool(widened(tensor).isfinite().all())


def write_new(path: Path, write: Callable[[Path], None], *, folder: bool = False) -> Path:
    """Have `write` fill a temporary file (or folder) beside `path`, then give it that name.

    Raises `UserError` if something of that name exists (an empty folder does not count), and if it can't be written;
    on any error nothing is left behind.
    """
    from safetensors import SafetensorError

    check_free(path, folder=folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new(path) as made:
            if folder:
                made.mkdir()
            write(made)
            check_free(path, folder=folder)
    except (OSError, SafetensorError) as error:
        why = (isinstance(error, OSError) and error.strerror) or reason(error)
        raise UserError(f"{path} can't be written ({why}): make room there or give another place.") from None
    return path


def check_free(path: Path, *, folder: bool = False) -> None:
    """Raise `UserError` if something of that name exists; an empty folder may become the folder that is wanted."""
    empty = folder and path.is_dir() and not any(path.iterdir())
    if os.path.lexists(path) and not empty:
        raise UserError(f"{path} exists already and is not replaced: give another name or remove it.")


def save_safetensors(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
    from safetensors.torch import save_file

    save_file(_apart(tensors), path, {"format": "pt"} | metadata)


def _apart(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of one file may share no memory, and must lie in a row; a whole model is not copied for that."""
    taken: set[int] = set()
    apart = {}
    for key, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage()
        if storage.nbytes() != tensor.nbytes or storage.data_ptr() in taken:
            tensor = tensor.clone()
        taken.add(tensor.untyped_storage().data_ptr())
        apart[key] = tensor
    return apart
