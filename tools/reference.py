"""The generated pages of configuration and command line, as functions that return their text."""

from __future__ import annotations

import io
import textwrap

from aegis.cli import main
from aegis.kernel import describe

NOTICE = "<!-- written by `make docs`; edit the source it names, not this page -->"

CONFIGURATION = """\
# Configuration

{notice}
<!-- source: src/aegis/kernel/settings.py -->

Aegis reads one file, `aegis.yaml` (or `aegis.yml`). `aegis init` writes one with comments,
`aegis validate` checks one, `aegis schema --config` prints its JSON Schema for editors. Without a
file, every key has its default and the policy that ships with Aegis holds.

**Which file.** `--config FILE`; else the variable `AEGIS_CONFIG`; else the nearest file in the
working directory or at most five folders above. A file above the working directory that belongs
to another user is not used unless it is named.

**How it is read.** YAML 1.2: only `true` and `false` are booleans, `18:00` and `yes` are text.
Duplicate keys, merge keys and tags are refused, so are unknown keys, with file, line, column and
the key that was probably meant. All problems are reported at once, and nothing starts with a file
that has one. Relative paths count from the folder of the file.

**Environment.** A variable overrides a key; two underscores separate its parts. A variable that
names no key is refused. Rules of a policy are not set this way, but the path of their file is.

```sh
$ AEGIS__SERVER__PORT=9000 AEGIS__LOG__FORMAT=text aegis doctor --json
$ AEGIS__SERVER__PROT=9000 aegis doctor # exit 1
```

**Secrets.** A text may be a reference, such as `secret://env/OPENAI_API_KEY`; see
[secrets](secrets.md).

**Policy.** The key `policy` holds the policy itself, or names its file. `agents` and
`tool_policies` may stand beside it.

```yaml
policy: {{ path: policy.yaml }}
```

**Reloading.** `aegis serve --watch` puts a changed file in force; so does the signal SIGHUP. A
file with a problem changes nothing and is reported. Keys that need a restart keep their value
until the process starts anew.

{tables}"""

COMMANDS = """\
# Command line

{notice}
<!-- source: src/aegis/cli/ -->

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | findings, or refused: a file with problems, evidence that does not verify, a failed case |
| 2 | wrong usage or unusable input |
| 3 | a fault in Aegis itself |
| 130 | interrupted |

Answers go to standard output, everything else to standard error. Tables have colour on a terminal
only; `--json`, where there is one, prints data. `--debug` shows where an error arose. No verb asks
questions, so all work without a terminal.

{verbs}"""


def configuration() -> str:
    """`docs/reference/configuration.md`: every key, from the field table."""
    return CONFIGURATION.format(notice=NOTICE, tables=describe.reference())


def commands() -> str:
    """`docs/reference/cli.md`: every verb, as `--help` shows it."""
    parts = []
    for verbs in main.VERBS.values():
        for words, _, _ in verbs:
            parts.append(f"## `aegis {words}`\n\n```text\n{help_of(words)}```\n")
    return COMMANDS.format(notice=NOTICE, verbs="\n".join(parts))


def help_of(words: str) -> str:
    """What `aegis WORDS --help` prints outside a terminal."""
    from rich.console import Console

    out = io.StringIO()
    asked = words.split()
    console = Console(file=out, width=80, force_terminal=False, no_color=True)
    main.app(asked).help_print(asked, console=console)
    lines = (line.rstrip() for line in out.getvalue().splitlines())
    return textwrap.dedent("\n".join(lines)) + "\n"
