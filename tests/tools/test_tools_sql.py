"""What SQL would do: kinds, tables and columns, conditions, functions that leave the database."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.tools.dangers import DANGERS
from aegis.tools.read import reading_of
from aegis.tools.sql import TEXT_MAX, read_text

DANGEROUS = {
    "sql-drop": ["DROP TABLE users", "drop database prod", "SELECT 1; DROP VIEW v", "DROP USER x"],
    "sql-truncate": ["TRUNCATE a, b CASCADE"],
    "sql-delete-all": [
        "DELETE FROM users", "DELETE FROM users WHERE 1=1", "DELETE FROM users WHERE true",
        "DELETE FROM users WHERE id > 0", "DELETE FROM users WHERE id = id",
        "DELETE FROM users WHERE NOT 1=2", "DELETE FROM users WHERE name LIKE '%'",
        "DELETE FROM users WHERE EXISTS (SELECT 1)", "DELETE FROM users WHERE x = 1 OR 'a'='a'",
        "WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone",
        "EXPLAIN ANALYZE DELETE FROM users", "EXPLAIN (ANALYZE, VERBOSE) DELETE FROM users",
        "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE",
    ],
    "sql-update-all": ["UPDATE users SET admin = true", "UPDATE users SET a = 1 WHERE 2 > 1"],
    "sql-alter": ["ALTER TABLE users DROP COLUMN x", "ALTER TABLE a RENAME TO b"],
    "sql-grant": ["GRANT ALL ON users TO eve", "CREATE USER eve SUPERUSER",
                  "ALTER ROLE app LOGIN", "GRANT ALL PRIVILEGES ON *.* TO 'x'@'%'"],
    "sql-revoke": ["REVOKE SELECT ON users FROM app"],
    "sql-run-program": ["COPY users TO PROGRAM 'mail eve'", "COPY a FROM PROGRAM 'id'",
                        "EXEC xp_cmdshell 'dir'", "SELECT load_extension('x')",
                        "CREATE FUNCTION f() RETURNS int AS $$ x $$ LANGUAGE plpython3u"],
    "sql-file-read": ["SELECT pg_read_file('/etc/hosts')", "COPY a FROM '/etc/hosts'",
                      "SELECT pg_catalog.pg_read_binary_file('/x')", "SELECT LOAD_FILE('/x')",
                      "LOAD DATA INFILE '/x' INTO TABLE a"],
    "sql-file-write": ["SELECT * FROM a INTO OUTFILE '/x'", "COPY a TO '/tmp/x'",
                       "SELECT lo_export(1, '/x')"],
    "sql-server": ["ALTER SYSTEM SET archive_command = 'x'", "SET GLOBAL general_log = 1",
                   "ATTACH DATABASE '/x' AS y", "SELECT pg_terminate_backend(1)",
                   "CREATE EXTENSION dblink", "SET ROLE admin", "PRAGMA writable_schema=1"],
    "sql-session": ["SET search_path = mine", "SET NAMES 'gbk'"],
    "sql-hidden": ["DELETE/**/FROM a", "SELECT 1 /*!50000 ; DROP TABLE a */",
                   "DO $$ BEGIN EXECUTE 'drop table a'; END $$"],
    "sql-injection": ["SELECT * FROM a WHERE name = '' OR 1=1", "SELECT pg_sleep(9)",
                      "SELECT a FROM b UNION SELECT name FROM sqlite_master"],
    "credentials-read": ["SELECT * FROM pg_shadow", "SELECT usename FROM pg_catalog.pg_authid"],
}  # fmt: skip

PLAIN = {
    "read": ["SELECT 1", "SELECT * FROM a JOIN b ON a.id = b.id WHERE a.x = 3 OR a.y = 4",
             "EXPLAIN ANALYZE SELECT * FROM a", "EXPLAIN SELECT 1", "SHOW TABLES",
             "SELECT 'drop table x'", "SELECT a -- drop table b\nFROM c", "PRAGMA table_info(a)",
             "WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
             "SELECT table_name FROM information_schema.tables", "VALUES (1)", "BEGIN; COMMIT",
             "SELECT `a` FROM `b` WHERE `c` = 1"],
    "write": ["INSERT INTO a (x) VALUES ($1)", "UPDATE a SET x = 1 WHERE id = ?",
              "CREATE TABLE a (id int)", "CREATE INDEX i ON a (x)", "COPY a FROM STDIN",
              "ALTER TABLE a ADD COLUMN x int", "REPLACE INTO a (x) VALUES (1)",
              "UPDATE a SET x = b.x FROM b WHERE a.id = b.id"],
    "delete": ["DELETE FROM a WHERE id = :id", "DELETE FROM a WHERE t < now() - interval '1 day'"],
}  # fmt: skip


@pytest.mark.parametrize("danger", DANGEROUS)
def test_a_danger_is_named(danger):
    for text in DANGEROUS[danger]:
        assert danger in read_text(text).dangers, text


@pytest.mark.parametrize("capability", PLAIN)
def test_plain_work_is_read_as_what_it_is(capability):
    for text in PLAIN[capability]:
        found = read_text(text)
        assert (found.capability, found.dangers, found.undecided) == (capability, (), ""), text


def test_every_danger_has_a_sentence():
    assert set(DANGEROUS) <= set(DANGERS)


@pytest.mark.parametrize(
    "text",
    ["' OR 1=1 --", "SELEKT 1", "CALL p()", "PREPARE x AS DELETE FROM a", "DO $$ x $$",
     "SELECT " + "(" * 300 + "1" + ")" * 300, "x" * (TEXT_MAX + 1), "SELECT 1;" * 300],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_what_cannot_be_read_is_undecided(text):
    assert read_text(text).undecided


@pytest.mark.parametrize(
    "text",
    ["SELECT delete_all_a()", "SELECT app.cleanup()", "SELECT app.lower(x) FROM a",
     "SELECT * FROM ts_stat('select rolpassword from pg_authid')",
     "SELECT U&\"pg\\005fread_file\"('/etc/hostname')", "SELECT 1 /*M! INTO OUTFILE '/x' */",
     "SELECT 1 /*!50000 + 1 */", "DECLARE c CURSOR FOR SELECT delete_all_a()",
     "DECLARE \"a\"\"b\" CURSOR FOR SELECT 1", "EXPLAIN SELECT delete_all_a()",
     "EXPLAIN (ANALYZE off /* ) SELECT 1 -- */, ANALYZE on) DELETE FROM a WHERE id = 1"],
)  # fmt: skip
def test_what_may_do_anything_is_not_plain_reading(text):
    found = read_text(text)
    assert found.undecided or found.dangers, text


@pytest.mark.parametrize(
    ("text", "capability"),
    [("EXPLAIN (ANALYZE off, ANALYZE on) DELETE FROM a WHERE id = 1", "delete"),
     ("EXPLAIN (ANALYZE 01) DELETE FROM a WHERE id = 1", "delete"),
     ("EXPLAIN (ANALYZE on, ANALYZE off) DELETE FROM a WHERE id = 1", "read"),
     ("EXPLAIN (ANALYZE FALSE) DELETE FROM a WHERE id = 1", "read"),
     ("PRAGMA writable_schema(1)", "write"), ("PRAGMA user_version(5)", "write"),
     ("PRAGMA main.user_version = 5", "write"), ("PRAGMA user_version", "read"),
     ("SELECT nextval('s')", "write"), ("SELECT lo_create(0)", "write"),
     ("SELECT lo_put(1, 0, 'x')", "write"), ("SET PASSWORD = 'x'", "approve"),
     ("SET PASSWORD FOR 'a'@'b' = 'x'", "approve"),
     ("SELECT 5--1;DROP TABLE a", "delete"), ("SELECT 1 # 2; DELETE FROM a WHERE id=1", "delete"),
     ("SELECT 'a\\''; DELETE FROM a; -- '", "delete")],
)  # fmt: skip
def test_what_a_spelling_does(text, capability):
    assert read_text(text).capability == capability


def test_a_cursor_reads_what_its_query_reads():
    text = "DECLARE c CURSOR WITH HOLD FOR SELECT rolpassword FROM pg_authid; FETCH ALL c"
    assert "credentials-read" in read_text(text).dangers
    assert touched("DECLARE c NO SCROLL CURSOR FOR SELECT x FROM a") == {"read table:public.a"}
    assert not read_text("DECLARE c CURSOR FOR SELECT x FROM a").undecided


@pytest.mark.parametrize(
    "text",
    ["CREATE RULE r AS ON SELECT TO a DO INSTEAD SELECT * FROM users", "LOCK TABLE a, users",
     "CREATE RECURSIVE VIEW v (a) AS SELECT * FROM users", "CREATE POLICY p ON users USING (true)",
     "CREATE SCHEMA x CREATE VIEW v AS SELECT * FROM public.users", "VACUUM FULL a, users",
     "ALTER TABLE users INHERIT a", "ALTER TABLE users DISABLE ROW LEVEL SECURITY"],
)  # fmt: skip
def test_a_statement_that_is_only_known_by_its_first_words_may_touch_any_table(text):
    assert read_text(text, "postgres").undecided


@pytest.mark.parametrize(
    ("text", "table"),
    [("LOCK TABLE users IN SHARE MODE", "users"), ("VACUUM FULL users", "users"),
     ("REFRESH MATERIALIZED VIEW CONCURRENTLY x.users", "x.users"), ("VACUUM ANALYZE", "")],
)  # fmt: skip
def test_maintenance_names_its_table(text, table):
    assert not read_text(text, "postgres").undecided
    name = table if "." in table else f"public.{table}"
    assert touched(text, "postgres") == ({f"write table:{name}"} if table else set())


@pytest.mark.parametrize("dialect", ["mysql", "sqlite", "postgres", "tsql", "none such"])
@pytest.mark.parametrize(
    "text", ["SELECT 1 # 2; DELETE FROM a WHERE id=1", "SELECT 5--1;DROP TABLE a",
             "SELECT 'a\\''; DELETE FROM a; -- '"],
)  # fmt: skip
def test_a_call_that_names_its_dialect_is_read_in_all(text, dialect):
    found = reading_of("sql", "query", "", {"sql": text, "dialect": dialect})
    assert found.capability == "delete"


@pytest.mark.parametrize(
    "text",
    ["SELECT count(*), lower(a), coalesce(b, 0) FROM t", "SELECT date_trunc('day', ts) FROM t",
     "SELECT \"Id\" FROM \"Users\" WHERE \"Name\" = 'x' -- all", "SELECT a[1] FROM t",
     "SELECT data->>'a', data #>> '{a,b}' FROM t", "SELECT strftime('%Y', ts) FROM t",
     "SELECT json_extract(a, '$.b') FROM t", "SELECT now() - interval '1 day'",
     "SELECT jsonb_agg(x), pg_size_pretty(pg_total_relation_size('a')) FROM t",
     "SELECT DATE_FORMAT(ts, '%Y'), IFNULL(a, 0) FROM `t`", "SELECT $1::int /* one */",
     "SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t", "SELECT pg_catalog.version()",
     "SELECT * FROM generate_series(1, 3)", "SELECT * FROM t WHERE a LIKE 'x%' LIMIT 5"],
)  # fmt: skip
def test_everyday_queries_stay_plain(text):
    found = read_text(text)
    assert (found.capability, found.dangers, found.undecided) == ("read", (), ""), text


def touched(text, dialect="", kinds=("table",)):
    found = read_text(text, dialect).resources
    return {f"{r.verb} {r.kind}:{r.name}" for r in found if r.kind in kinds}


def test_tables_read_and_written():
    both = "INSERT INTO audit SELECT * FROM crm.users u JOIN orders o ON o.id = u.id"
    assert touched(both) == {
        "write table:public.audit", "read table:crm.users", "read table:public.orders"}  # fmt: skip
    assert touched("DELETE FROM a WHERE id IN (SELECT id FROM b)") == {
        "delete table:public.a", "read table:public.b"}  # fmt: skip
    assert touched("SELECT 1 FROM Users", "mysql") == {"read table:users"}
    assert touched("SELECT 1 FROM Users", "sqlite") == {"read table:main.users"}


def test_a_name_of_a_with_hides_no_table():
    assert touched("WITH x AS (SELECT 1) SELECT * FROM x") == set()
    for text in (
        "WITH users AS (SELECT * FROM users) SELECT * FROM users",
        "SELECT * FROM users WHERE id IN (WITH users AS (SELECT 1) SELECT * FROM users)",
        "WITH a AS (SELECT * FROM users), users AS (SELECT 1) SELECT * FROM a",
        "WITH users AS (SELECT 1) SELECT * FROM public.users",
        'WITH "Users" AS (SELECT 1) SELECT * FROM users',
        'WITH a AS (SELECT 1), "USERS" AS (SELECT 1) SELECT * FROM a, users',
    ):
        assert touched(text) == {"read table:public.users"}, text


def test_columns_belong_to_their_tables():
    text = "UPDATE users u SET email = o.mail FROM orders o WHERE o.user = u.id"
    assert touched(text, kinds=("column",)) >= {
        "write column:public.users.email", "read column:public.orders.mail",
        "read column:public.orders.user", "read column:public.users.id"}  # fmt: skip
    assert "read column:public.users.*" in touched("SELECT * FROM users", kinds=("column",))
    text = "SELECT a.mail FROM users a WHERE EXISTS (SELECT 1 FROM orders a)"
    assert "read column:public.users.mail" in touched(text, kinds=("column",))


@pytest.mark.parametrize(
    "text", ["SELECT users FROM users", "SELECT u::text FROM users u", "COPY users TO STDOUT"]
)
def test_a_whole_row_is_all_columns(text):
    assert "read column:public.users.*" in touched(text, "postgres", kinds=("column",))


def test_a_function_may_stand_behind_a_dot():
    for text in ("('/etc/hosts'::text).pg_read_file", "$1.pg_read_file"):
        assert "sql-file-read" in read_text(f"SELECT {text}", "postgres").dangers, text
    assert read_text("SELECT (1).erase_all", "postgres").undecided
    for text in ("('a'::text).upper, u.name", "u.id::pg_catalog.regclass::pg_catalog.text"):
        assert not read_text(f"SELECT {text} FROM users u", "postgres").undecided, text


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["DROP TABLE a", "DELETE FROM a", "TRUNCATE a", "GRANT ALL ON a TO b"]),
    st.sampled_from(["SELECT 1; {}", "{};", "-- note\n{}", "/* note */ {}", "{} -- end", " \n{}"]),
    st.booleans(),
    st.integers(1, 3),
)
def test_no_spelling_hides_what_is_destructive(text, frame, lower, spaces):
    text = frame.format((text.lower() if lower else text).replace(" ", " " * spaces))
    found = read_text(text)
    assert found.dangers, text
    assert found.capability in ("delete", "approve"), text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=120))
def test_any_text_is_read_without_an_error(text):
    assert read_text(text).capability


@pytest.mark.parametrize(
    "text", ["(" * 30_000, "a/*" * 20_000, "$a$" * 20_000, "/*!" * 20_000, "or " * 20_000,
             "SELECT 1;" * 7_000, "SELECT " + "NOT " * 15_000, "SELECT 1 UNION " * 4_000],
    ids=lambda text: text[:9],
)  # fmt: skip
def test_hostile_texts_cost_little(text, yardsticks):
    assert yardsticks(lambda: read_text(text)) < 2_500_000  # the last one takes a million


@pytest.mark.parametrize(
    "name", ["levenshtein", "LEVENSHTEIN", '"Split"', "ai_generate", "arg_max", "list", "explode"]
)
def test_a_function_the_parser_knows_from_elsewhere_is_not_built_in(name):
    """Anybody may have written a PostgreSQL function of that name."""
    assert read_text(f"SELECT {name}(a, b) FROM t", "postgres").undecided
    assert not read_text("SELECT lower(a), date_trunc('day', b), now(), a::int FROM t").undecided


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("SET search_path = mine", True),
        ("SET LOCAL search_path TO a, b", True),
        ('SET "search_path" = a', True),
        ("SET/**/search_path = a", True),
        ("SET SCHEMA 'x'", True),
        ("SET NAMES 'gbk'", True),
        ("SET sql_mode = 'ANSI_QUOTES'", True),
        ("SET standard_conforming_strings = off", True),
        ("SET SESSION AUTHORIZATION bob", True),
        ("SELECT set_config('search_path', 'a', false)", True),
        ("SELECT set_config('search' || '_path', 'a', false)", True),
        ("UPDATE pg_settings SET setting = 'a' WHERE name = 'search_path'", True),
        ("UPDATE pg_catalog.pg_settings SET setting = 'a' WHERE name = lower('ROLE')", True),
        ("CREATE TEMP VIEW v AS SELECT * FROM pg_settings", True),
        ("SELECT setting FROM pg_settings", False),
        ("SET client_encoding = 'UTF8'", False),
        ("SET NAMES utf8mb4", False),
        ("SET standard_conforming_strings TO on", False),
        ("SET timezone = 'UTC'", False),
        ("SELECT set_config('app.user', 'a', false)", False),
    ],
)
def test_settings_that_change_what_statements_mean(text, changes):
    assert ("sql-session" in read_text(text).dangers) is changes


def test_looking_at_catalogues_only_is_no_injection():
    catalogue = "SELECT a, NULL, NULL FROM pg_catalog.pg_class UNION "
    right = "SELECT b, NULL, NULL FROM information_schema.tables"
    assert "sql-injection" not in read_text(catalogue + right).dangers
    assert "sql-injection" in read_text("SELECT a, b, c FROM users UNION " + right).dangers


@pytest.mark.parametrize(
    ("text", "capability"),
    [
        ("INSERT INTO notes VALUES ($1,$2)", "write"),
        ("SELECT $1,$2", "read"),
        ("WITH x AS (SELECT $1,$2), y AS (DELETE FROM u RETURNING $1,$2) SELECT 1", "delete"),
        ("SELECT a$b$ FROM t; DROP TABLE x; SELECT c$b$", "delete"),
        ("SELECT $a$ it's $a$; DELETE FROM t WHERE b = 'x'", "delete"),
        ("SELECT E'a\\'; DROP TABLE x; --'", "read"),
        ("SELECT '\\'; DROP TABLE x; --'", "delete"),
        ("SELECT 1 /* /* */ ; DROP TABLE x; */", "read"),
        ("SELECT 1 /* /* */ */ ; DROP TABLE x", "delete"),
    ],
)
def test_quotes_end_where_postgresql_ends_them(text, capability):
    found = read_text(text, "postgres")
    assert (found.capability, found.undecided) == (capability, "")


@pytest.mark.parametrize(
    "text",
    ["SELECT $$a", "SELECT /* a", "SELECT E'a'\n'b\\'', f(1)",
     "SELECT E'a' -- c\n'\\'', s FROM secrets --'",
     "SELECT e'a' --\n -- \n '\\'', s FROM secrets --'"],
)  # fmt: skip
def test_a_quote_that_ends_otherwise_than_it_looks_is_undecided(text):
    assert read_text(text, "postgres").undecided


def test_a_name_with_a_dollar_keeps_its_name():
    found = read_text("SELECT 1 FROM Ab$1c WHERE x = $1", "postgres")
    assert ("table", "public.ab$1c") in [(one.kind, one.name) for one in found.resources]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SELECT * FROM mydb.public.secrets", "public.secrets"),
        ("DELETE FROM mydb.public.secrets WHERE a = 1", "public.secrets"),
        ("SELECT * FROM pg_stats", "pg_catalog.pg_stats"),
        ("COPY (TABLE secrets) TO STDOUT", "public.secrets"),
        (f"SELECT * FROM {'s' * 63}x", f"public.{'s' * 63}"),
        ("SELECT 5 #--'\n 3, s FROM secrets --'", "public.secrets"),
    ],
)
def test_no_other_name_of_a_table_slips_past_a_rule(text, name):
    assert name in [one.name for one in read_text(text, "postgres").resources]


@pytest.mark.parametrize(
    ("dialect", "strange"),
    [
        ("postgres", "ifnull strftime date_format json_extract unix_timestamp typeof instr hex"
         " group_concat last_insert_id uuid year datediff if similarity uuid_generate_v4"),
        ("PostgreSQL", "ifnull"),
        ("mysql", "to_char jsonb_agg date_trunc strftime julianday generate_series regexp_matches"),
        ("mariadb", "to_char"),
        ("sqlite", "to_char date_trunc concat_op json_contains regexp_like now left md5"),
        ("tsql", "date_trunc ifnull strftime"),
    ],
)  # fmt: skip
def test_a_function_of_another_database_is_not_built_in(dialect, strange):
    """Where the dialect is named, anybody may have written one of that name."""
    for name in strange.split():
        assert read_text(f"SELECT {name}(a) FROM t", dialect).undecided, name
        assert read_text(f"EXPLAIN ANALYZE SELECT {name}(a) FROM t", dialect).undecided, name


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("postgres", "SELECT coalesce(a, 0), greatest(a, b), nullif(a, b), current_date,"
         " trim(both ' ' from c), extract(epoch from now()), xmlelement(name x) FROM t"),
        ("postgres", "SELECT position('a' in b), overlay(a placing 'b' from 1), substring(a, 2),"
         " count(*) FILTER (WHERE a > 1), array_agg(a ORDER BY b), a::date, cast(b AS int),"
         " array[1, 2], row(1, 2), string_agg(a, ','), percentile_cont(0.5)"
         " WITHIN GROUP (ORDER BY a), localtimestamp, session_user FROM t"),
        ("postgres", "SELECT jsonb_build_object('a', 1) || b, to_char(now(), 'YYYY'),"
         " regexp_replace(a, 'b', 'c'), split_part(a, '-', 1), date_part('year', c),"
         " age(c), make_date(2026, 1, 2), log(10), power(2, 3), ceil(a), a ~ 'b', a ILIKE 'b'"
         " FROM t WHERE a = ANY(array[1]) AND EXISTS (SELECT 1) AND b IS NOT NULL"),
        ("mysql", "SELECT ifnull(a, 0), date_format(b, '%Y'), group_concat(c), year(d), now(),"
         " if(a > 1, 'x', 'y'), unix_timestamp(), concat(a, b), count(distinct c) FROM t"),
        ("sqlite", "SELECT strftime('%Y', a), ifnull(b, 0), json_extract(c, '$.d'), typeof(e),"
         " group_concat(f), printf('%d', 1), datetime('now'), iif(a, b, c) FROM t"),
    ],
)  # fmt: skip
def test_functions_of_its_own_database_stay_plain(dialect, text):
    found = read_text(text, dialect)
    assert (found.capability, found.dangers, found.undecided) == ("read", (), "")
