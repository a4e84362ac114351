"""Pictures as files and pages: what users bring, masks, control pictures, parameters in PNG, contact sheets."""

from pai_modelscope.images.contact_sheet import contact_sheet
from pai_modelscope.images.open_images import Resized, nearest_size, open_image, open_mask, resize

__all__ = ["Resized", "contact_sheet", "nearest_size", "open_image", "open_mask", "resize"]
