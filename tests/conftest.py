"""What every test uses: the shipped model."""

import os

# One thread, so that the pictures are the same on every machine: as many tests run at a time as there are cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import copy
from typing import Any

import pytest

from tests.support.browser import browser as browser  # fixtures for all tests
from tests.support.gallery_site import small_gallery as small_gallery
from tests.support.hub_child import hub as hub
from tests.support.hub_child import shipped_files as shipped_files


@pytest.fixture
def shipped() -> Any:
    """The shipped model as a plain diffusers pipeline, for all tests: none may change it."""
    from tests.support.adapter_files import shipped_pipe

    return shipped_pipe()


@pytest.fixture
def pipe(shipped: Any) -> Any:
    """The shipped model, of which a test may change what it likes."""
    parts = {name: copy.deepcopy(shipped.components[name]) for name in ("unet", "text_encoder", "tokenizer")}
    made = type(shipped)(**{**shipped.components, **parts}, requires_safety_checker=False)
    made.unet.requires_grad_(False)
    made.text_encoder.requires_grad_(False)
    return made


@pytest.fixture(scope="module")
def sampler() -> Any:
    """The shipped model as users open it; the tests of a file share it."""
    from pai_modelscope import Sampler

    return Sampler.from_pretrained("pai-diffusion-mini-zh", device="cpu")
