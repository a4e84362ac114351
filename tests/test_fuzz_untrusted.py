"""JSON, YAML and names of any kind are a value or one sentence."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pai_modelscope.errors import UserError
from pai_modelscope.untrusted import inside, parse_json, read_yaml
from tests.support.fuzzing import SECONDS, fuzz, texts, value_or_error

pytestmark = pytest.mark.fuzz

JSON = ['{"a": ', '["', '"]', "}", "[[[[[[[[", "1e400", "-Infinity", '"\\ud800"', ","]
YAML = [
    "a: ",
    "- ",
    "&a ",
    "*a",
    "<<: ",
    "!!python/name:os.system ",
    "!!binary ",
    "2024-02-30",
    "1:60:60",
    "? ",
    "|\n  ",
    "%YAML 9",
]


@fuzz
@given(texts(*JSON))
def test_json(text: str) -> None:
    value_or_error(parse_json, text, "a.json")


@fuzz
@given(st.one_of(texts(*YAML), st.binary(max_size=60)))
def test_yaml(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    value_or_error(read_yaml, path)


@fuzz
@given(texts("../", "..\\", "/etc", "C:", "~", "a/", "b.png", "link/"))
def test_names(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir(exist_ok=True)
    link = tmp_path / "folder" / "link"
    if not link.is_symlink():
        link.symlink_to(tmp_path)
    found = value_or_error(inside, tmp_path / "folder", name)
    assert found is None or found.resolve().is_relative_to((tmp_path / "folder").resolve())


def test_the_property_sees_time_memory_and_other_errors() -> None:
    with pytest.raises(AssertionError, match=r"took [\d.]+ s"):
        value_or_error(_work_too_long)
    with pytest.raises(AssertionError, match="MiB more"):
        value_or_error(lambda: bytearray(300 * 2**20).count(1))
    with pytest.raises(KeyError):
        value_or_error(lambda: {}["a"])
    assert value_or_error(_refuse) is None


def _work_too_long() -> None:
    begun = time.process_time()
    while time.process_time() - begun < 1.1 * SECONDS:
        pass


def _refuse() -> None:
    raise UserError("no")
