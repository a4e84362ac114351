"""Pictures as files and pages: what users bring, masks, control pictures, parameters in PNG, contact sheets."""

from pai_modelscope.images.inputs import Resized, nearest_size, open_image, open_mask, resize
from pai_modelscope.images.sheet import contact_sheet

__all__ = ["Resized", "contact_sheet", "nearest_size", "open_image", "open_mask", "resize"]
