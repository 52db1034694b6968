"""Programs that change infrastructure: clouds, clusters, containers, databases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..names import capability
from ..reading import DELETE, DEPLOY, EXECUTE, READ, WRITE
from .call import Call, parsed

if TYPE_CHECKING:
    from collections.abc import Callable

_GLOBAL = frozenset(
    """n namespace context cluster kubeconfig profile region project subscription f filename o
    output l selector c container p t tag name query H host workspace s chdir var var-file out
    zone account resource-group g impersonate-service-account configuration""".split()  # noqa: SIM905
)
_PLACE = (
    "context",
    "cluster",
    "profile",
    "project",
    "n",
    "namespace",
    "workspace",
    "subscription",
    "g",
    "resource-group",
)


def _verbs(call: Call) -> list[str]:
    """The words that are no options, and the environment from those that name a place."""
    found = parsed(call.args, _GLOBAL)
    for word in found.of(*_PLACE):
        call.notes.placed(word.text)
    return [word.text for word in found.operands]


def _acts(words: list[str], known: dict[str, str]) -> str:
    for word in words[:4]:
        if word in known:
            return known[word]
    return min((capability(word) for word in words[:3]), key=_ORDER.index, default=READ)


_ORDER = (DELETE, DEPLOY, "approve", WRITE, READ, EXECUTE)


def _words(**rows: str) -> dict[str, str]:
    """Word → capability, from the words of each capability."""
    return {word: acts for acts, words in rows.items() for word in words.split()}


_KUBECTL = _words(
    read="""get describe logs top explain api-resources api-versions version cluster-info config
        auth events wait diff kustomize plugin completion options""",
    write="label annotate taint cordon uncordon cp",
    execute="exec attach debug port-forward proxy",
    deploy="apply rollout scale set create replace patch edit autoscale expose run",
    delete="delete drain",
)
_WIDE_KINDS = re.compile(
    r"^(?:ns|namespaces?|no|nodes?|pv|persistentvolumes?|pvc|persistentvolumeclaims?|crds?|customresourcedefinitions?|all|storageclass(?:es)?|clusterroles?(?:bindings?)?)(?:/|$)"
)


def cluster(call: Call) -> None:
    """kubectl, oc, helm."""
    words = _verbs(call)
    acts = _acts(words, _KUBECTL if call.name != "helm" else _HELM)
    call.notes.does(acts)
    if acts == READ and any(re.match(r"secrets?(?:/|$|,)", word) for word in words[1:3]):
        call.notes.threatens("credentials-read")
    if acts == DELETE and call.name == "helm":
        call.notes.threatens("cluster-delete")
    if words[:1] == ["exec"] and "--" in call.texts:
        call.scene.words(call.args[call.texts.index("--") + 1 :], call.command, call.scene)
    if acts == DELETE and call.name != "helm":
        wide = any(_WIDE_KINDS.match(kind) for word in words[1:2] for kind in word.split(","))
        if (
            wide
            or any(t in ("--all", "-A", "--all-namespaces") for t in call.texts)
            or words[:1] == ["drain"]
        ):
            call.notes.threatens("cluster-delete")
    for kind, _, name in (word.partition("/") for word in words[1:3]):
        call.notes.placed(name or kind)


_HELM = _words(
    read="list ls get status history search show template lint version",
    write="repo dependency pull create package",
    deploy="install upgrade rollback push",
    delete="uninstall delete",
)

_TERRAFORM = _words(
    read="plan show output validate graph providers version console preview stack",
    write="fmt init get import taint untaint state workspace refresh force-unlock",
    deploy="apply up",
    delete="destroy",
)


def provisions(call: Call) -> None:
    """terraform, tofu, pulumi, terragrunt, cdk."""
    words = _verbs(call)
    acts = _acts(words, _TERRAFORM)
    if acts == DEPLOY and any(t in ("-destroy", "--destroy") for t in call.texts):
        acts = DELETE
    if (
        words[:2] == ["state", "rm"]
        or words[:2] == ["workspace", "delete"]
        or words[:2] == ["stack", "rm"]
    ):
        acts = DELETE
    call.notes.does(acts)
    if acts == DELETE and words and words[0] not in ("workspace",):
        call.notes.threatens("infra-destroy")


_RIGHTS = re.compile(
    r"(?:create|attach|put|add|update)-(?:access-key|user|role|login-profile|.*policy|.*-to-group)"
)


def cloud(call: Call) -> None:
    """aws, gcloud, az, doctl and their like: a word of their command says what it does."""
    words = _verbs(call)
    acts = _acts(words, _CLOUD)
    texts = call.texts
    if words[:1] == ["s3"] and words[1:2] in (["cp"], ["sync"], ["mv"]):
        acts = DELETE if "--delete" in texts else WRITE
    call.notes.does(acts)
    if acts == DELETE and not any(t in ("--dry-run", "--dryrun", "help") for t in texts):
        call.notes.threatens("cloud-delete")
    if any(_RIGHTS.match(word) for word in words[1:3]) and words[0] == "iam":
        call.notes.threatens("accounts")
    if any(
        re.match(
            r"(?:get-secret-value|get-session-token|print-access-token|get-access-token|get-password-data)$",
            w,
        )
        for w in words
    ):
        call.notes.threatens("credentials-read")


_CLOUD = _words(
    read="describe list ls get show logs wait help",
    write="login configure sync",
    deploy="deploy",
    delete="rb rm",
)

_DOCKER = _words(
    read="""ps images logs inspect version info stats top port diff history search events ls
        config""",
    write="pull tag cp create save load commit login",
    execute="build run exec start stop restart up kill compose",
    deploy="push deploy",
    delete="down rm rmi prune",
)
_DOCKER_VALUED = frozenset(
    """v volume e env p publish name w workdir u user network net entrypoint m memory cpus l label
    mount cap-add security-opt pid ipc uts device t tag H host env-file hostname h add-host
    restart platform log-driver runtime gpus""".split()  # noqa: SIM905
)
_HOST_MOUNTS = re.compile(
    r"^(?:/|/etc|/root|/home|/var/run/docker\.sock|/run/docker\.sock|/proc|/sys|/dev|/boot|/var/lib)(?::|$)|source=/(?:,|$|etc|root|proc|var/run/docker)"
)


def containers(call: Call) -> None:
    """docker, podman, nerdctl: rights of the host, mounts of its root, wide deletions."""
    # `-t` is a terminal here, elsewhere a tag
    starts = any(text in ("exec", "run", "create") for text in call.texts)
    found = parsed(call.args, _DOCKER_VALUED - {"t"} if starts else _DOCKER_VALUED)
    words = [word.text for word in found.operands]
    verbs = (
        words[1:]
        if words[:1] in (["container"], ["image"], ["volume"], ["network"], ["system"], ["compose"])
        else words
    )
    acts = _acts(verbs[:1], _DOCKER)
    if call.name == "docker-compose" or words[:1] == ["compose"]:
        acts = _DOCKER.get(verbs[0], EXECUTE) if verbs else READ
        if acts == DELETE and not (
            found.has("v", "volumes") or any(t in ("-v", "--volumes") for t in call.texts)
        ):
            acts = EXECUTE
    call.notes.does(acts)
    if found.has("privileged") or any(w.text in ("host",) for w in found.of("pid", "userns")):
        call.notes.threatens("container-escape")
    for word in found.of("v", "volume", "mount"):
        if _HOST_MOUNTS.search(word.text):
            call.notes.threatens("container-escape")
    if any(
        w.text.lower() in ("sys_admin", "all", "sys_ptrace", "sys_module")
        for w in found.of("cap-add")
    ):
        call.notes.threatens("container-escape")
    wide = "prune" in verbs[:1] and (
        found.has("a", "all", "volumes") or words[:1] in (["system"], ["volume"])
    )
    substituted = any(word.sources for word in found.operands[1:])
    if wide or (acts == DELETE and substituted) or words[:2] == ["volume", "rm"]:
        call.notes.threatens("container-prune")
    if words[:1] == ["exec"] and len(words) > 2:
        at = (
            call.args.index(found.operands[2]) if found.operands[2] in call.args else len(call.args)
        )
        call.scene.words(call.args[at:], call.command, call.scene)


def platforms(call: Call) -> None:
    """Platforms and their deployment tools: vercel, heroku, flyctl, ansible, serverless."""
    words = _verbs(call)
    acts = _acts(words, _PLATFORM)
    if call.name.startswith("ansible"):
        acts = (
            READ
            if any(
                t in ("--check", "--syntax-check", "--list-hosts", "--version") for t in call.texts
            )
            else DEPLOY
        )
    call.notes.does(acts)
    if call.name == "ansible":
        for word in parsed(call.args, frozenset(("a", "args", "m", "i"))).of("a", "args"):
            call.scene.line(word.text, call.scene)
    if acts == DELETE and any(
        word.startswith(("destroy", "apps:destroy", "delete", "remove", "rm", "pg:reset"))
        for word in words[:3]
    ):
        call.notes.threatens("cloud-delete")


_PLATFORM = _words(
    read="logs status ls",
    deploy="deploy",
    delete="apps:destroy pg:reset destroy",
)

_SQL_OPTIONS = {
    "psql": "c",
    "mysql": "e",
    "mariadb": "e",
    "sqlplus": "",
    "clickhouse-client": "q",
    "cockroach": "e",
    "duckdb": "c",
    "sqlcmd": "Q",
    "usql": "c",
}
_SQL_DIALECTS = {
    "psql": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite3": "sqlite",
    "duckdb": "postgres",
    "cockroach": "postgres",
    "usql": "postgres",
}
_SQL_VALUED = frozenset(
    [
        "c",
        "e",
        "Q",
        "q",
        "d",
        "h",
        "U",
        "p",
        "P",
        "u",
        "D",
        "v",
        "F",
        "f",
        "o",
        "dbname",
        "host",
        "username",
        "port",
        "user",
        "password",
        "database",
        "command",
        "execute",
        "query",
        "file",
        "cmd",
    ]
)


def databases(call: Call) -> None:
    """psql, mysql, sqlite3: their statements are judged by the reader of SQL."""
    from ..sql import read_text

    valued = _SQL_VALUED - ({"p"} if call.name in ("mysql", "mariadb") else set())
    found = parsed(call.args, valued)
    option = _SQL_OPTIONS.get(call.name, "")
    dialect = _SQL_DIALECTS.get(call.name, "")
    texts = (
        [word.text for word in found.of(option, "command", "execute", "query", "cmd")]
        if option
        else []
    )
    operands = [word.text for word in found.operands]
    if call.name == "sqlite3":
        texts, operands = operands[1:], operands[:1]
    if call.command.text_in is not None:
        texts.append(call.command.text_in.text)
    for word in (*found.of("d", "dbname", "D", "database"), *found.of("h", "host")):
        call.notes.placed(word.text)
    for name in operands[:1]:
        call.notes.touches("database", name.replace("\0", "?"), EXECUTE)
    for text in texts:
        if text.lstrip().startswith(
            ("\\!", "\\copy", "\\o", ".shell", ".system", ".import", "system ", "\\g |")
        ):
            call.notes.does(EXECUTE)
            call.notes.threatens("sql-run-program")
        elif not text.lstrip().startswith(("\\", ".")):
            call.notes.joins(read_text(text.replace("\0", "?"), dialect))
            if "\0" in text:
                call.notes.doubts("part of the statement is only known when it runs")
        else:
            call.notes.does(READ)
    if not texts:
        listing = found.has("l", "list", "version", "help", "V")
        call.notes.does(READ if listing else EXECUTE)
        if call.command.feeds and not listing:
            call.notes.doubts("a database runs the output of another command")


def drops_database(call: Call) -> None:
    """dropdb, dropuser, redis-cli, mongo: deletions outside SQL."""
    text = " ".join(call.texts).lower()
    if call.name in ("dropdb", "dropuser") or re.search(
        r"flushall|flushdb|dropdatabase|\.drop\(|deletemany\(\s*\{\s*\}|shutdown|config set dir",
        text,
    ):
        call.notes.does(DELETE)
        call.notes.threatens("sql-drop")
    else:
        call.notes.does(EXECUTE)
    for word in parsed(call.args, frozenset(("h", "p", "n", "a", "U"))).operands[:1]:
        call.notes.placed(word.text)


def _tables() -> dict[str, Callable[[Call], None]]:
    rows: list[tuple[Callable[[Call], None], str]] = [
        (cluster, "kubectl oc helm k3s"),
        (provisions, "terraform tofu pulumi terragrunt cdk"),
        (cloud, "aws gcloud gsutil bq az doctl oci ibmcloud linode-cli hcloud"),
        (containers, "docker podman nerdctl docker-compose"),
        (
            platforms,
            "vercel netlify heroku fly flyctl serverless sls ansible ansible-playbook "
            "firebase wrangler railway eb cf",
        ),
        (databases, "psql mysql mariadb sqlite3 clickhouse-client cockroach duckdb sqlcmd usql"),
        (drops_database, "dropdb dropuser redis-cli mongo mongosh valkey-cli"),
    ]
    return {name: judge for judge, names in rows for name in names.split()}


PROGRAMS = _tables()
"""Name → its judge."""
