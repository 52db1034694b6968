"""Check digits, masks, boundaries: values of every kind in the company of every script."""

from __future__ import annotations

import pytest

from aegis.detect import inspect_text, shared
from aegis.detect.masks import STYLES, mask
from aegis.detect.validators import VALIDATORS

VALID = {
    "aadhaar": "234123412346",
    "birth_date": "1984-03-12",
    "card": "378282246310005",
    "common_password": "sunshine",
    "cn_id": "11010519491231002X",
    "cpf": "529.982.247-25",
    "dea": "BG1318460",
    "generated": "q7Lm9Zt4Vb8Nc3Wp",
    "iban": "DE89 3704 0044 0532 0130 00",
    "icd10": "E11.9",
    "identifier": "MR5237589",
    "ipv4": "9.8.7.6",
    "ipv4_plain": "203.0.113.77",
    "ipv6": "2001:db8:85a3:8d3:1319:8a2e:370:7348",
    "key_body": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END",
    "luhn": "79927398713",
    "mac": "3c:22:fb:9a:01:7e",
    "mailbox": "jane.doe@mail.example.org",
    "minted": "npm_a8K2mZ7qL4nX9vB3cT6y",
    "my_number": "123456789018",
    "nhs": "943 476 5919",
    "not_sample": "q7Lm9abcdefZ",
    "npi": "1234567893",
    "passport": "C12345678",
    "password": "Tr0ub4dor&3",
    "phone": "+44 20 7946 0958",
    "rrn": "900101-1234567",
    "solana": "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV1",
    "ssn": "536-22-8726",
    "unbroken": "sk-q7Lm9Zt4Vb8Nc3Wp",
    "url_login": "redis://:hunter22@cache:6379/0",
    "wallet": "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "worded_password": "wheelbarrow",
}
NATIONAL = {
    "ar_cuit": "20-12345678-6",
    "au_medicare": "2123 45670 1",
    "au_tfn": "123 456 782",
    "be_national": "85.07.30-033.28",
    "br_cnpj": "11.222.333/0001-81",
    "ca_sin": "046 454 286",
    "ch_ahv": "756.9217.0769.85",
    "cl_rut": "12.345.678-5",
    "cz_rodne": "736028/5163",
    "de_steuer_id": "86095742719",
    "dk_cpr": "070761-4285",
    "es_nif": "12345678Z",
    "fi_hetu": "131052-308T",
    "fr_nir": "1 84 12 76 451 089 46",
    "hk_id": "A123456(3)",
    "id_nik": "3171011708450001",
    "il_id": "123456782",
    "it_codice_fiscale": "RSSMRA85T10A562S",
    "kr_business": "220-81-62517",
    "mx_curp": "HEGG560427MVZRRL04",
    "my_kad": "880101-14-5678",
    "nl_bsn": "111222333",
    "no_fnr": "15108695088",
    "pl_pesel": "44051401359",
    "ru_inn": "500100732259",
    "ru_snils": "112-233-445 95",
    "se_personnummer": "640823-3234",
    "sg_nric": "S1234567D",
    "th_id": "1-2345-45678-78-1",
    "tr_id": "10000000146",
    "tw_id": "A123456789",
    "uk_nino": "AB123456C",
    "za_id": "8001015009087",
}
UNCHECKED = {"dk_cpr", "id_nik", "my_kad", "uk_nino", "au_medicare"}
"""Numbers whose last digit is no check digit."""
VALID |= NATIONAL
DIGIT_CHECKED = [
    *sorted(NATIONAL.keys() - UNCHECKED),
    "aadhaar",
    "card",
    "cn_id",
    "cpf",
    "dea",
    "iban",
    "luhn",
    "my_number",
    "nhs",
    "npi",
    "wallet",
]


def test_every_validator_has_a_case() -> None:
    assert VALID.keys() == VALIDATORS.keys()


@pytest.mark.parametrize("name", VALID)
def test_a_true_value_passes(name: str) -> None:
    assert VALIDATORS[name](VALID[name])


@pytest.mark.parametrize("name", DIGIT_CHECKED)
def test_a_changed_digit_fails(name: str) -> None:
    value = VALID[name]
    at = max(i for i, char in enumerate(value) if char.isdigit())
    changed = value[:at] + str((int(value[at]) + 1) % 10) + value[at + 1 :]
    assert not VALIDATORS[name](changed)


@pytest.mark.parametrize("name", VALID)
def test_nothing_and_nonsense_fail_quietly(name: str) -> None:
    for value in ("", "-", "x", "٣٤٥", "ñé" * 9, "0" * 9, "A" * 16, "0" * 40):
        assert VALIDATORS[name](value) in (True, False)


AROUND = [
    ("값은 ", "입니다"),
    ("値は", "です"),
    ("是", "。"),
    ("(", ")"),
    ("значение ", ","),
    ("", ""),
]
SPANS = [
    ("EMAIL", "jane.doe@mail.example.org"),
    ("US_SSN", "536-22-8726"),
    ("CREDIT_CARD", "4012888888881881"),
    ("CREDIT_CARD", "3782 822463 10005"),
    ("IBAN", "GB82WEST12345698765432"),
    ("KR_RRN", "900101-1234567"),
    ("CN_ID", "11010519491231002X"),
    ("MAC", "3c:22:fb:9a:01:7e"),
    ("IP", "203.0.113.77"),
    ("IP", "2001:db8:85a3:8d3:1319:8a2e:370:7348"),
    ("CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
]


@pytest.mark.parametrize(("before", "after"), AROUND)
@pytest.mark.parametrize(("kind", "value"), SPANS)
def test_values_are_found_next_to_any_script(
    kind: str, value: str, before: str, after: str
) -> None:
    text = before + value + after
    hits = [hit for hit in shared().scan(text) if hit.type == kind]
    assert [text[hit.start : hit.end] for hit in hits] == [value]


def test_values_in_other_digits_and_with_invisible_letters() -> None:
    text = "ssn: ５３６-２２-８７２６, mail jane\u200b.doe@mail.exam\u00adple.org"
    masked = inspect_text(text).masked
    assert "８７" not in masked.replace("８７２６", "")
    assert "jane" not in masked


@pytest.mark.parametrize(("kind", "value"), SPANS)
def test_a_masked_value_is_not_found_again(kind: str, value: str) -> None:
    masked = inspect_text(f"here {value} there").masked
    assert value not in masked
    assert [hit.type for hit in shared().scan(masked) if hit.type == kind] == []


@pytest.mark.parametrize("style", STYLES)
def test_masks_hide_most_of_a_value(style: str) -> None:
    for value in ("jane.doe@mail.example.org", "4012888888881881", "203.0.113.77", "ab"):
        hidden = mask(style, value, "TYPE")
        assert hidden != value


def test_look_alikes_are_left_alone() -> None:
    for text in (
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "id 123e4567-e89b-12d3-a456-426614174000 saved",
        '"integrity": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP'
        '+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="',
        "version 10.0.19041.1 of 2026-11-21 10:45:30",
        "std::vector<int>::iterator it",
        "order 1234567890123456 shipped",
    ):
        assert shared().scan(text) == [], text
