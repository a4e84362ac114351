"""XMP and labels of any kind are a value or one sentence."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pai_modelscope.images.aigc_label import FIELDS, label_fields, labels_in_xmp
from tests.support.fuzzing import fuzz, texts, value_or_error, values

pytestmark = pytest.mark.fuzz

OPEN = '<x xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/">'
XML = ["<TC260:AIGC>", "</TC260:AIGC>", "</x>", "<TC260:AIGC TC260:AIGC='", "'/>", "&a;", "&lt;", "<![CDATA[", "]]>"]
XML += [
    '<!DOCTYPE x [<!ENTITY a "&a;&a;">]>',
    '<?xml version="1.0" encoding="utf-16"?>',
    "<!--",
    "-->",
    '{"Label":"1"}',
]


@fuzz
@given(st.sampled_from(["", OPEN]), texts(*XML), st.sampled_from(["", "</x>"]))
def test_xmp(head: str, middle: str, end: str) -> None:
    found = value_or_error(labels_in_xmp, f"{head}{middle}{end}")
    assert found is None or all(isinstance(label, str) for label in found)


@fuzz
@given(st.one_of(values(), st.dictionaries(st.sampled_from([*FIELDS, "AIGC"]), values(), max_size=8)))
def test_labels(value: Any) -> None:
    fields = value_or_error(label_fields, json.dumps(value, default=str))
    assert fields is None or list(fields) == list(FIELDS)


@fuzz
@given(texts("{", "}", '"', ":", ",", "[", *FIELDS))
def test_texts_of_labels(text: str) -> None:
    value_or_error(label_fields, text)
