"""Chinese text-to-image models of the PAI-Diffusion family in ModelScope.

Importing this package registers its pipelines and trainers with ModelScope, and costs next to nothing: ModelScope
itself is imported only by whoever asks for it, before or after this import. The public names load their modules on
first use.
"""

import importlib
import logging
from typing import TYPE_CHECKING

from pai_modelscope.registration import register_on_import

if TYPE_CHECKING:
    from pai_modelscope.config import GenerationOptions
    from pai_modelscope.data import open_dataset
    from pai_modelscope.errors import UserError
    from pai_modelscope.sampling import Picture, Sampler
    from pai_modelscope.training.run import fine_tune
    from pai_modelscope.zoo import model_dir

__version__ = "0.1.0"
_MODULE_OF = {
    "GenerationOptions": "config",
    "Picture": "sampling",
    "Sampler": "sampling",
    "UserError": "errors",
    "fine_tune": "training.run",
    "model_dir": "zoo",
    "open_dataset": "data",
}
__all__ = [
    "GenerationOptions",
    "Picture",
    "Sampler",
    "UserError",
    "__version__",
    "fine_tune",
    "model_dir",
    "open_dataset",
]


def __getattr__(name: str) -> object:
    if name == "compat":
        return importlib.import_module(".compat", __name__)
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})


register_on_import()
# diffusers imports torchao where that is installed, and tells of kernels that nothing here calls.
for _name in ("torchao", "torch.utils._pytree", "diffusers.quantizers.torchao"):
    logging.getLogger(_name).setLevel(logging.ERROR)
