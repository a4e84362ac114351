"""Environment variables that libraries read when they are imported, and whose values they don't check."""

import os
from collections.abc import Callable
from urllib.parse import urlsplit

from pai_modelscope.config.option import short_repr
from pai_modelscope.errors import UserError

# Each raises `ValueError` for what can't be; with the words on what can. The libraries: huggingface_hub and tqdm.
_READERS: dict[str, tuple[Callable[[str], object], str]] = {
    **dict.fromkeys(("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"), (int, "a whole number of seconds")),
    "HF_ENDPOINT": (lambda text: urlsplit(text).port, "an address such as https://huggingface.co"),
    **dict.fromkeys(("TQDM_NCOLS", "TQDM_NROWS", "TQDM_POSITION"), (int, "a whole number")),
    **dict.fromkeys(
        ("TQDM_MININTERVAL", "TQDM_MAXINTERVAL", "TQDM_MINITERS", "TQDM_SMOOTHING", "TQDM_TOTAL", "TQDM_DELAY"),
        (float, "a number"),
    ),
}


def check_environment() -> None:
    """To be called before those libraries are imported.

    Raises:
        UserError: it names the first variable that would make an import fail.
    """
    for name, (read, valid) in _READERS.items():
        try:
            read(os.environ.get(name, "0"))
        except ValueError:
            value = short_repr(os.environ[name])
            raise UserError(f"the environment variable {name} is {value}; give {valid}, or unset it") from None
