"""Check digits of national identity, tax and insurance numbers.

Every function takes the text of a number and answers whether it can be one. Sources are the laws
and registers that define the numbers; the names are those their countries use.
"""

from __future__ import annotations

from operator import mul
from string import ascii_letters, digits
from typing import TYPE_CHECKING

from .dates import real_date
from .shapes import DIGITS_ALONE

if TYPE_CHECKING:
    from collections.abc import Callable


_SIGNS = bytes(set(range(256)) - set((digits + ascii_letters).encode()))
_VALUES = bytes(max(0, code - ord("0")) for code in range(256))


def _digits(value: str) -> list[int]:
    return list(value.encode().translate(_VALUES, DIGITS_ALONE))


def _alnum(value: str) -> str:
    return value.upper().encode().translate(None, _SIGNS).decode()


def _weighted(digits: list[int], weights: tuple[int, ...]) -> int:
    return sum(map(mul, digits, weights))


def _born(digits: list[int], order: str = "ymd") -> bool:
    """Whether six digits are a day."""
    parts = dict(zip(order, (digits[i] * 10 + digits[i + 1] for i in (0, 2, 4)), strict=True))
    return real_date(parts["y"], parts["m"], parts["d"])


def luhn_digits(digits: list[int]) -> bool:
    """Mod 10 of ISO/IEC 7812-1."""
    doubled = [(d * 2 - 9 if d > 4 else d * 2) if i % 2 else d for i, d in enumerate(digits[::-1])]
    return sum(doubled) % 10 == 0


def br_cnpj(value: str) -> bool:
    """Brazilian company number: two mod-11 digits."""
    n = _digits(value)
    if len(n) != 14 or len(set(n)) == 1:
        return False
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    for size in (12, 13):
        rest = _weighted(n[:size], weights[13 - size :]) % 11
        if n[size] != (0 if rest < 2 else 11 - rest):
            return False
    return True


def es_nif(value: str) -> bool:
    """Spanish DNI or NIE: the letter is the number modulo 23."""
    plain = _alnum(value)
    if len(plain) != 9:
        return False
    number = plain[:-1].translate(str.maketrans("XYZ", "012"))
    return number.isdigit() and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == plain[-1]


_CF_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3,
         6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip


def it_codice_fiscale(value: str) -> bool:
    """Italian tax code: sixteen characters, the last one their check (DM 23.12.1976)."""
    plain = _alnum(value)
    if len(plain) != 16:
        return False
    odd = sum(_CF_ODD[char] for char in plain[:15:2])
    even = sum(int(char) if char.isdigit() else ord(char) - 65 for char in plain[1:15:2])
    return chr(65 + (odd + even) % 26) == plain[15]


def ca_sin(value: str) -> bool:
    """Canadian social insurance number: nine digits, mod 10."""
    n = _digits(value)
    return len(n) == 9 and sum(n) > 0 and luhn_digits(n)


def au_tfn(value: str) -> bool:
    """Australian tax file number: weighted sum divisible by 11."""
    n = _digits(value)
    return len(n) == 9 and _weighted(n, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def au_medicare(value: str) -> bool:
    """Australian Medicare card: ten or eleven digits, the ninth a check digit."""
    n = _digits(value)
    return (
        len(n) in (10, 11)
        and 2 <= n[0] <= 6
        and _weighted(n[:8], (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == n[8]
    )


_NINO_UNUSED = frozenset(["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"])


def uk_nino(value: str) -> bool:
    """British National Insurance number: the prefix is one that is given out."""
    plain = _alnum(value)
    return len(plain) == 9 and plain[:2] not in _NINO_UNUSED


def fr_nir(value: str) -> bool:
    """French social security number: the key is 97 less the number modulo 97."""
    plain = _alnum(value).replace("2A", "19").replace("2B", "18")
    if len(plain) != 15 or not plain.isdigit():
        return False
    month = int(plain[3:5])
    return (1 <= month <= 12 or month >= 20) and 97 - int(plain[:13]) % 97 == int(plain[13:])


def de_steuer_id(value: str) -> bool:
    """German tax identification number: eleven digits, ISO 7064 mod 11,10."""
    n = _digits(value)
    if len(n) != 11 or n[0] == 0 or not 7 <= len(set(n[:10])) <= 9:
        return False
    product = 10
    for digit in n[:10]:
        product = ((digit + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == n[10]


def pl_pesel(value: str) -> bool:
    """Polish PESEL: birth date (the month tells the century) and a weighted check digit."""
    n = _digits(value)
    if len(n) != 11 or not _born([*n[:2], n[2] % 2, *n[3:6]]):
        return False
    return (10 - _weighted(n[:10], (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10) % 10 == n[10]


def nl_bsn(value: str) -> bool:
    """Dutch citizen service number: the eleven test."""
    n = _digits(value)
    return len(n) == 9 and sum(n) > 0 and _weighted(n, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def se_personnummer(value: str) -> bool:
    """Swedish personal number: birth date and mod 10 of the last ten digits."""
    n = _digits(value)[-10:]
    return len(n) == 10 and _born([*n[:4], n[4] % 6, n[5]]) and luhn_digits(n)


def dk_cpr(value: str) -> bool:
    """Danish CPR number: a birth date; check digits were given up in 2007."""
    n = _digits(value)
    return len(n) == 10 and _born(n, "dmy")


def no_fnr(value: str) -> bool:
    """Norwegian birth number: two mod-11 digits."""
    n = _digits(value)
    if len(n) != 11:
        return False
    first = -_weighted(n[:9], (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
    second = -_weighted(n[:10], (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (first, second) == (n[9], n[10])


def fi_hetu(value: str) -> bool:
    """Finnish personal identity code: birth date and a character modulo 31."""
    plain = value.upper()
    n = _digits(plain[:6]) + _digits(plain[7:10])
    if len(plain) != 11 or len(n) != 9 or not _born(n[:6], "dmy"):
        return False
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int("".join(map(str, n))) % 31] == plain[10]


def be_national(value: str) -> bool:
    """Belgian national register number: 97 less the number modulo 97, born before or since 2000."""
    n = "".join(map(str, _digits(value)))
    if len(n) != 11:
        return False
    return any(97 - int(prefix + n[:9]) % 97 == int(n[9:]) for prefix in ("", "2"))


def ch_ahv(value: str) -> bool:
    """Swiss social insurance number: country 756 and an EAN-13 check digit."""
    n = _digits(value)
    return len(n) == 13 and n[:3] == [7, 5, 6] and _weighted(n, (1, 3) * 6 + (1,)) % 10 == 0


def cl_rut(value: str) -> bool:
    """Chilean RUT: mod 11, ten is K."""
    plain = _alnum(value)
    if not 8 <= len(plain) <= 9 or not plain[:-1].isdigit():
        return False
    total = sum(int(d) * (i % 6 + 2) for i, d in enumerate(reversed(plain[:-1])))
    return "0123456789K0"[11 - total % 11] == plain[-1]


def ar_cuit(value: str) -> bool:
    """Argentine CUIT: mod 11."""
    n = _digits(value)
    if len(n) != 11:
        return False
    return _weighted(n, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def mx_curp(value: str) -> bool:
    """Mexican CURP: birth date and a check digit over the letters."""
    plain = value.upper()
    letters = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
    if len(plain) != 18 or not plain[17].isdigit() or not _born(_digits(plain[4:10])):
        return False
    total = sum(letters.index(char) * (18 - i) for i, char in enumerate(plain[:17]))
    return (10 - total % 10) % 10 == int(plain[17])


def sg_nric(value: str) -> bool:
    """Singaporean NRIC or FIN: weighted sum, letter by series."""
    plain = _alnum(value)
    n = _digits(plain)
    if len(plain) != 9 or len(n) != 7:
        return False
    offset = {"S": 0, "F": 0, "T": 4, "G": 4, "M": 3}[plain[0]]
    rest = (_weighted(n, (2, 7, 6, 5, 4, 3, 2)) + offset) % 11
    table = "JZIHGFEDCBA" if plain[0] in "ST" else "XWUTRQPNMLK"
    if plain[0] == "M":
        return "XWUTRQPNJLK"[10 - rest] == plain[8]
    return table[rest] == plain[8]


def tw_id(value: str) -> bool:
    """Taiwanese identity number: a letter that stands for two digits, then mod 10."""
    plain = _alnum(value)
    if len(plain) != 10 or not plain[1:].isdigit():
        return False
    code = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(plain[0]) + 10
    n = [code // 10, code % 10, *map(int, plain[1:])]
    return _weighted(n, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)) % 10 == 0


def hk_id(value: str) -> bool:
    """Hong Kong identity card: mod 11 over letters and digits, ten is A."""
    plain = _alnum(value)
    if len(plain) not in (8, 9):
        return False
    codes = [ord(c) - 55 if c.isalpha() else int(c) for c in plain[:-1]]
    if len(codes) == 7:
        codes.insert(0, 36)
    check = 10 if plain[-1] == "A" else int(plain[-1]) if plain[-1].isdigit() else -1
    return (_weighted(codes, (9, 8, 7, 6, 5, 4, 3, 2)) + check) % 11 == 0


def kr_business(value: str) -> bool:
    """Korean business registration number: weighted check digit."""
    n = _digits(value)
    if len(n) != 10:
        return False
    total = _weighted(n[:9], (1, 3, 7, 1, 3, 7, 1, 3, 5)) + n[8] * 5 // 10
    return (10 - total % 10) % 10 == n[9]


def th_id(value: str) -> bool:
    """Thai identity number: mod 11."""
    n = _digits(value)
    return len(n) == 13 and (11 - _weighted(n[:12], tuple(range(13, 1, -1))) % 11) % 10 == n[12]


def tr_id(value: str) -> bool:
    """Turkish identity number: two check digits."""
    n = _digits(value)
    if len(n) != 11 or n[0] == 0:
        return False
    return (sum(n[0:9:2]) * 7 - sum(n[1:8:2])) % 10 == n[9] and sum(n[:10]) % 10 == n[10]


def ru_inn(value: str) -> bool:
    """Russian taxpayer number of a person (twelve digits) or a company (ten)."""
    n = _digits(value)
    weights = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
    if len(n) == 10:
        return _weighted(n[:9], weights[2:]) % 11 % 10 == n[9]
    return (
        len(n) == 12
        and _weighted(n[:10], weights[1:]) % 11 % 10 == n[10]
        and _weighted(n[:11], weights) % 11 % 10 == n[11]
    )


def ru_snils(value: str) -> bool:
    """Russian insurance number: weighted sum modulo 101."""
    n = _digits(value)
    if len(n) != 11:
        return False
    return _weighted(n[:9], tuple(range(9, 0, -1))) % 101 % 100 == n[9] * 10 + n[10]


def za_id(value: str) -> bool:
    """South African identity number: birth date and mod 10."""
    n = _digits(value)
    return len(n) == 13 and _born(n) and n[10] in (0, 1, 2) and luhn_digits(n)


def il_id(value: str) -> bool:
    """Israeli identity number: nine digits, mod 10."""
    n = _digits(value)
    return len(n) == 9 and sum(n) > 0 and luhn_digits(n)


def id_nik(value: str) -> bool:
    """Indonesian NIK: sixteen digits, the birth date in the middle (women: day plus forty)."""
    n = _digits(value)
    return len(n) == 16 and n[0] > 0 and _born([n[6] % 4, *n[7:12]], "dmy")


def my_kad(value: str) -> bool:
    """Malaysian MyKad: a birth date in front."""
    n = _digits(value)
    return len(n) == 12 and _born(n)


def cz_rodne(value: str) -> bool:
    """Czech and Slovak birth number of ten digits: divisible by 11 (women: month plus fifty)."""
    n = _digits(value)
    whole = int("".join(map(str, n)) or "0")
    return len(n) == 10 and whole % 11 == 0 and _born([n[0], n[1], n[2] % 5, n[3], n[4], n[5]])


NATIONALS: dict[str, Callable[[str], bool]] = {
    check.__name__: check
    for check in (
        ar_cuit, au_medicare, au_tfn, be_national, br_cnpj, ca_sin, ch_ahv, cl_rut, cz_rodne,
        de_steuer_id, dk_cpr, es_nif, fi_hetu, fr_nir, hk_id, id_nik, il_id, it_codice_fiscale,
        kr_business, mx_curp, my_kad, nl_bsn, no_fnr, pl_pesel, ru_inn, ru_snils, se_personnummer,
        sg_nric, th_id, tr_id, tw_id, uk_nino, za_id,
    )
}  # fmt: skip
"""Checks by the name that rule files use."""
