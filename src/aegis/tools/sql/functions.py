"""Functions of databases that leave the database: files, programs, the server, delays."""

from __future__ import annotations

from ..reading import EXECUTE, READ, WRITE

_FILE_READ = frozenset(
    """pg_read_file pg_read_binary_file pg_ls_dir pg_stat_file pg_ls_logdir pg_ls_waldir
    pg_ls_tmpdir load_file readfile lo_import bulkcolumn openrowset read_csv read_text read_blob
    read_parquet
    read_csv_auto read_json read_json_auto pg_current_logfile""".split()  # noqa: SIM905
)
_FILE_WRITE = frozenset(
    ["lo_export", "pg_file_write", "pg_file_unlink", "pg_file_rename", "writefile", "lo_from_bytea"]
)
_PROGRAM = frozenset(
    """sys_exec sys_eval sys_get sys_set xp_cmdshell load_extension edit dblink dblink_exec
    dblink_connect dblink_send_query sp_oacreate sp_oamethod fts3_tokenizer http_get http_post
    utl_http httpuritype query_to_xml query_to_xmlschema cursor_to_xml database_to_xml
    table_to_xml query_to_xml_and_xmlschema table_to_xml_and_xmlschema schema_to_xml
    schema_to_xml_and_xmlschema database_to_xml_and_xmlschema ts_stat crosstab
    plpy_execute""".split()  # noqa: SIM905
)
_SERVER = frozenset(
    """pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile set_config pg_promote
    pg_switch_wal pg_create_restore_point pg_logical_slot_get_changes pg_drop_replication_slot
    pg_start_backup pg_stop_backup pg_advisory_lock setval pg_import_system_collations""".split()  # noqa: SIM905
)
_CHANGES = frozenset(
    ["nextval", "lo_create", "lo_creat", "lo_put", "lo_unlink", "lo_truncate", "lowrite"]
)
_DELAYS = frozenset(
    [
        "pg_sleep",
        "pg_sleep_for",
        "pg_sleep_until",
        "sleep",
        "benchmark",
        "extractvalue",
        "updatexml",
    ]
)
FUNCTIONS = {
    **dict.fromkeys(_FILE_READ, ("sql-file-read", READ)),
    **dict.fromkeys(_FILE_WRITE, ("sql-file-write", WRITE)),
    **dict.fromkeys(_PROGRAM, ("sql-run-program", EXECUTE)),
    **dict.fromkeys(_SERVER, ("sql-server", EXECUTE)),
    **dict.fromkeys(_CHANGES, ("", WRITE)),
    **dict.fromkeys(_DELAYS, ("sql-injection", READ)),
}
"""Function → its danger, empty where there is none, and what it does.

PostgreSQL 9.26 and 9.28, MySQL UDFs, SQLite's shell.
"""
