"""What every test uses: the shipped model."""

import os

# Two threads, so that the pictures are the same on every machine.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("GOMP_SPINCOUNT", "500")  # waiting threads would spin, and slow down a shared machine
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
