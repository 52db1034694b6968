"""Every broker that ships: what it asks its service for, what it refuses, how it takes back."""

from __future__ import annotations

import base64
import json
import re
import time
import urllib.parse
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from aegis.builtin.brokers.aws_sts import AwsStsBroker, sign
from aegis.builtin.brokers.azure import AzureBroker
from aegis.builtin.brokers.gcp import GcpBroker
from aegis.builtin.brokers.github_app import GithubAppBroker
from aegis.builtin.brokers.oauth_exchange import OauthExchangeBroker
from aegis.builtin.brokers.postgres import PostgresBroker
from aegis.builtin.brokers.static import StaticBroker
from aegis.builtin.brokers.ticket import TicketBroker
from aegis.builtin.brokers.vault import VaultBroker
from aegis.kernel import discover
from aegis.model import Action, AegisError, CallerError
from aegis.plugin.broker import Context, Credential, Wanted
from aegis.plugin.contracts import Broker

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/brokers.md"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SECRET = "very-secret"


def pem(key):
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode()


def wanted(scope, ttl=600):
    return Wanted("cr_1", Action("github.merge", "acme/shop"), scope, ttl)


KINDS = {
    "aws_sts": (
        AwsStsBroker,
        {
            "access_key_id": "AKID",
            "secret_access_key": SECRET,
            "role_arn": "arn:aws:iam::1:role/agent",
            "region": "eu-central-1",
        },
    ),
    "azure": (AzureBroker, {"tenant": "t", "client_id": "app", "client_secret": SECRET}),
    "gcp": (GcpBroker, {"client_email": "broker@p.iam", "private_key": pem(KEY)}),
    "github_app": (
        GithubAppBroker,
        {"app_id": "7", "installation": 8, "owner": "acme", "private_key": pem(KEY)},
    ),
    "oauth_exchange": (
        OauthExchangeBroker,
        {"token_url": "", "client_id": "aegis", "client_secret": SECRET, "subject_token": SECRET},
    ),
    "postgres": (PostgresBroker, {"host": "127.0.0.1", "database": "d", "user": "u", "port": 9}),
    "static": (StaticBroker, {"fields": {"token": SECRET}}),
    "ticket": (TicketBroker, {}),
    "vault": (VaultBroker, {"url": "http://127.0.0.1:9", "token": SECRET}),
}
SCOPES = {
    "aws_sts": {"policy": {"Version": "2012-10-17", "Statement": []}},
    "azure": {"scope": "https://vault.azure.net/.default"},
    "gcp": {"service_account": "reader@p.iam.gserviceaccount.com", "scopes": ["read"]},
    "github_app": {"repositories": ["acme/shop"], "permissions": {"contents": "read"}},
    "oauth_exchange": {"audience": "https://api.example", "scope": "read"},
    "postgres": {"roles": ["reader"]},
    "static": {},
    "ticket": {},
    "vault": {"role": "reader"},
}


def made(name, **options):
    kind, known = KINDS[name]
    return kind(kind.Settings(**{**known, **options}), Context(name, Path("nowhere")))


def test_all_of_them_are_here():
    assert set(discover.BUILTIN["broker"]) == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_broker_keeps_the_contract(name):
    broker = made(name)
    assert isinstance(broker, Broker)
    assert broker.degraded is (name == "static")
    assert broker.revocable is (name in {"github_app", "postgres", "vault"})
    broker.close()


@pytest.mark.parametrize("name", KINDS)
def test_every_option_is_on_the_page(name):
    parts = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    (own,) = [part for part in parts if part.startswith(f"`{name}`")]
    for field in msgspec.structs.fields(KINDS[name][0].Settings):
        assert f"`{field.name}`" in own, field.name


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"static", "ticket"}))
def test_a_service_that_is_not_there_is_an_error_without_secrets(name):
    gone = "http://127.0.0.1:9"
    address = {
        "gcp": {"oauth_url": gone},
        "oauth_exchange": {"token_url": gone},
        "postgres": {},
        "vault": {},
    }
    broker = made(name, **address.get(name, {"base_url": gone}))
    with pytest.raises(AegisError) as caught:
        broker.mint(wanted(SCOPES[name]))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"static", "ticket"}))
@pytest.mark.parametrize("scope", [{}, {"unknown": 1}])
def test_a_scope_that_is_none_is_refused_before_anything_is_sent(name, scope):
    with pytest.raises(CallerError, match="scope"):
        made(name).mint(wanted(scope))


def test_a_credential_is_not_printed():
    assert SECRET not in repr(Credential({"token": SECRET}))
    assert SECRET not in str([Credential({"token": SECRET})])


class TestStatic:
    def test_it_lends_what_it_has(self):
        credential = made("static").mint(wanted({}))
        assert credential.fields == {"token": SECRET}
        assert credential.handle == ""

    def test_nothing_to_lend_is_refused(self):
        with pytest.raises(ValueError, match="empty"):
            made("static", fields={})


TOKEN = {
    "token": "ghs_minted",
    "expires_at": "2030-01-01T00:00:00Z",
    "permissions": {"contents": "read", "metadata": "read"},
    "repository_selection": "selected",
}


class TestGithubApp:
    def service(self, serve, **changes):
        answers = {
            "/access_tokens": (201, {**TOKEN, **changes}),
            "/installation/token": (204, None),
        }
        return serve(answers)

    def test_it_asks_for_one_repository_and_its_permissions_with_a_signed_jwt(self, serve):
        service = self.service(serve)
        credential = made("github_app", base_url=service.url).mint(wanted(SCOPES["github_app"]))
        assert credential.fields == {"token": "ghs_minted"}
        assert credential.expires == 1_893_456_000_000_000
        (sent,) = service.received
        assert sent.path == "/app/installations/8/access_tokens"
        assert sent.json == {"repositories": ["shop"], "permissions": {"contents": "read"}}
        head, claims, signature = sent.headers["authorization"].removeprefix("Bearer ").split(".")

        def decoded(part):
            return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

        KEY.public_key().verify(
            decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), SHA256()
        )
        assert json.loads(decoded(head))["alg"] == "RS256"
        said = json.loads(decoded(claims))
        assert said["iss"] == "7"
        assert said["iat"] < time.time() < said["exp"] <= said["iat"] + 600

    def test_it_takes_the_token_back(self, serve):
        service = self.service(serve)
        broker = made("github_app", base_url=service.url)
        broker.revoke(broker.mint(wanted(SCOPES["github_app"])))
        ended = service.received[-1]
        assert (ended.method, ended.path) == ("DELETE", "/installation/token")
        assert ended.headers["authorization"] == "Bearer ghs_minted"

    @pytest.mark.parametrize(
        "changes",
        [
            {"permissions": {"contents": "write"}},
            {"permissions": {"contents": "read", "administration": "write"}},
            {"repository_selection": "all"},
            {"repository_selection": ""},
        ],
    )
    def test_a_token_that_may_do_more_is_not_used_but_ended(self, serve, changes):
        service = self.service(serve, **changes)
        with pytest.raises(AegisError, match="more than was asked"):
            made("github_app", base_url=service.url).mint(wanted(SCOPES["github_app"]))
        assert service.received[-1].method == "DELETE"

    @pytest.mark.parametrize(
        "repositories", [["evil/shop"], ["acme/../x"], ["*"], ["acme/"], [], [".."], ["a b"]]
    )
    def test_other_repositories_are_refused(self, repositories):
        scope = {"repositories": repositories, "permissions": {"contents": "read"}}
        with pytest.raises(CallerError):
            made("github_app", base_url="http://127.0.0.1:9").mint(wanted(scope))

    @pytest.mark.parametrize("key", ["", "x", pem(Ed25519PrivateKey.generate())])
    def test_a_key_that_is_no_rsa_key_is_refused(self, key):
        with pytest.raises(ValueError, match="private_key"):
            made("github_app", private_key=key)


class TestVault:
    def service(self, serve):
        creds = {
            "lease_id": "database/creds/reader/abc",
            "lease_duration": 300,
            "data": {"username": "v-reader", "password": "minted"},
        }
        kv = {"data": {"data": {"key": "kept", "n": 1}, "metadata": {}}}
        return serve(
            {
                "/v1/database/creds/reader": (200, creds),
                "/v1/secret/data/app/key": (200, kv),
                "/v1/sys/leases/revoke": (204, None),
            }
        )

    def test_an_account_is_a_lease_and_is_revoked(self, serve):
        service = self.service(serve)
        broker = made("vault", url=service.url, namespace="team")
        credential = broker.mint(wanted({"role": "reader"}))
        assert credential.fields == {"username": "v-reader", "password": "minted"}
        assert credential.handle == "database/creds/reader/abc"
        assert abs(credential.expires / 1e6 - time.time() - 300) < 30
        assert service.received[0].headers["x-vault-token"] == SECRET
        assert service.received[0].headers["x-vault-namespace"] == "team"
        broker.revoke(Credential({}, handle=credential.handle))
        ended = service.received[-1]
        assert (ended.method, ended.path) == ("PUT", "/v1/sys/leases/revoke")
        assert ended.json == {"lease_id": "database/creds/reader/abc"}

    def test_a_secret_of_kv_is_read_and_marked_as_degraded(self, serve):
        broker = made("vault", url=self.service(serve).url, engine="kv")
        assert broker.degraded
        assert broker.mint(wanted({"path": "app/key"})).fields == {"key": "kept"}

    @pytest.mark.parametrize("role", ["../sys/x", "a/b", "a?b", "a#b"])
    def test_a_role_is_one_name(self, serve, role):
        service = self.service(serve)
        with pytest.raises(AegisError):
            made("vault", url=service.url).mint(wanted({"role": role}))
        assert service.received[-1].path == f"/v1/database/creds/{urllib.parse.quote(role, '')}"

    def test_a_path_does_not_climb(self, serve):
        broker = made("vault", url=self.service(serve).url, engine="kv")
        with pytest.raises(CallerError, match="no path"):
            broker.mint(wanted({"path": "app/../../sys"}))


ASSUMED = """<AssumeRoleResponse><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAMINTED</AccessKeyId><SecretAccessKey>minted&amp;secret</SecretAccessKey>
<SessionToken>minted-token</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>"""


class TestAwsSts:
    def test_the_signature_is_that_of_the_algorithm(self):
        """The expected value was made with botocore 1.44 for the same request."""
        signed = sign(
            {
                "content-type": "application/x-www-form-urlencoded; charset=utf-8",
                "host": "sts.eu-central-1.amazonaws.com",
                "x-amz-security-token": "tok",
            },
            b"Action=AssumeRole&Version=2011-06-15",
            ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            ("eu-central-1", "sts"),
            1_767_323_045,
        )
        assert signed["x-amz-date"] == "20260102T030405Z"
        assert signed["authorization"] == (
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-central-1/sts/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, "
            "Signature=6f7364e9aea9ac19c81a2ac24f052ee4b21bc8cb9808c3bc84493abaed5177cd"
        )

    def test_it_assumes_the_role_under_the_policy_of_the_scope(self, serve):
        service = serve({})
        service.answer = lambda got: (200, ASSUMED)
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*"}]}
        broker = made("aws_sts", base_url=service.url, external_id="ext")
        credential = broker.mint(wanted({"policy": policy}, ttl=5))
        assert credential.fields == {
            "access_key_id": "ASIAMINTED",
            "secret_access_key": "minted&secret",
            "session_token": "minted-token",
        }
        (sent,) = service.received
        form = {k: v[0] for k, v in urllib.parse.parse_qs(sent.body.decode()).items()}
        assert form["Action"] == "AssumeRole"
        assert form["RoleArn"] == "arn:aws:iam::1:role/agent"
        assert json.loads(form["Policy"]) == policy
        assert form["DurationSeconds"] == "900"
        assert form["ExternalId"] == "ext"
        assert re.fullmatch(r"[\w+=,.@-]{2,64}", form["RoleSessionName"])
        assert sent.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")

    def test_an_answer_without_keys_is_none(self, serve):
        service = serve({})
        service.answer = lambda got: (200, {"error": "no"})
        with pytest.raises(AegisError, match="holds no `AccessKeyId`"):
            made("aws_sts", base_url=service.url).mint(wanted(SCOPES["aws_sts"]))

    def test_a_policy_that_is_too_long_is_refused(self):
        scope = {"policy": {"Statement": ["x" * 3000]}}
        with pytest.raises(CallerError, match="longer than 2048"):
            made("aws_sts", base_url="http://127.0.0.1:9").mint(wanted(scope))


class TestOauthExchange:
    def broker(self, serve, **answer):
        made_of = {"access_token": "minted", "expires_in": 60, "scope": "read", **answer}
        service = serve({"/token": (200, made_of), "/revoke": (200, None)})
        options = {"token_url": f"{service.url}/token", "revocation_url": f"{service.url}/revoke"}
        return service, made("oauth_exchange", **options)

    def test_it_exchanges_for_one_audience_and_revokes(self, serve):
        service, broker = self.broker(serve)
        credential = broker.mint(wanted(SCOPES["oauth_exchange"]))
        assert credential.fields == {"token": "minted"}
        assert abs(credential.expires / 1e6 - time.time() - 60) < 30
        form = dict(urllib.parse.parse_qsl(service.received[0].body.decode()))
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
        assert (form["audience"], form["scope"]) == ("https://api.example", "read")
        assert form["subject_token"] == SECRET
        basic = base64.b64encode(f"aegis:{SECRET}".encode()).decode()
        assert service.received[0].headers["authorization"] == f"Basic {basic}"
        broker.revoke(credential)
        form = dict(urllib.parse.parse_qsl(service.received[-1].body.decode()))
        assert form["token"] == "minted"

    def test_a_wider_scope_is_not_used_but_ended(self, serve):
        service, broker = self.broker(serve, scope="read write")
        with pytest.raises(AegisError, match="more than was asked"):
            broker.mint(wanted(SCOPES["oauth_exchange"]))
        assert service.received[-1].path == "/revoke"

    def test_an_answer_without_a_token_is_none(self, serve):
        service, broker = self.broker(serve)
        service.answers["/token"] = (200, {"error": "invalid_target"})
        with pytest.raises(AegisError, match="is no token"):
            broker.mint(wanted(SCOPES["oauth_exchange"]))
