"""ModelScope pipelines: thin adapters over `sampling`, registered when ModelScope is imported.

This file itself imports nothing heavy; `register` is what imports ModelScope.
"""

__all__ = ["register"]


def register() -> None:
    """Register all pipelines now, and let hub models of our family reach them. Repeating it is harmless."""
    from pai_modelscope.pipelines import dispatch, editing, text_to_image  # noqa: F401  classes register themselves

    dispatch.install()
