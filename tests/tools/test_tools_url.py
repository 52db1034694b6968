"""Addresses have one spelling, and those inside are known whatever they are wrapped in."""

import pytest

from aegis.model import Action
from aegis.tools import http
from aegis.tools.address import special
from aegis.tools.read import as_read
from aegis.tools.url import canonical_url


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("HTTP://EXAMPLE.com.:80", "http://example.com/"),
        ("https://example.com:443/a/./b/../c", "https://example.com/a/c"),
        ("https://example.com:8443/%7euser/%c3%bc", "https://example.com:8443/~user/%C3%BC"),
        ("http://example.com/a/%2e%2e/b", "http://example.com/b"),
        ("http://example.com/../../x/..", "http://example.com/"),
        ("http://bücher.example/ü", "http://xn--bcher-kva.example/%C3%BC"),
        ("http://h.example/?q=ü b&r=100%", "http://h.example/?q=%C3%BC%20b&r=100%"),
        ("http://0x7f000001/", "http://127.0.0.1/"),
        ("http://0177.0.0.1:8080/", "http://127.0.0.1:8080/"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://127.1/", "http://127.0.0.1/"),
        ("http://１２７.0.0.1/", "http://127.0.0.1/"),
        ("http://127%2e0.0.1/", "http://127.0.0.1/"),
        ("http://[::FFFF:7f00:1]/", "http://127.0.0.1/"),
        ("http://[0:0::1]:81/x", "http://[::1]:81/x"),
        ("http://h.example/a?x=../../y#frag", "http://h.example/a?x=../../y"),
        ("example.com/x", "http://example.com/x"),
        ("http://h.example/a%2fb", "http://h.example/a%2Fb"),
    ],
)
def test_one_spelling(text, canonical):
    assert canonical_url(text).text == canonical
    assert canonical_url(canonical).text == canonical


@pytest.mark.parametrize(
    "text",
    [
        "http://",
        "http://h.example/a\\..\\b",
        "http://h.example/pub/..%2fadmin",
        "http://h.example/pub/%252e%252e%252fadmin",
        "http://h.example/pub/..;/admin",
        "http://h.example/pub/..%5cadmin",
        "http://h.example/a\nb",
        "http://h.example:0/",
        "http://h.example:99999/",
        "ftp://h.example/",
        "http://a%2fb.example/",
        "http://1.2.3.4.5/",
        "http://" + "a" * 300 + "/",
        "http://[::1",
    ],
)
def test_what_has_more_than_one_reading_is_refused(text):
    with pytest.raises(ValueError):
        canonical_url(text)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.31.255.255", "private"),
        ("fd00::1", "private"),
        ("169.254.169.254", "a metadata service"),
        ("fd00:ec2::254", "a metadata service"),
        ("168.63.129.16", "a metadata service"),
        ("::ffff:168.63.129.16", "a metadata service"),
        ("169.254.1.1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("100.64.0.1", "shared by a carrier (CGNAT)"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::ffff:10.0.0.1", "private"),
        ("64:ff9b::a00:1", "private"),
        ("2002:a9fe:a9fe::1", "a metadata service"),
        ("::7f00:1", "loopback"),
        ("2001:0:53aa:64c::1", "reserved"),
    ],
)
def test_addresses_inside_are_known(address, what):
    assert special(address) == what


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_public_addresses_are_nothing_special(address):
    assert special(address) == ""


def test_the_reader_names_the_place_that_is_asked():
    url = "http://H.example:80/public/%2e./admin?x=1"
    found = as_read(Action("GET", params={"method": "GET", "url": url}, protocol="http"))
    names = {(r.kind, r.name) for r in found.resources}
    assert names == {("host", "h.example"), ("url", "h.example/admin")}


def test_a_translated_metadata_address_is_a_danger():
    assert http.read("GET", "", {"url": "http://[64:ff9b::a9fe:a9fe]/"}).dangers == (
        "metadata-service",
    )
