"""Options of guards are refused with their place, before anything is built."""

import msgspec
import pytest

from aegis.cli.validate import validate
from aegis.kernel import config, discover
from aegis.model import ConfigError
from aegis.plugin.options import takes


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.parse(text, "aegis.yaml")
    return [str(problem) for problem in caught.value.problems]


WRONG = """\
pii: { options: { locales: us } }
28 options.locales: has to be a list, not text (write `[us]`)
pii: { options: { locales: [us, uk] } }
33 options.locales[1]: no rule knows the country `uk`
pii: { options: { mask: {} } }
19 options.mask: unknown key `mask` (did you mean `masks`?)
pii: { options: { masks: { CREDIT_CARD: email } } }
41 options.masks.CREDIT_CARD: the mask `email` fits EMAIL only
pii: { options: { masks: { EMAIL: lastt4 } } }
35 options.masks.EMAIL: unknown mask `lastt4` (did you mean `last4`?)
pii: { options: { types: { EMIAL: warn } } }
35 options.types.EMIAL: no rule of this guard knows the type `EMIAL` (did you mean `EMAIL`?)
pii: { options: { types: { JWT: warn } } }
33 options.types.JWT: no rule of this guard knows the type `JWT`
pii: { options: { types: { EMAIL: wanr } } }
35 options.types.EMAIL: has to be one of block, log, mask, review, warn, not `wanr`
pii: { options: { keep_minutes: 5 } }
33 options.keep_minutes: has no effect without `reversible: true`
pii: { action: block, options: { reversible: true } }
46 options.reversible: needs the action `mask`
pii: { options: [a] }
17 options: has to be a mapping, not a list
pii: { options: { action: warn } }
19 options.action: unknown key `action`
secrets: { options: { results: yes } }
32 options.results: has to be one of mask, record, not `yes`
secrets: { options: { masks: { JWT: hash } } }
30 options.masks: the mask `hash` needs a `hash_key` of 16 characters or more
injection: { action: mask }
22 action: what it finds cannot be masked; use block, review, warn or log
injection: { options: { block_at: 2000 } }
35 options.block_at: has to be at least 0 and at most 1_000, not 2000
toxicity: { enabled: false, options: { colour: red } }
40 options.colour: unknown key `colour`
prompt_leak: { options: { canaries: [long enough, abc] } }
51 options.canaries[1]: a canary has 6 to 200 characters
grounding: { options: { checks: [dates] } }
34 options.checks[0]: has to be one of names, numbers, quotes, not `dates`
grounding: { action: mask }
22 action: has to be one of block, review, warn, not `mask`
output_schema: { options: {} }
27 options: key `schemas` is missing
output_schema: { options: { schemas: [{ schema: { type: objekt } }] } }
49 options.schemas[0].schema: no valid schema
packs: { options: { uses: [a] } }
21 options.uses: unknown key `uses` (did you mean `use`?)
""".splitlines()
"""An entry, and below it the column of what is wrong and what is said of it."""


@pytest.mark.parametrize(("entry", "said"), [*zip(WRONG[::2], WRONG[1::2], strict=True)])
def test_a_wrong_option_is_refused_with_its_place(entry: str, said: str) -> None:
    column, _, message = said.partition(" ")
    (problem,) = problems(f"guardrails:\n  {entry}")
    start = f"aegis.yaml:2:{int(column) + 2}: guardrails.{entry.partition(':')[0]}."
    assert problem.startswith(start + message)


def test_every_wrong_option_is_said_at_once() -> None:
    text = "guardrails:\n  pii: { options: { a: 1, b: 2 } }\n  secrets: { options: { c: 3 } }\n"
    assert [one.split(": ")[0] for one in problems(text)] == [
        "aegis.yaml:2:21",
        "aegis.yaml:2:27",
        "aegis.yaml:3:25",
    ]


@pytest.mark.parametrize(
    "guard",
    [
        "pii: { options: { locales: [US, kr], masks: { email: email, IP: network, MAC: last4 } } }",
        "pii: { options: { types: { EMAIL: warn, DOB: block }, block_at: 0 } }",
        "pii: { options: { reversible: true, keep_minutes: 5, elsewhere: log } }",
        "prompt_leak: { options: { canaries: [a long canary], system_messages: true } }",
        "tool_poisoning: { options: }",
        "grounding: { action: review, options: { checks: [quotes] } }",
    ],
)
def test_what_makes_sense_is_taken(guard: str) -> None:
    assert config.parse(f"guardrails: {{ {guard} }}").settings.guardrails


def test_a_key_that_is_a_secret_is_not_measured_by_its_reference() -> None:
    text = "guardrails: { pii: { options: { masks: { EMAIL: hash }, hash_key: secret://env/K } } }"
    assert config.parse(text, resolve=False)


def test_a_secret_that_is_not_there_is_said_once() -> None:
    text = "guardrails: { pii: { options: { masks: { EMAIL: hash }, hash_key: secret://env/NO } } }"
    (problem,) = problems(text)
    assert "environment variable `NO` is not set" in problem


def test_types_that_packs_may_bring_are_left_to_their_load() -> None:
    text = (
        "guardrails: { packs: { options: { use: [a] } }, pii: { options: { types: { X: log } } } }"
    )
    assert config.parse(text)


class ShoutingOptions(msgspec.Struct, forbid_unknown_fields=True):
    louder: bool = False


@takes(shouting=ShoutingOptions)
def shouting(settings: object, *, stage: str) -> None:
    raise AssertionError("a configuration is read without building its guards")


def silent(settings: object, *, stage: str) -> None:
    raise AssertionError("a configuration is read without building its guards")


def test_a_plugin_says_what_its_guard_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    here = [discover.Plugin("guard", name, f"{__name__}:{name}") for name in ("shouting", "silent")]
    monkeypatch.setattr(discover, "_installed", lambda kind: tuple(here))
    (problem,) = problems("guardrails: { shouting: { options: { lauder: true } } }")
    assert problem.startswith("aegis.yaml:1:38: guardrails.shouting.options.lauder: unknown key")
    assert "did you mean `louder`?" in problem
    assert config.parse("guardrails: { silent: { options: { anything: 1 } } }")


def test_validate_prints_the_place(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "aegis.yaml"
    file.write_text("guardrails:\n  pii:\n    options:\n      locales: us\n", "utf-8")
    assert validate(file) == 1
    assert (
        f"{file}:4:16: guardrails.pii.options.locales: has to be a list" in capsys.readouterr().err
    )
