"""Whatever a caller passes, its record can be written, and says what was replaced."""

import dataclasses
import enum
import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.ledger.canonical import BODY_MAX, encode
from aegis.ledger.entry import Filter, Query, Row, facts, record_of, session_of, time_of, token
from aegis.ledger.record import KINDS, AdminBody, ApprovalBody, DecisionBody, OutcomeBody
from aegis.model import Actor, Finding, LedgerError, Near, Verdict


def written(params):
    data, plain = encode(DecisionBody("a-1", Actor(), params=params))
    assert b"\n" not in data
    return json.loads(data)["params"], plain


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no")


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int


def test_fields_stand_in_byte_order():
    for kind in KINDS.values():
        assert list(kind.__struct_fields__) == sorted(kind.__struct_fields__)


def test_equal_values_have_equal_bytes():
    one = encode(DecisionBody("a", Actor(), params={"b": 1, "a": {"d": 1, "c": {3, 1, 2}}}))
    other = encode(DecisionBody("a", Actor(), params={"a": {"c": {2, 3, 1}, "d": 1}, "b": 1}))
    assert one == other
    assert one[1]


def test_round_trip_of_typed_members():
    body = DecisionBody(
        "a-1",
        Actor("p", "agent", "s", "t"),
        findings=(Finding("g", "r", "c", verdict=Verdict.BLOCK),),
        near=(Near("rule", Verdict.REVIEW, "why"),),
    )
    assert msgspec.json.decode(encode(body)[0], type=DecisionBody) == body


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({1: "a", "1": "b"}, {"1": "a", "1#2": "b"}),
        ({None: 1, (1, 2): 2, True: 3}, {"None": 1, "(1, 2)": 2, "True": 3}),
        ({1, "a"}, [1, "a"]),
        ("\ud800", "\\ud800"),
        ({"\ud800": 1}, {"\\ud800": 1}),
        ([{1: float("inf")}, float("nan")], [{"1": "inf"}, "nan"]),
        ([float("inf"), float("nan")], [None, None]),
        (10**400, 10**400),
        pytest.param(-(10**5000), hex(-(10**5000)), id="5001 digits"),
        ({2: 2**70}, {"2": 2**70}),
        ({1: b"bytes"}, {"1": "Ynl0ZXM="}),
        ({1: Decimal("1.50")}, {"1": "1.50"}),
        ({1: datetime(2026, 1, 2, tzinfo=UTC)}, {"1": "2026-01-02T00:00:00Z"}),
        ({1: Color.RED, 2: Point(3)}, {"1": "red", "2": {"x": 3}}),
        (Unprintable(), "<Unprintable: repr raised RuntimeError>"),
    ],
)
def test_odd_values_are_written(value, expected):
    assert written(value)[0] == expected


def test_cycles_and_depth_end():
    cycle: list = []
    cycle.append(cycle)
    found, plain = written({"cycle": cycle})
    assert not plain
    assert "nested deeper than 64 levels" in json.dumps(found)


def test_a_long_repr_is_bounded():
    class Long:
        def __repr__(self):
            return "x" * 100_000

    assert len(written(Long())[0]) == 200


def test_an_oversized_member_becomes_its_digest():
    params = {"document": "x" * BODY_MAX}
    found, plain = written(params)
    raw = msgspec.json.encode(params)
    digest = hashlib.sha256(raw).hexdigest()
    assert found == {"bytes": len(raw), "sha256": digest, "truncated": True}
    assert not plain


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text() | st.integers() | st.none(), inner)
            | st.tuples(inner)
        ),
        max_leaves=20,
    )
)
@settings(max_examples=150, deadline=None)
def test_any_value_is_one_line_of_json(value):
    data, _ = encode(OutcomeBody("a", result=value))
    assert b"\n" not in data
    json.loads(data)


def test_every_body_fits_whatever_its_members():
    big = "x" * 20_000
    members = {
        name: big if name != "actor" else Actor(big, big, big, big, (big,))
        for name in DecisionBody.__struct_fields__
        if name != "at"
    }
    data, plain = encode(DecisionBody(at=1, **members))
    assert len(data) <= BODY_MAX
    assert not plain
    assert all(value == 1 or value["truncated"] for value in json.loads(data).values())


@pytest.mark.parametrize("session", ["", "-", "s-1", "a b/c%d", "ü\n", "\ud800x", "%2D"])
def test_sessions_have_one_word(session):
    word = token(session)
    assert " " not in word
    assert word.isascii()
    assert token(session_of(word)) == word
    if "\ud800" not in session:
        assert session_of(word) == session
    assert (word == "-") == (session == "")


def test_sessions_are_bounded():
    with pytest.raises(LedgerError, match="at most 1024"):
        token("x" * 1025)


def row(kind, body, at=5, session="-"):
    data, _ = encode(body)
    entry = b"aegis/1 0 %b %b %b\n%b" % (kind.encode(), session.encode(), b"0" * 64, data)
    return Row(0, at, b"h" * 32, entry)


DECISION = row(
    "decision",
    DecisionBody("a", Actor("p", "ag", "s", "t\ud800"), at=5, type="x" * 2000, target='"ü\\'),
    session="s%201",
)
ADMIN = row("admin", AdminBody("alice", at=2**70, event="key.create", outcome="done"))
APPROVAL = row("approval", ApprovalBody("a", Actor(), state="denied"))


@pytest.mark.parametrize(
    ("given", "query", "matches"),
    [
        (DECISION, {}, True),
        (DECISION, {"kind": "decision", "session": "s 1", "since": 5, "until": 6}, True),
        (DECISION, {"since": 6}, False),
        (DECISION, {"until": 5}, False),
        (DECISION, {"session": ""}, False),
        (DECISION, {"session": "s"}, False),
        (DECISION, {"kind": "outcome"}, False),
        (DECISION, {"action": "a", "agent": "ag", "type": "x" * 2000}, True),
        (DECISION, {"target": '"ü\\'}, True),
        (DECISION, {"tenant": "t\\ud800"}, True),
        (DECISION, {"agent": "p"}, False),
        (DECISION, {"verdict": "ag"}, False),
        (ADMIN, {"type": "key.create", "agent": "alice", "status": "done"}, True),
        (ADMIN, {"type": "admin"}, False),
        (APPROVAL, {"status": "denied", "action": "a"}, True),
        (APPROVAL, {"status": "approved"}, False),
    ],
)
def test_filters_read_what_the_record_says(given, query, matches):
    assert Filter(Query(**query))(given) is matches


def test_times_are_bounded():
    assert [time_of(at) for at in (5, 2**70, -1, True, "soon", None, 1.5)] == [
        5, 2**63 - 1, 0, 0, 0, 0, 0,
    ]  # fmt: skip
    assert facts("decision", ["odd"]) == {}


def test_a_malformed_entry_is_refused():
    with pytest.raises(LedgerError, match="malformed entry header"):
        record_of(b"", b"aegis/2 0 decision - 00\n{}")
