"""Google Cloud and Azure, against services that speak their wire and their errors."""

import contextlib
import json
import socket
import threading
import time
import urllib.parse
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aegis.builtin import client
from aegis.builtin.brokers.azure import AzureBroker
from aegis.builtin.brokers.gcp import GcpBroker
from aegis.model import Action, AegisError, CallerError
from aegis.plugin.broker import Context, Wanted

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SECRET = "the-workload's-own-token"
PROVIDER = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b"
READER = "reader@project.iam.gserviceaccount.com"
READ = "https://www.googleapis.com/auth/devstorage.read_only"


def pem(key):
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode()


def wanted(scope, ttl=300):
    return Wanted("cr_1", Action("storage.read", "bucket"), scope, ttl)


def form_of(got):
    return dict(urllib.parse.parse_qsl(got.body.decode(), strict_parsing=True))


def made(kind, **options):
    return kind(kind.Settings(**options), Context("cloud", Path("nowhere")))


def google(got):
    """Google's STS, its OAuth endpoint and the IAM Credentials API."""
    if got.path.endswith("/v1/token"):
        form = form_of(got)
        if "options" in form:
            return 200, {"access_token": f"bounded-{form['subject_token']}", "expires_in": 200}
        if form["subject_token"] != SECRET:
            return 400, {"error": "invalid_grant", "error_description": f"not {SECRET}"}
        return 200, {"access_token": "federated", "token_type": "Bearer", "expires_in": 3599}
    if got.path == "/token":
        told = jwt.decode(
            form_of(got)["assertion"], KEY.public_key(), ["RS256"],
            audience=f"http://{got.headers['host']}/token",
        )  # fmt: skip
        assert told["exp"] <= told["iat"] + 3600
        return 200, {"access_token": f"own-{told['iss']}", "expires_in": 3599}
    if READER not in got.path:
        said = {"code": 403, "message": "not allowed", "status": "PERMISSION_DENIED"}
        return 403, {"error": said}
    seconds = int(got.json["lifetime"].removesuffix("s"))
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    return 200, {"accessToken": "narrow", "expireTime": ends}


class TestGcp:
    def broker(self, serve, **options):
        service = serve({"": google})
        where = dict.fromkeys(("sts_url", "oauth_url", "iam_url"), service.url)
        return service, made(GcpBroker, **where, **options)

    def federated(self, serve, tmp_path):
        file = tmp_path / "token"
        file.write_text(SECRET + "\n")
        return self.broker(serve, audience=PROVIDER, subject_token_file=str(file))

    def test_a_federated_workload_impersonates_the_account_of_the_scope(self, serve, tmp_path):
        service, broker = self.federated(serve, tmp_path)
        credential = broker.mint(wanted({"service_account": READER, "scopes": [READ]}))
        assert credential.fields == {"token": "narrow"}
        assert abs(credential.expires / 1e6 - time.time() - 300) < 10
        exchanged, generated = service.received
        assert form_of(exchanged) == {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "audience": PROVIDER,
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "subject_token": SECRET,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        }
        assert "authorization" not in exchanged.headers
        assert generated.path == f"/v1/projects/-/serviceAccounts/{READER}:generateAccessToken"
        assert generated.headers["authorization"] == "Bearer federated"
        assert generated.json == {"scope": [READ], "lifetime": "300s"}

    def test_the_file_is_read_every_time(self, serve, tmp_path):
        service, broker = self.federated(serve, tmp_path)
        scope = {"service_account": READER, "scopes": [READ]}
        broker.mint(wanted(scope))
        (tmp_path / "token").write_text("stale")
        with pytest.raises(AegisError, match=r"cloud: status 400: invalid_grant$"):
            broker.mint(wanted(scope))
        (tmp_path / "token").write_text("")
        with pytest.raises(AegisError, match="is empty"):
            broker.mint(wanted(scope))
        (tmp_path / "token").unlink()
        with pytest.raises(AegisError, match="holds no token"):
            broker.mint(wanted(scope))
        assert len(service.received) == 3

    def test_a_key_signs_for_itself_and_impersonates(self, serve):
        service, broker = self.broker(serve, client_email="broker@p", private_key=pem(KEY))
        credential = broker.mint(wanted({"service_account": READER, "scopes": [READ]}, ttl=9000))
        assert credential.fields == {"token": "narrow"}
        assert form_of(service.received[0])["grant_type"].endswith(":jwt-bearer")
        assert service.received[1].headers["authorization"] == "Bearer own-broker@p"
        assert service.received[1].json["lifetime"] == "3600s"

    def test_a_boundary_narrows_it_to_resources(self, serve, tmp_path):
        service, broker = self.federated(serve, tmp_path)
        rule = {
            "availableResource": "//storage.googleapis.com/projects/_/buckets/b",
            "availablePermissions": ["inRole:roles/storage.objectViewer"],
        }
        scope = {"service_account": READER, "scopes": [READ], "boundary": [rule]}
        credential = broker.mint(wanted(scope))
        assert credential.fields == {"token": "bounded-narrow"}
        assert credential.expires / 1e6 < time.time() + 201
        sent = form_of(service.received[-1])
        assert json.loads(sent["options"]) == {"accessBoundary": {"accessBoundaryRules": [rule]}}

    def test_an_account_that_may_not_be_impersonated_is_an_error(self, serve, tmp_path):
        _, broker = self.federated(serve, tmp_path)
        other = {"service_account": "other@p.iam.gserviceaccount.com", "scopes": [READ]}
        with pytest.raises(AegisError, match=r"^cloud: status 403$"):
            broker.mint(wanted(other))

    @pytest.mark.parametrize(
        "account", ["", "reader", "a/../b@p.iam.gserviceaccount.com", "a@evil.example", "*@x"]
    )
    def test_what_is_no_account_is_refused_before_anything_is_sent(self, serve, tmp_path, account):
        service, broker = self.federated(serve, tmp_path)
        with pytest.raises(CallerError, match="no service account"):
            broker.mint(wanted({"service_account": account, "scopes": [READ]}))
        assert service.received == []

    @pytest.mark.parametrize(
        "answer",
        ["[]", "{}", "", "\xff", "null", '{"accessToken": "t", "expireTime": "x"}',
         '{"accessToken": "t", "expireTime": "2020-01-01T00:00:00Z"}',
         '{"accessToken": "t", "expireTime": "2999-01-01T00:00:00"}',
         '{"accessToken": "t", "expireTime": "0001-01-01T00:00:00+23:59"}',
         '{"accessToken": "", "expireTime": "2999-01-01T00:00:00Z"}',
         '{"accessToken": 7, "expireTime": "2999-01-01T00:00:00Z"}'],
    )  # fmt: skip
    def test_nonsense_is_no_token(self, serve, answer):
        service, broker = self.broker(serve, client_email="b@p", private_key=pem(KEY))
        token = {"access_token": "own"}
        service.answers = {"/token": (200, token), "": (200, answer)}
        with pytest.raises(AegisError, match="no token"):
            broker.mint(wanted({"service_account": READER, "scopes": [READ]}))

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({}, "either `audience`"),
            ({"audience": "a"}, "subject_token"),
            ({"audience": "a", "subject_token": "a", "subject_token_file": "b"}, "subject_token"),
            ({"audience": "a", "private_key": "x"}, "either `audience`"),
            ({"private_key": pem(KEY)}, "client_email"),
            ({"private_key": "x", "client_email": "a"}, "private_key"),
            ({"private_key": pem(Ed25519PrivateKey.generate()), "client_email": "a"}, "RSA"),
        ],
    )
    def test_half_a_configuration_is_refused(self, options, said):
        with pytest.raises(ValueError, match=said):
            made(GcpBroker, **options)


def microsoft(got):
    form = form_of(got)
    if SECRET not in (form.get("client_assertion"), form.get("client_secret")):
        said = "AADSTS7000215: Invalid client secret provided."
        return 401, {
            "error": "invalid_client", "error_description": said, "error_codes": [7000215],
        }  # fmt: skip
    return 200, {"token_type": "Bearer", "expires_in": 3599, "access_token": "minted"}


def drips(server):
    """Answer a byte at a time."""
    link, _ = server.accept()
    with link, contextlib.suppress(OSError):
        link.recv(65_536)
        link.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        for _ in range(400):
            link.sendall(b" ")
            time.sleep(0.05)


class TestAzure:
    SCOPE = "https://vault.azure.net/.default"

    def broker(self, serve, **options):
        service = serve({"/tenant-1/oauth2/v2.0/token": microsoft})
        given = {"tenant": "tenant-1", "client_id": "app-1", "base_url": service.url, **options}
        return service, made(AzureBroker, **given)

    def test_a_federated_assertion_buys_a_token_for_one_resource(self, serve, tmp_path):
        file = tmp_path / "token"
        file.write_text(SECRET)
        service, broker = self.broker(serve, assertion_file=str(file))
        credential = broker.mint(wanted({"scope": self.SCOPE, "client_id": "app-2"}))
        assert credential.fields == {"token": "minted"}
        assert abs(credential.expires / 1e6 - time.time() - 3599) < 10
        assert form_of(service.received[0]) == {
            "grant_type": "client_credentials",
            "client_id": "app-2",
            "scope": self.SCOPE,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": SECRET,
        }

    def test_so_does_a_secret_but_for_its_own_application_only(self, serve):
        service, broker = self.broker(serve, client_secret=SECRET)
        assert broker.mint(wanted({"scope": self.SCOPE})).scope["client_id"] == "app-1"
        assert form_of(service.received[0])["client_secret"] == SECRET
        with pytest.raises(CallerError, match="cannot name another"):
            broker.mint(wanted({"scope": self.SCOPE, "client_id": "app-2"}))

    def test_an_error_is_told_by_its_codes_alone(self, serve):
        _, broker = self.broker(serve, client_secret="wrong")
        with pytest.raises(AegisError) as caught:
            broker.mint(wanted({"scope": self.SCOPE}))
        assert str(caught.value) == "cloud: status 401: invalid_client AADSTS7000215"

    @pytest.mark.parametrize("scope", ["https://vault.azure.net", "a/.default b/.default", ""])
    def test_a_scope_is_one_resource(self, serve, scope):
        service, broker = self.broker(serve, client_secret=SECRET)
        with pytest.raises(CallerError, match="one resource"):
            broker.mint(wanted({"scope": scope}))
        assert service.received == []

    def test_a_token_without_an_end_is_none(self, serve):
        service, broker = self.broker(serve, client_secret=SECRET)
        service.answers = {"": (200, {"access_token": "forever"})}
        with pytest.raises(AegisError, match="when the token ends"):
            broker.mint(wanted({"scope": self.SCOPE}))

    @pytest.mark.parametrize(
        "answer",
        ["", "[]", "<html>", {"access_token": "", "expires_in": 60},
         {"access_token": "t", "expires_in": -60}, {"access_token": "t", "expires_in": "60"},
         {"access_token": ["t"], "expires_in": 60}],
    )  # fmt: skip
    def test_nonsense_is_no_token(self, serve, answer):
        service, broker = self.broker(serve, client_secret=SECRET)
        service.answers = {"": (200, answer)}
        with pytest.raises(AegisError, match="no token"):
            broker.mint(wanted({"scope": self.SCOPE}))

    @pytest.mark.parametrize("status", [301, 302, 307, 308, 500, 503])
    def test_a_secret_follows_no_redirect(self, serve, status):
        elsewhere = serve({"": microsoft})
        service, broker = self.broker(serve, client_secret=SECRET)
        service.answers = {"": (status, {"error": SECRET}, {"location": elsewhere.url + "/x"})}
        with pytest.raises(AegisError) as caught:
            broker.mint(wanted({"scope": self.SCOPE}))
        assert str(caught.value) == f"cloud: status {status}"
        assert elsewhere.received == []

    def test_a_service_that_drips_is_not_waited_for(self, monkeypatch):
        monkeypatch.setattr(client, "WHOLE_SECONDS", 0.5)
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=drips, args=(server,), daemon=True).start()
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
            given = {"tenant": "t", "client_id": "c", "client_secret": SECRET, "base_url": url}
            broker, began = made(AzureBroker, **given), time.monotonic()
            with pytest.raises(AegisError, match="too slow"):
                broker.mint(wanted({"scope": self.SCOPE}))
            assert time.monotonic() - began < 5
            broker.close()

    @pytest.mark.parametrize(
        "options", [{}, {"assertion": "a", "client_secret": "b"}, {"tenant": "../x"}]
    )
    def test_half_a_configuration_is_refused(self, options):
        given = {"tenant": "t", "client_id": "c", **options}
        with pytest.raises(ValueError, match=r"give one of|`tenant`"):
            made(AzureBroker, **given)
