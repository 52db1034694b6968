"""The dangers a reading can name: a stable id and one sentence each.

Ids are part of policies (`label: danger:rm-root`): none is ever renamed, and a new kind of danger
is a new id.
"""

from __future__ import annotations

DANGERS = {
    # files and disks
    "rm-root": "deletes the root of the file system or a whole home directory",
    "rm-system": "deletes a directory that the system or its services live in",
    "rm-unresolved": "deletes recursively what only running it would name",
    "find-delete-wide": "searches the system from its root and deletes what it finds",
    "disk-write": "writes to a disk, partition or file system behind the back of its files",
    "system-write": "changes a file that decides who may log in, what runs or what is trusted",
    "startup-write": "changes what runs at login, by schedule or as a service",
    "permissions-wide": "opens files to everybody, or gives a program another user's rights",
    "log-wipe": "removes traces: logs or the history of commands",
    # secrets and data leaving
    "credentials-read": "reads passwords, keys or tokens",
    "reconnaissance": "looks over systems for secrets, weak permissions or ways in",
    "exfiltration": "sends files, variables or the output of commands to another host",
    "copy-out": "copies a whole system, a home directory or secrets to another host",
    "metadata-service": "asks the cloud's metadata service, which hands out credentials",
    # code from elsewhere
    "remote-code": "runs what another host sends",
    "decoded-code": "runs what was hidden by an encoding",
    "reverse-shell": "gives another host a shell on this one",
    "tunnel": "opens a way into this network from outside",
    "untrusted-package": "installs a package from an address outside the registry",
    "inline-code": "runs program text that starts programs, opens sockets or deletes trees",
    "preload": "makes a program load code that it did not ask for",
    "hidden-command": "hides the name of a command by quoting or encoding",
    # the machine
    "fork-bomb": "starts processes without end",
    "kill-all": "ends every process it may",
    "power": "switches the machine off or restarts it",
    "firewall-off": "opens the firewall",
    "protection-off": "switches off a protection or its audit trail",
    "accounts": "creates accounts, or changes passwords or groups",
    "kernel": "changes the running kernel",
    "container-escape": "starts a container with the rights of its host, or leaves one",
    # infrastructure
    "infra-destroy": "destroys infrastructure with everything in it",
    "cloud-delete": "deletes resources of a cloud account",
    "cluster-delete": "deletes namespaces, nodes, volumes or everything in a cluster",
    "container-prune": "deletes volumes, or every container or image",
    # git
    "force-push": "overwrites the history of a remote branch",
    "ref-delete": "deletes a branch or tag of a remote repository",
    "history-rewrite": "rewrites commits that may be shared",
    "work-discard": "discards changes that are nowhere else",
    "git-config-code": "sets git configuration that runs programs",
    "ci-write": "changes what continuous integration runs, or who reviews it",
    # SQL
    "sql-drop": "drops a table, schema or database",
    "sql-truncate": "empties a table",
    "sql-delete-all": "deletes rows without a condition that selects some",
    "sql-update-all": "updates rows without a condition that selects some",
    "sql-alter": "changes the definition of a table, losing data where it drops something",
    "sql-grant": "grants rights, or makes or changes accounts",
    "sql-revoke": "takes rights away",
    "sql-run-program": "runs a program or foreign code on the database's host",
    "sql-file-read": "reads a file of the database's host",
    "sql-file-write": "writes a file on the database's host",
    "sql-server": "changes the database server: settings, extensions, sessions, other servers",
    "sql-session": "changes what later statements of the session mean, or who runs them",
    "sql-hidden": "hides a statement from readers by comments, encodings or dynamic SQL",
    "sql-injection": "has the shape of an injection: always true, stacked, or joined to catalogues",
    # HTTP
    "private-address": "asks a host inside this network or machine",
}
"""Danger id → what it does, as a sentence without its subject."""
