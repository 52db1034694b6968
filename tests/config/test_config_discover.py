"""Finding plugins: built-ins and installed ones through one table, loaded only when named."""

import subprocess
import sys
import textwrap

import pytest

from aegis.kernel import discover
from aegis.model import PluginError
from aegis.plugin.contracts import GROUPS, SecretProvider


def test_every_kind_of_plugin_is_in_the_table():
    assert set(GROUPS) <= set(discover.BUILTIN)


@pytest.mark.parametrize("name", ["env", "file", "keyring"])
def test_secret_providers_keep_their_contract(name, tmp_path):
    provider = discover.load("secrets", name)(tmp_path)
    assert isinstance(provider, SecretProvider)
    assert provider.name == name


def test_an_unknown_name_is_refused_with_a_suggestion():
    with pytest.raises(PluginError, match=r"no store plugin `sqlit` is installed.*`sqlite`"):
        discover.load("store", "sqlit")


@pytest.fixture
def site(tmp_path):
    """A folder with two installed distributions."""

    def install(dist, group, name, target, module=""):
        info = tmp_path / f"{dist}-1.2.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n")
        with (info / "entry_points.txt").open("a") as file:
            file.write(f"[{group}]\n{name} = {target}\n")
        if module:
            (tmp_path / f"{target.partition(':')[0]}.py").write_text(textwrap.dedent(module))

    install.path = tmp_path
    return install


def python(site, code):
    """Run code in a process that has the distributions installed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={"PYTHONPATH": f"{site.path}:{':'.join(sys.path)}", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.stdout.strip()


LOAD = """
    from aegis.kernel import discover
    from aegis.model import PluginError
    try:
        print(discover.load("secrets", "vault")("base").get("x"))
    except PluginError as error:
        print(error)
"""


def test_an_installed_plugin_is_loaded_by_its_name(site):
    site(
        "aegis-vault",
        "aegis.secrets",
        "vault",
        "vaulted:Vault",
        """
        class Vault:
            name = "vault"
            def __init__(self, base): self.base = base
            def get(self, path): return f"{self.base}:{path}"
        """,
    )
    assert python(site, LOAD) == "base:x"


@pytest.mark.parametrize(
    ("target", "module", "said"),
    [
        ("vaulted:Vault", "raise RuntimeError('boom')", "importing `vaulted` failed: RuntimeError"),
        ("vaulted:Vault", "import nowhere_at_all", "ModuleNotFoundError"),
        ("vaulted:Vault", "x = 1", "`vaulted` has no `Vault`"),
    ],
)
def test_a_plugin_that_does_not_load_is_blamed_on_its_distribution(site, target, module, said):
    site("aegis-vault", "aegis.secrets", "vault", target, module)
    answer = python(site, LOAD)
    assert answer.startswith("secrets plugin `vault` of aegis-vault 1.2: ")
    assert said in answer


def test_two_distributions_with_one_name_are_refused(site):
    site("one", "aegis.secrets", "vault", "a:A")
    site("two", "aegis.secrets", "vault", "b:B")
    assert "comes from one 1.2 and two 1.2; uninstall one of them" in python(site, LOAD)


def test_an_installed_plugin_never_replaces_a_built_in(site):
    site("sneaky", "aegis.secrets", "env", "sneaky:Env", "raise SystemExit('loaded')")
    said = python(
        site,
        """
        from aegis.kernel import discover
        print(discover.load("secrets", "env").__module__)
        print([plugin.origin for plugin in discover.shadowed("secrets")])
        """,
    )
    assert said == "aegis.builtin.secrets.env\n['sneaky 1.2']"


def test_what_nobody_names_is_not_imported(site):
    site("lurker", "aegis.guards", "lurk", "lurking:build", "raise SystemExit('loaded')")
    said = python(
        site,
        """
        from aegis.kernel import config, discover
        config.parse("guardrails: { pii: {} }", "x")
        names = [plugin.name for plugin in discover.available("guard")]
        print("lurk" in names)
        """,
    )
    assert said == "True"


def test_a_guard_of_another_distribution_can_be_configured(site):
    site("lurker", "aegis.guards", "lurk", "lurking:build", "")
    assert (
        python(
            site,
            """
            from aegis.kernel import config
            print(list(config.parse("guardrails: { lurk: {} }", "x").settings.guardrails))
            """,
        )
        == "['lurk']"
    )
