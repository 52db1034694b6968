"""What tells a password from a word that is said where passwords are written."""

from __future__ import annotations

import re

from .opaque import sampled

_NAME = re.compile(
    r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[a-z]+(?:[_-][a-z0-9]+){2,}|(?:[/.~]|\\f[A-Z]).*"
    r"|[$@*&]?[A-Za-z_]+(?:(?:\.|::|->|\?\.)[A-Za-z_]+)+(?:[-:]>?)?"
    r"|[a-z]+(?:\.[a-z0-9_]+)*\.[a-z0-9]*_[a-z0-9_]*"
    r"|(?:u?int|float|string|varchar|char|text|sha|md|utf|base|argon|aes|rsa|hmac|pbkdf)[-_]?[0-9]+"
)
"""What is no password though it has digits or signs: names, paths, members, types."""

_SAID = re.compile("encrypt|hashed|required|protected|(?:^|[^a-z])(?:my|your)?pass(?:word)?$")


def password(value: str) -> bool:
    """A string that was chosen as a password rather than said: letters with digits or signs."""
    value = value.rstrip(".!?:")
    lowered = value.lower()
    if len(value) < 6 or _NAME.fullmatch(value) or _SAID.search(lowered):
        return False
    if sampled(lowered.replace("password", "")):
        return False
    kinds = (
        any(map(str.isdigit, value))
        + any(map(str.isupper, value[1:]))
        + (not all(map(str.isalnum, value)))
    )
    if len(set(lowered)) <= 3:
        return False
    return kinds >= 2 or any(map(str.isdigit, value))


_COMMON_WORDS = """
abcdefg abcdefgh alexander amanda andrew anthony apple arsenal asdf asdfgh asdfghjkl ashley
austin azerty babygirl badboy bailey banana bandit barcelona baseball basketball batman bigdog
biteme booboo boomer boston brandon buster butterfly camaro charlie cheese chelsea chester
chicken chocolate cookie cooper corvette cowboy dallas daniel danielle diamond dolphin donald
dragon dragonball dragonfly eagles einstein elephant falcon fender ferrari fishing flower
football freedom fuckyou gandalf garfield george ginger golfer google guitar hammer hannah
harley heather hello hockey hunter iceman iloveyou jackson jasmine jasper jennifer jessica
jessie johnny jordan joseph joshua junior justin killer kitten kitty ladybug lakers letmein
liverpool london loveme maggie marina marlboro martin master matrix matthew maverick melissa
merlin metallica michael michelle mickey midnight monkey monster morgan mustang naruto nascar
nicholas nicole ninja nirvana oliver orange packers panther peanut pepper phoenix pokemon
porsche prince princess purple qazwsx qweasd qwert qwerty qwertyui qwertyuiop rabbit rachel
raiders rainbow ranger rangers redskins richard robert rocket samantha samsung scooter scorpion
shadow silver slayer smokey snoopy soccer softball sparky spider spiderman starwars steelers
steven summer sunflower sunshine superman superstar taylor tennis teresa thomas thunder tigger
tinkerbell travis turtle unicorn vanessa victoria viking walter warrior welcome william willow
winter wizard xavier yamaha yankees yellow zxcvbn zxcvbnm
"""

_SPOKEN_WORDS = """
absent accept accepted account adgangskode admin allowed always anonymous another argument
attribute auth authentication autocomplete autofill autogenerate automatic backend bcrypt
benutzer binary blank boolean buffer bytes cannot change changed check cipher clave clear
cleartext client column commandline config confirm confirmation confirmed contains content
contrasena contrasenya correct create created credential credentials crypt current custom
database default defined delete deleted denied derived digest disabled display does each either
email empty enable enabled encoded encrypted enter entered entry environment error escape
excluded exists expired external failed failure false field file filled filter filtered forgot
forgotten form format gebruiker generate generated geslo getpass given global group guarded
guest hash hashed haslo header heslo hidden ignore ignored image immutable import incorrect
inherit initial inline inner input insecure integer interactive invalid item jelszo katasandi
kennwort kerberos keychain keyring keyword label lambda length letters literal local locked
login lookup losenord lozinka mandatory manual manually masked match matches matkhau maximum
member message method minimum mismatch missing module motdepasse mutable mysql never none normal
null nullable number obfuscated object omitted opaque option optional other output overwrite
owner param parameter parola parole parse parsed partial passed passord passphrase passwd
password passwords passwort path pattern pbkdf pengguna person placeholder plain plaintext
policy postgres present private profile prompt prompted property protected provided provider
public query random randomly readonly received record redacted reference regex rejected remote
removed repeat request requested required reset resource restored result retry return returned
revoked root rotate rotated salasana sample schema script scrubbed search secret secrets secure
select senha sensitive server service session setting setup shadowed shared short should sifre
slaptazodis sometimes source special stdin stored strategy string strong subject submit success
support symbol system template test tests text textarea textbox textfield token transient
trimmed true type undefined unknown unset unspecified unused update updated upper user username
usuario utente utilisateur uzytkownik valid validate validated value varchar variable vault
verified verify virtual visible void wachtwoord weak widget will write writeonly wrong yourself
"""

_COMMON = frozenset(_COMMON_WORDS.split())
"""Words that stand in every published list of common passwords."""

_SPOKEN = frozenset(_SPOKEN_WORDS.split())
"""Words that say something about a password, name a type, or are its name in other languages."""


def common_password(value: str) -> bool:
    """A word without digits that people are known to choose."""
    return value.lower() in _COMMON


def worded_password(value: str) -> bool:
    """A word that may have been chosen: neither a type, nor a state, nor a label."""
    return value.islower() and value not in _SPOKEN and not sampled(value)
