"""Decoding bodies: whatever two JSON readers could understand differently is refused."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.surfaces.gateway.wire import WireError, decode, encode, parse_object

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_every_proper_text_is_read_as_the_standard_reader_reads_it(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert decode(text.encode()) == json.loads(text)


@given(VALUES)
def test_what_is_sent_on_is_what_was_read(value):
    assert decode(encode(value)) == value


@given(st.dictionaries(st.text(), VALUES, min_size=1, max_size=4), st.data())
def test_a_repeated_key_is_always_found(value, data):
    key = data.draw(st.sampled_from(sorted(value)))
    pairs = [f"{json.dumps(k)}:{json.dumps(v)}" for k, v in value.items()]
    again = data.draw(st.integers(0, len(pairs)))
    escaped = "".join(f"\\u{ord(c):04x}" for c in key if ord(c) < 0xD800 or 0xDFFF < ord(c) < 65536)
    spelled = f'"{escaped}"' if json.loads(f'"{escaped}"') == key else json.dumps(key)
    pairs.insert(again, f"{spelled}:null")
    with pytest.raises(WireError, match="twice"):
        decode(("{" + ",".join(pairs) + "}").encode())


@given(st.binary(max_size=60))
def test_no_bytes_cause_anything_but_a_wire_error(data):
    with contextlib.suppress(WireError):
        decode(data)


@pytest.mark.parametrize("digits", ["18446744073709551616", "-18446744073709551616", "9" * 5000])
def test_integers_beyond_64_bits_are_refused(digits):
    with pytest.raises(WireError):
        decode(f'{{"n":{digits}}}'.encode())


def test_integers_within_64_bits_are_exact():
    for number in ((1 << 64) - 1, -(1 << 63), 1 << 60):
        assert decode(f'{{"n":{number}}}'.encode()) == {"n": number}


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "1", '{"a":1,"a":1}', "{", '{"a":1}x', "\ud800"]
)
def test_only_one_unambiguous_object_is_an_object(text):
    assert parse_object(text) is None


def test_an_object_is_an_object():
    assert parse_object(' {"a": [1]} ') == {"a": [1]}
