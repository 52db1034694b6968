"""The built-in SQL tool: real statements of a client, decided by what they would do."""

import json
import sqlite3

import pytest

from aegis.kernel.config import parse
from aegis.model import ConfigError
from aegis.surfaces.gates.query import database_of, query

POLICY = """\
policy:
  defaults: { approval: auto }
  rules:
    - { name: dangers, match: { label: "danger:*" }, verdict: block }
    - { name: salaries, conditions: { resource: "table:*.salaries" }, verdict: block }
"""


@pytest.fixture
def shop(place, connect):
    """A client of a gateway whose only upstream is a database, and the file of that."""
    file = place.folder / "shop.db"
    with sqlite3.connect(file) as made:
        made.execute("CREATE TABLE items (name TEXT, mail TEXT)")
        made.execute("CREATE TABLE salaries (amount INT)")
        made.executemany("INSERT INTO items VALUES (?, ?)", [("pen", "-"), ("ink", "-")])
    made.close()
    upstream = f"upstreams: {{ shop: {{ builtin: sql, database: 'sqlite:///{file}' }} }}\n"
    place.config.write_text(upstream + POLICY + "log: { format: text }\n")
    client = connect("mcp", "run", "--config", place.config)
    client.file = file
    return client


def ask(shop, sql):
    return shop.request("tools/call", {"name": "shop__query", "arguments": {"sql": sql}})


def held(file):
    connection = sqlite3.connect(file)
    try:
        return [row[0] for row in connection.execute("SELECT name FROM items")]
    finally:
        connection.close()


def test_rows_come_back_and_the_record_names_the_tables(shop, place):
    (tool,) = shop.request("tools/list")["result"]["tools"]
    assert tool["name"] == "shop__query"
    done = ask(shop, "SELECT name FROM items ORDER BY name")["result"]["structuredContent"]
    assert done == {"columns": ["name"], "rows": [["ink"], ["pen"]], "count": 2, "more": False}
    decision = next(r for r in place.records("--kind", "decision") if r["type"] == "shop__query")
    assert {"kind": "table", "name": "public.items", "verb": "read"} in decision["resources"]


def test_what_sql_would_do_decides_and_a_refused_statement_changes_nothing(shop):
    for sql in ("DELETE FROM items", "DROP TABLE items", "SELECT amount FROM salaries"):
        assert ask(shop, sql)["error"]["data"]["rule"] in ("dangers", "salaries")
    assert held(shop.file) == ["pen", "ink"]
    assert "error" not in ask(shop, "DELETE FROM items WHERE name = 'ink'")
    assert held(shop.file) == ["pen"]


def test_what_rows_hold_is_inspected(shop):
    key = "AKIA" + "IOSFODNN7" + "EXAMPLQ"
    with sqlite3.connect(shop.file) as made:
        made.execute("INSERT INTO items VALUES ('key', ?)", (key,))
    made.close()
    assert key not in json.dumps(ask(shop, "SELECT mail FROM items"))


def test_what_the_database_refuses_is_said(shop):
    answer = ask(shop, "SELECT nope FROM items")["result"]
    assert answer["isError"]
    assert "no such column" in answer["content"][0]["text"]


def test_rows_are_bounded_and_time_is(tmp_path):
    file = tmp_path / "a.db"
    sqlite3.connect(file).close()
    place = database_of(f"sqlite:///{file}")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    many = query(place, endless + "SELECT i FROM n LIMIT 5000", 5)
    assert (len(many["rows"]), many["more"]) == (1000, True)
    with pytest.raises(Exception, match="interrupted"):
        query(place, endless + "SELECT count(*) FROM n", 0.2)


@pytest.mark.parametrize("address", ["", "mysql://h/x", "sqlite://", "postgresql://h", "a:b:c"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ConfigError, match="address of a database"):
        database_of(address)


@pytest.mark.parametrize(
    "fields", [{"builtin": "sql"}, {"builtin": "shell", "database": "sqlite:///a"}]
)
def test_a_database_goes_with_sql(fields):
    with pytest.raises(ConfigError, match="go together"):
        parse({"version": "1", "mcp": {"upstreams": {"a": fields}}})


def test_no_secret_of_a_statement_stands_in_a_record(shop, place):
    key, card = "AKIA" + "IOSFODNN7" + "EXAMPLQ", "4111 1111 1111 1111"
    for secret, sql in (
        (key, f"SELECT name FROM items WHERE mail = '{key}'"),
        (card, f"SELECT name FROM items WHERE mail = '{card}'"),
        ("ann.lee@northwind-traders.com", "SELECT 'ann.lee@northwind-traders.com'"),
        ("Blue-Harbour", "ALTER ROLE app PASSWORD 'Blue-Harbour'"),
        ("Blue-Harbour", "CREATE USER app IDENTIFIED BY 'Blue-Harbour'"),
    ):
        ask(shop, sql)
        records = json.dumps(place.records())
        assert "SELECT name" in records
        assert secret not in records, sql
        assert secret.lower() not in records, sql
