"""`secret://` references: where values come from, and that they are never repeated."""

import os
import sys
import types

import pytest

from aegis.builtin.secrets.env import EnvSecrets
from aegis.builtin.secrets.file import BYTES_MAX, FileSecrets
from aegis.builtin.secrets.keyring import KeyringSecrets
from aegis.kernel import config
from aegis.model import ConfigError

PROVIDER = "providers: {{ p: {{ type: offline, api_key: {} }} }}"


def key(reference, base="."):
    return (
        config.parse(PROVIDER.format(reference), "a.yaml", base=base)
        .settings.providers["p"]
        .api_key
    )


def refused(reference, base="."):
    with pytest.raises(ConfigError) as caught:
        key(reference, base)
    return str(caught.value)


def test_from_the_environment(monkeypatch):
    monkeypatch.setenv("MY_KEY", "hush")
    assert key("secret://env/MY_KEY") == "hush"
    assert EnvSecrets(base=None).get("MY_KEY") == "hush"


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_named_with_its_place(monkeypatch, value):
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    said = refused("secret://env/MY_KEY")
    assert said == (
        "a.yaml:1:43: providers.p.api_key: environment variable `MY_KEY` is not set; "
        "set it to the secret"
    )


def test_from_a_file_beside_the_configuration_or_anywhere(tmp_path):
    (tmp_path / "key.txt").write_text("hush\n")
    assert key("secret://file/key.txt", tmp_path) == "hush"
    assert key(f"secret://file/{tmp_path}/key.txt") == "hush"
    assert FileSecrets(tmp_path).get("key.txt") == "hush"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"x" * (BYTES_MAX + 1), "is larger than"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(tmp_path, data, said):
    (tmp_path / "key").write_bytes(data)
    assert said in refused("secret://file/key", tmp_path)


def test_a_file_that_would_block_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in refused("secret://file/pipe", tmp_path)
    assert "no such file" in refused("secret://file/none", tmp_path).lower()


def test_from_the_keyring_where_its_library_is(monkeypatch):
    fake = types.ModuleType("keyring")
    fake.get_password = lambda service, name: {("aegis/prod", "openai"): "hush"}.get(
        (service, name)
    )
    monkeypatch.setitem(sys.modules, "keyring", fake)
    assert key("secret://keyring/aegis/prod/openai") == "hush"
    assert "has no entry `aegis/x`" in refused("secret://keyring/aegis/x")
    assert "has to be SERVICE/NAME" in refused("secret://keyring/x")


def test_without_that_library_the_answer_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match="pip install keyring"):
        KeyringSecrets(base=None).get("a/b")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("secret://vualt/x", "no secrets plugin `vualt` is installed"),
        ("secret://env/", "has to be secret://PROVIDER/PATH"),
        ("secret://", "has to be secret://PROVIDER/PATH"),
        ("Bearer secret://env/HOME", "has to be the whole value"),
    ],
)
def test_a_reference_that_cannot_work_is_refused(reference, said):
    assert said in refused(reference)


def test_references_work_in_options_and_headers_and_not_in_numbers(monkeypatch):
    monkeypatch.setenv("MY_KEY", "hush")
    loaded = config.parse(
        "providers: { p: { type: offline, headers: { x: secret://env/MY_KEY },"
        " options: { deep: [secret://env/MY_KEY] } } }",
        "a.yaml",
    )
    assert loaded.settings.providers["p"].headers == {"x": "hush"}
    assert loaded.settings.providers["p"].options == {"deep": ["hush"]}
    with pytest.raises(ConfigError, match=r"has to be a whole number, not `secret://env/MY_KEY`"):
        config.parse("server: { port: secret://env/MY_KEY }", "a.yaml")


def test_rules_of_a_policy_are_not_references():
    loaded = config.parse(
        "policy: { rules: [{ name: r, match: { type: a },"
        " conditions: { param_contains: { x: 'secret://env/NOPE' } } }] }",
        "a.yaml",
    )
    assert len(loaded.policy.rules) == 1


def test_a_file_can_be_checked_where_its_secrets_are_not():
    text = PROVIDER.format("secret://env/NOPE_NOT_SET")
    loaded = config.parse(text, "a.yaml", resolve=False)
    assert loaded.settings.providers["p"].api_key == "secret://env/NOPE_NOT_SET"


def test_a_secret_of_the_wrong_kind_is_not_repeated_in_the_complaint(monkeypatch):
    monkeypatch.setenv("MY_KEY", "hush")
    with pytest.raises(ConfigError) as caught:
        config.parse("environment: secret://env/MY_KEY\nservr: 1", "a.yaml")
    assert "hush" not in str(caught.value)
