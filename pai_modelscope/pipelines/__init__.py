"""ModelScope pipelines: thin adapters over `sampling`, registered when ModelScope is imported.

This file itself imports nothing heavy; `register` is what imports ModelScope.
"""

from pai_modelscope.pipelines.registration import register_on_import

__all__ = ["register", "register_on_import"]


def register() -> None:
    """Register all pipelines now, and let hub models of our family reach them. Repeating it is harmless."""
    from pai_modelscope.pipelines import dispatch, editing, text_to_image  # noqa: F401  classes register themselves

    dispatch.install()
