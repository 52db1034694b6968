"""Whatever is typed or fed in: an exit code and a sentence, never a traceback."""

import io
from contextlib import redirect_stderr, redirect_stdout

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis.cli.main import run

VERBS = st.sampled_from(
    [
        ["validate"],
        ["simulate"],
        ["why"],
        ["schema"],
        ["policy", "test"],
        ["policy", "lint"],
        ["verify"],
        ["evidence", "report"],
        ["keys", "list"],
        ["approvals", "list"],
        ["version"],
        ["audit"],
        [],
    ]
)
TYPED = """
input --json --policy --config --param a=1 --at 1h --key -h --fingerprint --format jsonl --limit 3
--since -- --help --debugg - . / x:y --params {"a":1} --session --as
"""
WORDS = (
    st.sampled_from([*TYPED.split(), "", "\x00", "\udcff"])
    | st.text(max_size=12)
    | st.text(st.characters(codec=None), max_size=3)
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    VERBS,
    st.lists(WORDS, max_size=5),
    st.binary(max_size=60) | st.text().map(lambda text: text.encode("utf-8", "replace")),
)
def test_any_arguments_and_any_file(folder, verb, words, data):
    (folder / "input").write_bytes(data)
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([*verb, *(word for word in words if word not in ("--tail", "--debug"))])
    assert code in (0, 1, 2), err.getvalue()
    assert "Traceback" not in err.getvalue()
    assert code != 2 or err.getvalue().startswith("aegis: ")
