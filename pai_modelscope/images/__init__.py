"""Pictures as files and pages: generation parameters in PNG, contact sheets, named colours."""

from pai_modelscope.images.sheet import contact_sheet

__all__ = ["contact_sheet"]
