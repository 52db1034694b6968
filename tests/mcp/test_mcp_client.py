"""A client's configuration with Aegis in it, and as it was before."""

import json

import pytest

from .conftest import tool
from .test_mcp_modern import Modern


@pytest.fixture
def client_file(place):
    """A client's file with one server it starts and one it does not."""
    command, *args = place.program()
    file = place.folder / "client.json"
    document = {
        "theme": "dark",
        "mcpServers": {
            "my_notes": {"command": command, "args": args, "env": {"TOKEN": "t"}},
            "far": {"url": "https://far.example/mcp"},
            "odd": {"url": "ws://far.example/mcp"},
        },
    }
    file.write_text(json.dumps(document, indent=4))
    file.chmod(0o640)
    return file


def install(place, file, verb="install", *more, client="cursor", code=0):
    if verb == "install":
        more = ("--config", place.config, *more)
    return place.aegis("mcp", verb, "--client", client, "--file", file, *more, code=code)


def test_install_wraps_what_the_client_starts_and_uninstall_restores_every_byte(place, client_file):
    before = client_file.read_bytes()
    said = install(place, client_file)
    assert "odd" in said.splitlines()[-1]
    document = json.loads(client_file.read_text())
    notes = document["mcpServers"]["my_notes"]
    assert notes["args"][:4] == ["mcp", "wrap", "--name", "my-notes"]
    assert notes["env"] == {"TOKEN": "t"}
    assert document["mcpServers"]["odd"] == {"url": "ws://far.example/mcp"}
    assert document["mcpServers"]["aegis"]["args"][:2] == ["mcp", "run"]
    assert document["theme"] == "dark"
    assert client_file.stat().st_mode & 0o777 == 0o640
    installed = client_file.read_bytes()
    install(place, client_file)
    assert client_file.read_bytes() == installed
    install(place, client_file, "uninstall")
    assert client_file.read_bytes() == before
    assert sorted(path.name for path in place.folder.glob("client*")) == ["client.json"]


def test_what_was_added_since_survives_uninstalling(place, client_file):
    install(place, client_file)
    document = json.loads(client_file.read_text())
    document["mcpServers"]["late"] = {"command": "late"}
    client_file.write_text(json.dumps(document))
    install(place, client_file, "uninstall")
    servers = json.loads(client_file.read_text())["mcpServers"]
    assert sorted(servers) == ["far", "late", "my_notes", "odd"]
    assert servers["far"] == {"url": "https://far.example/mcp"}
    assert servers["my_notes"]["command"] == place.program()[0]
    assert (place.folder / "client.json.before-aegis").exists()


def test_what_a_person_wrote_with_aegis_in_it_survives_uninstalling(place, client_file):
    install(place, client_file)
    document = json.loads(client_file.read_text())
    mine = {"command": "aegis", "args": ["mcp", "run", "--config", "mine.yaml"], "env": {"K": "v"}}
    far = {"command": "aegis", "args": ["mcp", "wrap", "--url", "https://host/mcp"]}
    document["mcpServers"] |= {"mine": mine, "crm": far}
    client_file.write_text(json.dumps(document))
    assert "mine, crm" in install(place, client_file, "uninstall")
    servers = json.loads(client_file.read_text())["mcpServers"]
    assert (servers["mine"], servers["crm"]) == (mine, far)


def test_an_installed_server_is_really_governed(place, connect, client_file):
    place.define([tool("read_note"), tool("delete_note")])
    place.configure("policy: { rules: [{ match: { capability: read }, approval: auto }] }\n")
    install(place, client_file)
    entry = json.loads(client_file.read_text())["mcpServers"]["my_notes"]
    assert entry["command"].endswith("aegis")
    client = connect(*entry["args"])
    assert client.listed() == ["read_note"]


@pytest.mark.parametrize("text", ["{", "[]", '{"mcpServers": []}', "// comment\n{}"])
def test_a_file_that_cannot_be_edited_is_left_as_it_is(place, text):
    file = place.folder / "client.json"
    file.write_text(text)
    assert "left as it is" in install(place, file, code=2)
    assert file.read_text() == text


@pytest.mark.parametrize(
    ("client", "where", "key"),
    [
        ("claude", ".config/Claude/claude_desktop_config.json", "mcpServers"),
        ("cursor", ".cursor/mcp.json", "mcpServers"),
        ("windsurf", ".codeium/windsurf/mcp_config.json", "mcpServers"),
        ("vscode", ".vscode/mcp.json", "servers"),
    ],
)
def test_every_client_has_its_place(place, monkeypatch, client, where, key):
    monkeypatch.setenv("HOME", str(place.folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    place.aegis("mcp", "install", "--client", client, "--config", place.config)
    document = json.loads((place.folder / where).read_text())
    assert list(document[key]) == ["aegis"]
    place.aegis("mcp", "uninstall", "--client", client)
    assert json.loads((place.folder / where).read_text()) == {key: {}}


def test_an_empty_list_of_arguments_comes_back(place, client_file):
    servers = {"bare": {"command": "bare", "args": []}, "short": {"command": "short"}}
    client_file.write_text(json.dumps({"mcpServers": servers}))
    before = client_file.read_bytes()
    install(place, client_file)
    install(place, client_file, "uninstall")
    assert client_file.read_bytes() == before
    install(place, client_file)
    document = json.loads(client_file.read_text())
    document["mcpServers"]["late"] = {"command": "late"}
    client_file.write_text(json.dumps(document))
    install(place, client_file, "uninstall")
    found = json.loads(client_file.read_text())["mcpServers"]
    assert found == {**servers, "late": {"command": "late"}}


def test_a_link_stays_a_link_and_a_neighbour_stays_as_it_is(place, client_file):
    link = place.folder / "link.json"
    link.symlink_to(client_file.name)
    neighbours = [place.folder / "client.json.new", place.folder / "link.json.new"]
    for neighbour in neighbours:
        neighbour.write_text("mine")
    before = client_file.read_bytes()
    install(place, link)
    assert link.is_symlink()
    assert client_file.read_bytes() != before
    install(place, link, "uninstall")
    assert link.is_symlink()
    assert client_file.read_bytes() == before
    assert [neighbour.read_text() for neighbour in neighbours] == ["mine", "mine"]


def test_half_a_surrogate_pair_is_a_clear_error(place, client_file):
    client_file.write_text(r'{"mcpServers": {"a": {"command": "a", "args": ["\ud800"]}}}')
    before = client_file.read_bytes()
    assert "surrogate" in install(place, client_file, code=2)
    assert client_file.read_bytes() == before
    assert sorted(path.name for path in place.folder.glob("client*")) == ["client.json"]


@pytest.mark.parametrize(
    ("client", "entry"),
    [
        ("cursor", {"url": "URL", "headers": {"authorization": "Bearer sesame"}}),
        ("vscode", {"type": "sse", "url": "URL", "headers": {"x": '"é'}, "dev": {"a": 1}}),
        ("windsurf", {"serverUrl": "URL", "disabled": False, "env": {"A": "b"}}),
    ],
)
def test_a_server_at_an_address_is_wrapped_and_put_back(place, client, entry):
    entry = json.loads(json.dumps(entry).replace("URL", "https://far.example/mcp"))
    key = "servers" if client == "vscode" else "mcpServers"
    file = place.folder / "far.json"
    file.write_text(json.dumps({key: {"far": entry}}))
    before = file.read_bytes()
    install(place, file, "install", "--local", client=client)
    assert json.loads(file.read_text())[key]["far"] == entry
    install(place, file, "uninstall", client=client)
    install(place, file, client=client)
    document = json.loads(file.read_text())
    ours = document[key]["far"]
    assert ours["args"][:4] == ["mcp", "wrap", "--name", "far"]
    assert ours["args"][-2:] == ["--transport", entry.get("type", "http")]
    assert not {"url", "serverUrl", "type", "headers"} & ours.keys()
    assert "sesame" not in " ".join(ours["args"])
    # with another entry beside it the file is not restored as a whole, the entry is
    document[key]["late"] = {"command": "late"}
    file.write_text(json.dumps(document))
    install(place, file, "uninstall", client=client)
    assert json.loads(file.read_text()) == {key: {"far": entry, "late": {"command": "late"}}}
    file.write_bytes(before)


def test_a_wrapped_address_is_really_governed_and_gets_its_headers(place, connect):
    far = Modern()
    try:
        entry = {"url": far.url, "headers": {"x-token": "sesame"}}
        file = place.folder / "far.json"
        file.write_text(json.dumps({"mcpServers": {"far": entry}}))
        rules = "rules: [{ name: far, when: { param_eq: { region: x } }, approval: block }]"
        place.configure(f"policy: {{ defaults: {{ approval: auto }}, {rules} }}\n")
        install(place, file)
        ours = json.loads(file.read_text())["mcpServers"]["far"]
        client = connect(*ours["args"], environment=ours["env"])
        assert client.listed() == ["read_far"]
        params = {"name": "read_far", "arguments": {"region": "y"}}
        assert "result" in client.request("tools/call", params)
        assert far.seen[0][0]["x-token"] == "sesame"
        params["arguments"]["region"] = "x"
        assert client.request("tools/call", params)["error"]["data"]["rule"] == "far"
        assert len(far.seen) == 1
        assert "sesame" not in "".join(client.stderr)
    finally:
        far.server.shutdown()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "or its address"),
        (("--url", "https://x/mcp", "--", "server"), "or its address"),
        (("--url", "ftp://x"), "begin with http"),
        (("--url", "https://x/mcp", "--header", "token"), "NAME: VALUE"),
    ],
)
def test_what_cannot_be_wrapped_is_said(place, arguments, said):
    assert said in place.aegis("mcp", "wrap", *arguments, code=2)


def test_a_broken_stash_is_said(place, monkeypatch):
    monkeypatch.setenv("AEGIS_MCP_ENTRY", "{")
    assert "AEGIS_MCP_ENTRY" in place.aegis("mcp", "wrap", "--url", "https://x/mcp", code=2)
    monkeypatch.setenv("AEGIS_MCP_ENTRY", '{"headers": {"a": 1}}')
    assert "headers" in place.aegis("mcp", "wrap", "--url", "https://x/mcp", code=2)
