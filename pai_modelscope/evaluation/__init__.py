"""How good a model's pictures are: a judge that names them, distances to real art, and a table with its sources."""

from pai_modelscope.evaluation.judge import Judge
from pai_modelscope.evaluation.metrics import background_colour, frechet_distance, psnr, retrieval

__all__ = ["Judge", "background_colour", "frechet_distance", "psnr", "retrieval"]
