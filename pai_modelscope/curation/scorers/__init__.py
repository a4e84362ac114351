"""The scorers of this package, one file each; `curation/scorer.py` lists them."""
