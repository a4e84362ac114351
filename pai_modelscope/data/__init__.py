"""Training sets in their forms on disk, and the one that ships with the package: pictures with Chinese names.

What needs torch is imported from its own module: `batches`, `cached_batches`, `augmentation`.
"""

from pai_modelscope.data.checking import Scanned, scan
from pai_modelscope.data.combined import join
from pai_modelscope.data.examples import Example, TrainingSet
from pai_modelscope.data.geometry import Geometry
from pai_modelscope.data.load_dataset import TrainingData, open_training_set
from pai_modelscope.data.render import render_svg
from pai_modelscope.data.shipped import SPLITS, open_dataset, shipped_records

__all__ = [
    "SPLITS",
    "Example",
    "Geometry",
    "Scanned",
    "TrainingData",
    "TrainingSet",
    "join",
    "open_dataset",
    "open_training_set",
    "render_svg",
    "scan",
    "shipped_records",
]
