"""Pictures with Chinese names: the data set that ships with the package, and SVG rendering."""

from pai_modelscope.data.render import render_svg
from pai_modelscope.data.shipped import SPLITS, open_dataset, shipped_records

__all__ = ["SPLITS", "open_dataset", "render_svg", "shipped_records"]
