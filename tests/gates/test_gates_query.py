"""The performer of the built-in SQL tool, on a real PostgreSQL."""

import pytest

from aegis.model import UpstreamError
from aegis.surfaces.gates.query import database_of, query


@pytest.fixture
def place(database):
    return database_of(f"postgresql://postgres@/postgres?host={database.folder}")


def test_statements_run_and_their_rows_come_back(place):
    done = query(place, "SELECT 1 AS one, 'a' AS two, now() AS at", 10)
    assert done["columns"] == ["one", "two", "at"]
    assert done["rows"][0][:2] == [1, "a"]
    assert isinstance(done["rows"][0][2], str)


def test_several_statements_are_one_transaction(place):
    query(place, "CREATE TABLE IF NOT EXISTS query_test (n int)", 10)
    with pytest.raises(UpstreamError, match="division by zero"):
        query(place, "INSERT INTO query_test VALUES (1); SELECT 1 / 0", 10)
    assert query(place, "SELECT count(*) FROM query_test", 10)["rows"] == [[0]]
    query(place, "DROP TABLE query_test", 10)


def test_nothing_of_a_call_stays_for_the_next(place):
    query(place, "SET search_path = pg_catalog", 10)
    assert query(place, "SHOW search_path", 10)["rows"] == [['"$user", public']]


def test_what_takes_too_long_is_ended(place):
    with pytest.raises(UpstreamError, match="statement timeout"):
        query(place, "SELECT pg_sleep(20)", 0.2)


def test_a_server_that_is_not_there_is_said():
    with pytest.raises(UpstreamError, match="refused"):
        query(database_of("postgresql://a:b@127.0.0.1:1/c"), "SELECT 1", 2)
