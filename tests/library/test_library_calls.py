"""Arguments become params and come back: by name, as private copies, as decided."""

import dataclasses
import enum
import functools

import msgspec
import numpy
import pydantic
import pytest

from aegis import BlockedError
from aegis.surfaces.library.calls import CALLS, Signature, keywords, plain


def call_of(function, *args, **kwargs):
    return Signature(function).bind(args, kwargs)


def returned(function, call, params=None):
    args, kwargs = call.arguments(call.params if params is None else params)
    return function(*args, **kwargs)


def everything(a, /, b, *args, c=3, d, **rest):
    return a, b, args, c, d, rest


def simple(a, b=2, *, c=3):
    return a, b, c


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "params"),
    [
        (simple, (1,), {}, {"a": 1, "b": 2, "c": 3}),
        (simple, (1, 5), {"c": 6}, {"a": 1, "b": 5, "c": 6}),
        (simple, (), {"b": 1, "a": 0}, {"a": 0, "b": 1, "c": 3}),
        (everything, (1, 2), {"d": 4}, {"a": 1, "b": 2, "c": 3, "d": 4}),
        (everything, (1, 2, 7, 8), {"d": 4, "e": 5},
         {"a": 1, "b": 2, "args": [7, 8], "c": 3, "d": 4, "e": 5}),
        # a keyword named like another parameter does not hide behind it
        (everything, (1, 2), {"d": 4, "a": "x"},
         {"a": 1, "b": 2, "c": 3, "d": 4, "rest": {"a": "x"}}),
        (lambda **kw: kw, (), {"amount": 5}, {"amount": 5}),
        (lambda *a: a, ("x",), {}, {"a": ["x"]}),
        (lambda: None, (), {}, {}),
    ],
)  # fmt: skip
def test_arguments_are_params_by_name(function, args, kwargs, params):
    call = call_of(function, *args, **kwargs)
    assert call.params == params
    assert returned(function, call) == function(*args, **kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1,), {"z": 1})]
)
def test_a_wrong_call_fails_as_it_would_without_us(args, kwargs):
    with pytest.raises(TypeError):
        call_of(simple, *args, **kwargs)


def test_the_receiver_of_a_method_is_no_param():
    class Desk:
        def open(self, drawer):
            return self, drawer

    desk = Desk()
    call = call_of(Desk.open, desk, "top")
    assert call.params == {"drawer": "top"}
    assert returned(Desk.open, call) == (desk, "top")
    assert call_of(desk.open, "top").params == {"drawer": "top"}


def test_a_function_without_signature_has_args():
    call = call_of(max, 1, 2)
    assert call.params == {"args": [1, 2]}
    assert returned(max, call) == 2


def test_partials_show_what_is_left():
    assert call_of(functools.partial(simple, 1), c=4).params == {"b": 2, "c": 4}


class Colour(enum.Enum):
    RED = "red"


class Struct(msgspec.Struct):
    name: str
    amount: int


@dataclasses.dataclass
class Order:
    amount: int
    lines: list


class Model(pydantic.BaseModel):
    text: str
    inner: dict


OBJECTS = [
    (Order(5, [Struct("x", 1)]), {"amount": 5, "lines": [{"name": "x", "amount": 1}]}),
    (Model(text="hello", inner={"k": 1}), {"text": "hello", "inner": {"k": 1}}),
    (Struct("x", 1), {"name": "x", "amount": 1}),
    (Colour.RED, "red"),
    ({3, 1, 2}, [1, 2, 3]),
    ((1, [2, (3,)]), [1, [2, [3]]]),
]


@pytest.mark.parametrize(("value", "shown"), OBJECTS)
def test_objects_are_shown_as_what_they_hold_and_passed_as_they_are(value, shown):
    call = call_of(lambda order: order, value)
    assert call.params == {"order": shown}
    assert returned(lambda order: order, call) == value


def test_opaque_objects_are_passed_as_they_are():
    array = numpy.zeros(3)
    call = call_of(lambda a: a, {"deep": [array, object]})
    assert returned(lambda a: a, call)["deep"][0] is array


def test_plain_arguments_are_private_copies():
    rows = [{"id": 1}]
    call = call_of(lambda rows: rows, rows)
    rows[0]["id"] = 2
    rows.append("more")
    assert returned(lambda rows: rows, call) == [{"id": 1}]


def test_an_object_changed_after_the_decision_is_not_passed():
    order = Order(5, [])
    call = call_of(lambda order: order, order)
    order.amount = 5000
    with pytest.raises(BlockedError, match="`order` is a Order and is not what was decided"):
        call.arguments(call.params)


def test_masked_arguments_are_passed_masked_and_objects_are_refused():
    call = call_of(simple, "my ssn is 1", ("x", ["y"]))
    masked = {**call.params, "a": "my ssn is *", "b": ["*", ["y"]]}
    assert returned(simple, call, masked) == ("my ssn is *", ("*", ["y"]), 3)
    call = call_of(simple, Struct("secret", 1))
    with pytest.raises(BlockedError, match="would have to be masked"):
        call.arguments({**call.params, "a": {"name": "*", "amount": 1}})


def test_arguments_of_a_framework_are_no_params():
    call = keywords((), {"query": "x", "config": {"a": 1}}, ("config",))
    assert call.params == {"query": "x"}
    assert call.arguments({"query": "y"}) == ((), {"query": "y", "config": {"a": 1}})
    call = keywords(("text",), {"config": 1}, ("config",))
    assert call.params == {"args": ["text"]}
    assert call.arguments(call.params) == (("text",), {"config": 1})


def test_nesting_is_bounded():
    value = []
    for _ in range(100):
        value = [value]
    with pytest.raises(Exception, match="nested deeper than"):
        plain(value)


def test_results_are_read_as_what_they_hold():
    result = Order(1, ["call 555"])
    assert [t.text for t in CALLS.reply_texts(None, result)] == ["amount", "lines", "call 555"]
    assert CALLS.rewrite_reply(result, {("lines", 0): "call *"}) == {
        "amount": 1,
        "lines": ["call *"],
    }
    assert CALLS.reply_recorded(object()) == {"python": "object"}
