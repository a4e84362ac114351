"""Bounds that stand beside an option, and the one function that compares values with them."""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from pai_modelscope.config.option import Bounds, option, problem


@dataclass
class Options:
    rank: int = option(16, help="a value", minimum=1, maximum=4096)
    rate: float = option(1e-4, help="a value", above=0)
    beta: float = option(0.9, help="a value", minimum=0, below=1)
    share: float | None = option(None, help="a value", minimum=0, maximum=1)
    kind: str = option("a", help="a value", choices=("a", "b"))
    name: str = ""
    on: bool = False
    step: int | None = None


FIELDS = {field.name: field for field in fields(Options)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rank", 1),
        ("rank", np.int64(4096)),
        ("rate", 1),
        ("rate", np.float32(0.1)),
        ("beta", 0),
        ("share", None),
        ("share", 1.0),
        ("kind", "b"),
        ("name", "猫"),
        ("on", True),
        ("step", -(10**30)),
    ],
)
def test_what_is_within_bounds_is_no_problem(name: str, value: Any) -> None:
    assert problem(FIELDS[name], value) is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("rank", 0, "rank is 0; give a whole number from 1 to 4096"),
        ("rank", 10**9, "rank is 1000000000; give a whole number from 1 to 4096"),
        ("rank", 1.0, "rank is 1.0; give a whole number from 1 to 4096"),
        ("rank", True, "rank is True; give a whole number from 1 to 4096"),
        ("rank", None, "rank is None; give a whole number"),
        ("rate", 0, "rate is 0; give a number above 0"),
        ("rate", math.nan, "rate is nan; give a number above 0"),
        ("rate", math.inf, "rate is inf; give a number above 0"),
        ("rate", 10**400, f"rate is {'1' + '0' * 59}… (401 characters); give a number above 0"),
        ("beta", 1.0, "beta is 1.0; give a number of at least 0 and below 1"),
        ("beta", "0.5", "beta is '0.5'; give a number of at least 0 and below 1"),
        ("share", 1j, "share is 1j; give a number from 0 to 1"),
        ("kind", ["a"], "kind is ['a']; valid are 'a', 'b'"),
        ("name", 3, "name is 3; give a text"),
        ("on", "yes", "on is 'yes'; give true or false"),
        ("step", "x", "step is 'x'; give a whole number"),
    ],
)
def test_what_is_not_is_one_phrase(name: str, value: Any, said: str) -> None:
    assert problem(FIELDS[name], value) == said


def test_bounds_say_themselves() -> None:
    assert str(Bounds()) == ""
    assert str(Bounds(minimum=1)) == "of at least 1"
    assert str(Bounds(maximum=0.5)) == "of at most 0.5"
    assert str(Bounds(above=0, below=1)) == "above 0 and below 1"
