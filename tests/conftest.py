"""What every test uses: the shipped model."""

import os

# The tests leave two cores to the machine that they share, and give the same pictures whatever its size.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
