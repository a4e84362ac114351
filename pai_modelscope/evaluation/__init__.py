"""How good a model's pictures are: a judge that names them, distances to real art, and a table with its sources."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pai_modelscope.evaluation.critic import Critic
    from pai_modelscope.evaluation.judge import Judge
    from pai_modelscope.evaluation.metrics import background_colour, frechet_distance, psnr, retrieval

__all__ = ["Critic", "Judge", "background_colour", "frechet_distance", "psnr", "retrieval"]


def __getattr__(name: str) -> object:
    """Import on use: the processes that render pictures load this package, and need no torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = {"Critic": "critic", "Judge": "judge"}.get(name, "metrics")
    value: object = getattr(import_module(f"{__name__}.{module}"), name)
    return value
