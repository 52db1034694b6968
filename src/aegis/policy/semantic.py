"""Semantic conditions: what an action is about, said in words.

Tier 1, built in, is a keyword matcher. The condition's text names categories ("contains harmful,
violent, or illegal content" names three); each category has its own evidence in RE2, made of
phrases that say somebody wants the thing, not of single words that also occur in harmless text.
A condition that names no category is read as alternatives ("payroll data or salary list"), each
of which needs all its words, by stem.

Tier 2 is an evaluator of the caller's, for example a model: `SemanticEvaluator`. It then decides
alone.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import re2

from ..model import ActionError, texts_of
from .fold import fold

if TYPE_CHECKING:
    from ..model import Action
    from .params import State

TEXT_READ = 65_536
"""Most characters of an action's text that are read; a miss in a longer one is UNKNOWN."""


class SemanticEvaluator(Protocol):
    """Decides whether an action is what a condition's words say."""

    def evaluate(self, condition: str, action: Action) -> bool:
        """True where it is. An exception, or anything but a bool, counts as unknown."""
        ...


# Category: (stems that name it in a condition, evidence in the folded text of an action).
# Evidence is RE2; `{q}` stands for up to four words in between.
_CATEGORIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "violence": (
        "harm|violen|danger|weapon|terror|gore|murder|abus",
        (
            r"(mak|build|construct|assembl|cook)\w*{q} (pipe |nail |dirty |car |petrol )?"
            r"(bomb|explosive|grenade|molotov|ied|landmine|detonator|nerve agent|silencer)s?",
            r"\b(pipe|nail|dirty|car|petrol|fertili[sz]er) bombs?\b",
            r"\b(kill|murder|stab|strangl|shoot|poison|behead|tortur|assassinat|lynch)\w*{q} "
            r"(him|her|them|someone|somebody|people|person|man|men|woman|women|child|children|"
            r"neighbou?r|wife|husband|boss|coworker|family|crowd|student|teacher|president)s?\b",
            r"\b(mass shooting|school shooting|massacre|genocide|terror(ist)? attack|bloodbath)",
            r"\b(beat|hurt|attack|maim)\w* (him|her|them|someone|somebody|people|my \w+) ?"
            r"(up|badly|to death)?\b",
            r"\b(make|build|3d.?print)\w*{q} (gun|firearm|rifle|ghost gun|weapon)s?\b",
        ),
    ),
    "self_harm": (
        "harm|suicid|self.?injur",
        (
            r"\b(kill|hurt|cut|harm)(ing)? (myself|yourself|himself|herself|themselves)\b",
            r"\b(commit|method|way|how|attempt)\w*{q} suicide\b",
        ),
    ),
    "illegal": (
        "illegal|unlawful|crim|illicit|drug|fraud",
        (
            r"\b(mak|cook|synthesi[sz]|produc|manufactur)\w*{q} (meth|methamphetamine|cocaine|"
            r"heroin|fentanyl|crack|mdma|ecstasy|lsd)\b",
            r"\b(buy|sell|smuggl|deal|traffic)\w*{q} (cocaine|heroin|fentanyl|meth|illegal drugs|"
            r"stolen \w+|humans?|organs?|children|ivory)\b",
            r"\b(launder\w* money|money launder\w*|counterfeit\w*|forg\w+{q} (passport|id|check|"
            r"signature)s?|credit card fraud|identity theft|insider trading|evade taxes)\b",
            r"\b(hotwire|steal|rob|shoplift|burgl)\w*{q} (car|bank|store|house|identity|money|"
            r"jewel\w*|credit cards?)\b",
            r"\b(writ|creat|build|mak|deploy)\w*{q} (malware|ransomware|keylogger|botnet|spyware|"
            r"phishing (mail|email|page|site|kit))\b",
            r"\b(hack|break) into\b|\bcrack{q} passwords?\b",
            r"\bhow to{q} (bomb|explosive)s?\b|\bchild (porn\w*|abuse material)\b",
        ),
    ),
    "hate": (
        "hate|hateful|discriminat|racis|slur|toxic|abus|harass|offens",
        (
            r"\b(hate|exterminate|inferior|subhuman|vermin|get rid of)\b{q} (race|jews?|muslims?|"
            r"christians?|blacks?|whites?|asians?|gays?|immigrants?|women|foreigners|gypsies)\b",
            r"\b(ethnic cleansing|white power|heil hitler|master race)\b",
            r"\b(jews?|muslims?|blacks?|gays?|immigrants?|women|foreigners)\b (are|should be){q} "
            r"(inferior|vermin|subhuman|exterminated|deported|killed|stupid)\b",
        ),
    ),
    "sexual": (
        "sexual|nsfw|porn|nud|erotic|adult|explicit",
        (
            r"\b(porn\w*|nsfw|erotic\w*|nudes?|explicit sex\w*|sex (scene|video|tape)s?|blowjob|"
            r"masturbat\w*|orgy|hentai)\b",
        ),
    ),
    "destructive": (
        "destruct|delet|destroy|wip|irreversib|drop",
        (
            r"\b(delete|remove|drop|destroy|wipe|purge|truncate|erase|overwrite|shred|format)(s|d|ing)?"
            r"\b",
            r"\brm -\w*[rf]|\bmkfs\b|\bdd if=",
        ),
    ),
    "data_exposure": (
        "expos|leak|exfiltrat|disclos|export|shar",
        (
            r"\b(export|exfiltrat|leak|upload|dump|publish|disclos|expos|forward|extract)\w*\b",
            r"\b(send|share|post|copy)\w*\b{q} (data|database|records?|customers?|list|file|files|"
            r"secrets?|credentials?|conversation)\b",
        ),
    ),
    "privileged": (
        "privileg|admin|escalat|elevat|permission|root access",
        (
            r"\b(sudo|superuser|root (access|shell|user)|admin(istrator)?s?|escalate|elevate[ds]?|"
            r"grant(s|ed|ing)?|impersonat\w*|privileg\w*|chmod|chown|setuid)\b",
        ),
    ),
    "financial": (
        "financ|payment|money|transact|bank|purchas|refund|transfer",
        (
            r"\b(pay(ment|s|ing|out)?|transfer(s|red|ring)?|refund\w*|invoic\w*|purchas\w*|wire|"
            r"withdraw\w*|deposit\w*|iban|bank account|credit card|payroll|salary)\b",
        ),
    ),
    "pii": (
        "pii|personal|privat|sensitive|identif|privacy|confidential",
        (
            r"\b(ssn|social security|passport|date of birth|dob|driver'?s? licen[sc]e|"
            r"home address|phone number|medical record|credit card|iban|national id|"
            r"personal data|email address)\b",
            r"\b\d{3}-\d{2}-\d{4}\b|\b[\w.+-]+@[\w-]+\.[a-z]{2,}\b",
        ),
    ),
    "credentials": (
        "credential|secret|password|api.?key|token",
        (
            r"\b(passwords?|passphrase|api[ _-]?keys?|secret[ _-]?keys?|private[ _-]?keys?|"
            r"access[ _-]?tokens?|bearer|credentials?|client[ _-]?secret)\b",
            r"\b(sk-[a-z0-9-]{16,}|akia[a-z0-9]{12,}|ghp_[a-z0-9]{20,})\b",
        ),
    ),
}
_BETWEEN = r"(\W+\w+){0,4}?\W*"

# Words of a condition that say nothing about what to look for.
_EMPTY = frozenset(
    """
    a about action actions an and any anything are as asking asks at be been being by can
    concerning contain contained containing contains content contents discusses discussing for
    from has have if in includes including into involve involves involving is it its like
    material mention mentioned mentioning mentions of on or other out refer refers regarding
    related relates request requests some something such talk talks text that the their them
    these this those to topic topics touches towards when where which with would
    """.split()  # noqa: SIM905
)
_WORD = re.compile(r"\w+")
_SUFFIX = re.compile(r"(ational|ations?|ments?|ings?|ers?|ies|ied|ness|ed|es|ly|s|e|y)$")


def _stem(word: str) -> str:
    shorter = _SUFFIX.sub("", word)
    return shorter if len(shorter) >= 3 else word


@cache
def _evidence(category: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    patterns = (pattern.replace("{q}", _BETWEEN) for pattern in _CATEGORIES[category][1])
    return re2.compile("|".join(f"(?:{pattern})" for pattern in patterns), options)


@lru_cache(maxsize=1_024)
def categories(condition: str) -> tuple[str, ...]:
    """The categories a condition names."""
    text = fold(condition)
    return tuple(
        name
        for name, (stems, _) in _CATEGORIES.items()
        if re.search(rf"\b(?:{stems})", text) is not None
    )


@lru_cache(maxsize=1_024)
def alternatives(condition: str) -> tuple[frozenset[str], ...]:
    """The stems each alternative of a condition needs, where it names no category."""
    parts = re.split(r"[,;/]|\bor\b", fold(condition))
    found = (frozenset(_stem(w) for w in _WORD.findall(p) if w not in _EMPTY) for p in parts)
    return tuple(stems for stems in found if stems)


def says_something(condition: str) -> bool:
    """Whether tier 1 has anything to look for."""
    return bool(categories(condition) or alternatives(condition))


def keyword_match(condition: str, action: Action) -> State:
    """Tier 1: TRUE, FALSE, or UNKNOWN where the action's text is too long or too deep."""
    try:
        pieces = [action.type, action.target, action.description, action.task]
        pieces += [text.text for text in action.content]
        pieces += [text.text for text in texts_of(action.params)]
    except ActionError:
        return 2
    whole = "\n".join(pieces)
    text = fold(whole[:TEXT_READ]).replace("_", " ")
    named = categories(condition)
    if named:
        hit = any(_evidence(name).search(text) is not None for name in named)
    else:
        stems = {_stem(word) for word in _WORD.findall(text)}
        hit = any(needed <= stems for needed in alternatives(condition))
    return 1 if hit else (2 if len(whole) > TEXT_READ else 0)
