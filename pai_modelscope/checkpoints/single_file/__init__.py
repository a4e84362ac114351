"""Whole models and ControlNets as the one file that CompVis's code and the WebUI read, and back."""

from pai_modelscope.checkpoints.single_file.read import from_single_file
from pai_modelscope.checkpoints.single_file.write import to_single_file

__all__ = ["from_single_file", "to_single_file"]
