"""Values in the variety people write them in, and what only looks like one."""

from __future__ import annotations

import pytest

from aegis.detect import inspect_text

VALUES = frozenset({"pii", "phi", "secret"})

FOUND = {
    "CREDIT_CARD": [
        "{4111 1111 1111 1111} 12/27 123",
        "{4111-1111-1111-1111}",
        "{4111.1111.1111.1111}",
        "{4111  1111  1111  1111}",
        "{4111_1111_1111_1111}",
        "{4111\u00a01111\u00a01111\u00a01111}",
        "{４１１１１１１１１１１１１１１１}",
        "{3782 822463 10005}",
        "{3056 9309 0259 04}",
        "{6759 6498 2643 8453}",
        "{5018 3904 2485}",
        "{6212 3456 7890 1234 569}",
        "{2223 0000 4841 0010}",
        "카드 {4111111111111111}로",
        "บัตร{4111111111111111}ค่ะ",
    ],
    "IBAN": [
        "{GB82 WEST 1234 5698 7654 32} Max Mustermann",
        "{DE89370400440532013000} BIC COBADEFF",
        "iban={NO9386011117947}&x=1",
        "{MT84 MALT 0110 0001 2345 MTLC AST0 01S}",
        "{fr14 2004 1010 0505 0001 3m02 606}です",
    ],
    "US_SSN": [
        "{536-22-8726}",
        "my social is {536 22 8726}",
        '"ssn": "{536228726}"',
        "SSN {536.22.8726}",
    ],
    "KR_RRN": [
        "주민번호 {900101-1234567}입니다",
        "RRN {9001011234567}",
        "외국인등록번호 {900101 - 5234567}",
    ],
    "JP_MYNUMBER": [
        "マイナンバーカードの番号が{123456789018}になります",
        "{1234 5678 9018}が私のマイナンバーです",
        "my number: {1234-5678-9018}",
    ],
    "CN_ID": ["身份证号码：{110105 19491231 002X}。", "证件{11010519491231002x}"],
    "US_PASSPORT": [
        "Reisepass-Nr. {C01X00T47}",
        "pasaporte {AAA123456}",
        "паспорт {45 10 123456}",
        "hộ chiếu số {B1234567}",
        "{E12345678} (passport)",
    ],
    "CRYPTO": [
        "send to {bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq}",
        "bitcoin:{1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa}?amount=1",
        "주소는 {0x52908400098527886E0F7030069857D2E4169EE7}입니다",
        "tron {TJRabPrwbZy45sbavfcjinPJC18kjpRTv8}",
        "xrp {rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh}",
        "Solana wallet {7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV1}",
        "{GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ}",
    ],
    "MAC": ["{001b.4411.3ab7}", "hwaddr {001b44113ab7}", "MAC {00 1b 44 11 3a b7}"],
    "IP": [
        "card:{2001:db8::7815}",
        "[{2001:db8::1a2b}]:443",
        "from {::ffff:203.0.113.77}",
        "ping {9.8.7.6}",
        "{203.0.113.77}:8080",
        "No.{203.0.113.77}",
        "{10.0.0.1}/24",
    ],
    "EMAIL": [
        "{用户@例子.广告}",
        "почта:{пример@почта.рф}",
        '{"john doe"@example.com}',
        "user={kim@example.co.kr}입니다",
        "{user@[192.0.2.10]}",
        "'{o'brien@example.ie}'",
    ],
    "PHONE": [
        "Springfield 24072\n{96 228011} office",
        "Tel. {030 12345678}",
        "Tél : {01 23 45 67 89}",
        "llámame al {612 345 678}",
        "il mio numero è {347 1234567}",
        "{+44 (0)20 7946 0958}",
        "телефон: {8 (912) 345-67-89}",
        "WhatsApp {(11) 98765-4321}",
        "请拨打{86-13812345678}",
        "電話番号は{090-1234-5678}です",
        "휴대폰: {010.1234.5678}",
        "هاتف {050 123 4567}",
        "โทร {081-234-5678}",
        "telefoon: {020-1234567}",
        "{0412 345 678} is my cell",
        "{+1 415 555 2671 ext. 12}",
    ],
    "URL_CRED": ["{redis://:hunter22@cache:6379/0}", "地址：{amqp://guest:guest@rabbit:5672/}。"],
    "DOB": [
        "DOB {12MAR1984}",
        '"date_of_birth": "{19840312}"',
        "née le {12 mars 1984} à Lyon",
        "{1984年3月12日}生まれ",
        "родился {12.03.1984}",
        "was born on {12th of March 1984}",
        "Date of Birth (DOB): {12/3/84}",
    ],
    "MRN": ["Med Rec No: {A1234567}", '"mrn": "{H-204981}"', "病历号：{0012345}"],
    "MEMBER_ID": ["Health plan ID {H12345678901}", "member #{JKQ812W04417}"],
    "ICD10": ["Diagnosis: diabetes ({E11.9})", "coded as {M54.5} in ICD-10", "Dx: {S72.001A}"],
    "MBI": ["mbi={1eg4te5mk73}", "Medicare ID {1EG4 TE5 MK73}"],
    "NPI": ["Rendering provider {1234567893} (NPI)"],
    "AI_API_KEY": ["{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}"],
    "SCM_TOKEN": ["{glsoat-x7Kq2Lm9Zt4Vb8Nc3Wp6}"],
    "VENDOR_SECRET": [
        '"rollbar": {"key": "{3f786850e387550fdab836ed7e6dc881}"}',
        "--linode-token {a8k2mz7ql4nx9vb3ct6yr1we5ui0op8s}",
        "<gocardlessToken>\n  {a8K2mZ7qL4nX9vB3cT6yR1wE5uI0oP8s}\n</gocardlessToken>",
    ],
    "SECRET": ["acme_auth_token ||= '{a8K2mZ7qL4nX9vB3cT6y}'"],
}

CASES = [(kind, text) for kind, texts in FOUND.items() for text in texts]


def value_of(text: str) -> tuple[str, str]:
    """The text without the marks around the value, and the value."""
    start, end = text.rindex("{"), text.rindex("}")
    if text.endswith("}") and text.count("}") > 1:
        end = text.index("}")
    return text[:start] + text[start + 1 : end] + text[end + 1 :], text[start + 1 : end]


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_a_value_is_found_however_it_is_written(kind: str, text: str) -> None:
    plain, value = value_of(text)
    found = [h for h in inspect_text(plain).findings if h.category in VALUES]
    assert [(h.type, plain[h.start : h.end]) for h in found] == [(kind, value)]


LOOK_ALIKES = [
    "Order #4111111111111111 shipped",
    "운송장번호 4111111111111111",
    "hex 61 63 63 65 73 73 20 67 72 61 6E 74 65 64",
    "libfoo 2.14.1.0 requires java 17.0.9.1",
    "ver. 5.4.3.2 and foo-1.2.3.4.tar.gz",
    "git@github.com:org/repo.git and icon@2x.png",
    "12-34-56-78-90-12 lotto",
    "diff +123456789 -987654321",
    "tel aviv 2024-2025",
    "phone model 3310, call 1000000 times, line 42",
    "postgres://USER:PASSWORD@HOST:PORT/DB",
    "github commit: 3f786850e387550fdab836ed7e6dc881de23001b",
    "google-auth==2.23.0 --hash=sha256:"
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "golang.org/x/net v0.17.0 h1:pVaXccu2ozPjCXewfr1S7xza/zcXTity9cCdXQYSjIM=",
    "azure subscription 5f3c9b1e-7d24-4c1a-9e0b-2a6d8f4c7b13",
    "stripe.api_key = STRIPE_API_KEY_V2_TEST",
    'api_key = "INSERT_YOUR_KEY_12345"',
    "password = AIRFLOW_PASS and WORKOS_PASSWORD=generate_a_random_32_character_string",
    "datadog.service: checkout-v2-prod1",
    "sort_key=2024-01-01#abc123 cache key: user:123456:profile",
    "Vitamin B12 and D3; A1C 7.2%; dx: B12 deficiency",
    "Cohort of 1,204 patients aged 45-67; dose 500 mg at 08:00 for 14 days",
    "The trial NCT01234567 enrolled 230 patients, PMID: 12345678",
    "Part number E11.9-220; gate B20",
    "choose one of `Sentry`, `Sentry-WithoutUIKitOrAppKit`, or `SentrySPM`",
]


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_a_look_alike_is_left_alone(text: str) -> None:
    assert [h for h in inspect_text(text).findings if h.category in VALUES] == []
