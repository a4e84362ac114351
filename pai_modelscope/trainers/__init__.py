"""ModelScope trainers: thin adapters over `training`, registered when ModelScope's are imported.

This file itself imports nothing heavy; `register` is what imports ModelScope.
"""

__all__ = ["register"]


def register() -> None:
    """Register all trainers now. Repeating it is harmless."""
    from pai_modelscope.trainers import trainer  # noqa: F401  classes register themselves
