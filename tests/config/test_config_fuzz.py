"""Whatever stands in a file or in the environment: settings, or a ConfigError that says where."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis.kernel import config
from aegis.kernel.describe import starter
from aegis.kernel.settings import Settings
from aegis.kernel.typed import type_of
from aegis.model import ConfigError

KEYS = [field.name for field in type_of(Settings).fields]
WORDS = st.sampled_from(
    [*KEYS, "port", "type", "path", "rules", "pii", "enabled", "secret://env/", "secret://x/y", ""]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | WORDS
    | st.sampled_from(["offline", "sqlite", "block", "1", "::", "../..", "\x00", "\ud800"])
)
VALUES = st.recursive(
    LEAVES,
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=8), below, max_size=4)
    ),
    max_leaves=20,
)


def attempt(document, env=None):
    """Anything but a ConfigError with something to say fails the test by itself."""
    said = []
    try:
        loaded = config.parse(document, "aegis.yaml", env=env)
    except ConfigError as error:
        said = [str(problem) for problem in error.problems] or [""]
    else:
        assert isinstance(loaded.settings, Settings)
    assert all(said)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=10), VALUES, max_size=5))
def test_any_structure(document):
    attempt(document)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text):
    attempt(text)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}[]:,-#&*!|>'\"%@` \n\tab01.~<", max_size=60))
def test_texts_of_yaml_marks(text):
    attempt(text)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(st.data())
def test_a_damaged_starter_file(data):
    text = starter()
    at = data.draw(st.integers(0, len(text)))
    until = data.draw(st.integers(at, min(len(text), at + 40)))
    put = data.draw(st.text(max_size=6))
    attempt(text[:at] + put + text[until:])


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.lists(WORDS | st.text(max_size=5), max_size=4).map(
            lambda parts: "AEGIS__" + "__".join(parts)
        ),
        st.text(max_size=20) | st.sampled_from(["{", "[1]", "true", "1e999", "{a: {b: 1}}"]),
        max_size=3,
    )
)
def test_any_environment(env):
    attempt("server: { port: 1 }\nguardrails:\npolicy: { path: x }", env)
    attempt("server: 1", env)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 50_000,
        "- " * 50_000,
        "a: &x [1]\n" + "".join(f"b{i}: [*x, *x]\n" for i in range(1000)),
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n"
            for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "? [a]\n: 1",
        "a: " + "9" * 5000,
        "a: 0x" + "f" * 5000,
        "%TAG ! tag:x:\n---\na: !y 1",
        "--- 1\n--- 2",
        "a: |\n" + " x\n" * 50_000,
        '"\\ud800": 1',
        "\x00",
        "\ufeff\ufeffa: 1",
        "%YAML 99999999999999999999999999.1\n---\na: 1",
    ],
)
def test_hostile_texts_are_refused_in_bounded_time(text):
    attempt(text)
