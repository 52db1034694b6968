"""Tokens of an authorization server: taken where they are for this gateway, and for nobody else."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from .conftest import ALLOWING, Place, Server

RESOURCE = "https://gateway.example/mcp"


class Issuer:
    """An authorization server as far as resource servers see it: metadata and keys."""

    def __init__(self):
        self.keys = {"one": ec.generate_private_key(ec.SECP256R1())}
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                found = {
                    "/.well-known/oauth-authorization-server/tenant": {
                        "issuer": issuer.url,
                        "jwks_uri": f"{issuer.url}/keys",
                    },
                    "/tenant/keys": {"keys": issuer.public()},
                }.get(self.path)
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(json.dumps(found or {}).encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/tenant"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def public(self):
        return [
            {**json.loads(ECAlgorithm.to_jwk(key.public_key())), "kid": name, "alg": "ES256"}
            for name, key in self.keys.items()
        ]

    def token(self, *, key="one", algorithm="ES256", secret=None, **claims):
        now = int(time.time())
        body = {
            "iss": self.url,
            "aud": RESOURCE,
            "sub": "ada",
            "exp": now + 60,
            "client_id": "editor",
            "scope": "mcp:use",
        } | claims
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(body, secret or self.keys[key], algorithm, headers={"kid": key})


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("oauth"))
    issuer = Issuer()
    place.configure(
        ALLOWING,
        f"oauth: {{ issuer: '{issuer.url}', resource: '{RESOURCE}', scopes: ['mcp:use'] }}\n",
        "    tools: { write_note: { scope: 'notes:write' } }\n",
    )
    server = Server(place)
    server.place, server.issuer = place, issuer
    yield server
    server.end()
    issuer.server.shutdown()


def call(served, token, tool="read_note", **headers):
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": f"notes__{tool}", "arguments": {"path": "o"}, "_meta": meta}
    return httpx2.post(
        served.url,
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
        headers={
            "authorization": f"Bearer {token}",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": f"notes__{tool}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
        timeout=30,
    )


def test_a_token_for_this_gateway_is_taken_and_its_holder_recorded(served):
    assert "result" in call(served, served.issuer.token()).json()
    decision = served.place.records("--kind", "decision")[-1]
    assert decision["actor"]["principal"] == "oauth:ada"
    assert decision["actor"]["agent"] == "editor"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://another.example"},
        {"aud": None},
        {"iss": "https://another.example"},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"nbf": 9_999_999_999},
        {"algorithm": "HS256", "secret": "x" * 32},
    ],
    ids=lambda claims: ",".join(claims),
)
def test_any_other_token_is_not_taken(served, claims):
    answer = call(served, served.issuer.token(**claims))
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert 'error="invalid_token"' in challenge
    place = "https://gateway.example/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{place}"' in challenge


def test_a_token_without_a_signature_or_of_a_stranger_is_not_taken(served):
    whole = served.issuer.token()
    unsigned = jwt.encode(jwt.decode(whole, options={"verify_signature": False}), None, "none")
    stranger = ec.generate_private_key(ec.SECP256R1())
    for token in (unsigned, served.issuer.token(secret=stranger), "a.b.c", "x", whole[:-4]):
        assert call(served, token).status_code == 401


def test_the_resource_describes_itself_to_everybody(served):
    base = served.url.removesuffix("/mcp")
    found = httpx2.get(f"{base}/.well-known/oauth-protected-resource/mcp").json()
    assert found == {
        "resource": RESOURCE,
        "authorization_servers": [served.issuer.url],
        "scopes_supported": ["mcp:use"],
        "bearer_methods_supported": ["header"],
    }
    bare = httpx2.post(served.url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert bare.status_code == 401
    assert "resource_metadata=" in bare.headers["www-authenticate"]


def test_a_tool_that_needs_more_says_which_scopes(served):
    refused = call(served, served.issuer.token(), "write_note")
    assert refused.status_code == 403
    challenge = refused.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="mcp:use notes:write"' in challenge
    more = served.issuer.token(scope="mcp:use notes:write")
    assert "result" in call(served, more, "write_note").json()
    none = call(served, served.issuer.token(scope=""))
    assert none.status_code == 403
    assert ["write_note", {"path": "o"}] in served.place.calls()
    assert len([one for one in served.place.calls() if one[0] == "write_note"]) == 1


def test_a_key_of_aegis_still_works(served):
    assert "result" in call(served, served.key).json()
    assert "result" in call(served, served.key, "write_note").json()


def test_no_names_of_one_caller_read_like_those_of_another(served):
    """Joined with slashes, both of these would be the session of the first who came."""
    first = served.issuer.token(sub="ada", client_id=None)
    assert "result" in call(served, first, x_aegis_agent="a/b", x_aegis_session="c").json()
    second = served.issuer.token(sub="ada/a", client_id=None)
    assert "result" in call(served, second, x_aegis_agent="b", x_aegis_session="c").json()
    actor = served.place.records("--kind", "decision")[-1]["actor"]
    assert (actor["principal"], actor["agent"]) == ("oauth:ada/a", "b")
