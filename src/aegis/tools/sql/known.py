"""Functions built into PostgreSQL, MySQL and SQLite that only compute or read what any role may.

A function that is in neither this list nor the parser's own may do anything: whoever owns the
database wrote it. Functions that run a text they are given (`ts_stat`, `query_to_xml`) are left
out on purpose.
"""

from __future__ import annotations

HARMLESS = frozenset(
    """abs acos acosd acosh adddate addtime age any_value array array_agg array_append array_cat
    array_dims array_fill array_length array_lower array_ndims array_position array_positions
    array_prepend array_remove array_replace array_to_json array_to_string array_upper ascii asin
    asinh atan atan2 atanh avg bin bin_to_uuid bit_and bit_count bit_length bit_or bit_xor bool_and
    bool_or btrim cardinality cbrt ceil ceiling changes char char_length character_length chr
    clock_timestamp coalesce col_description concat concat_ws conv convert_from convert_to
    convert_tz
    corr cos cosh cot count covar_pop covar_samp crc32 cume_dist curdate current_database
    current_date current_schema current_schemas current_setting current_time current_timestamp
    current_user currval curtime database date date_add date_bin date_diff date_format date_part
    date_sub date_trunc datediff datetime day dayname dayofmonth dayofweek dayofyear decode degrees
    dense_rank div elt encode every exp extract factorial field find_in_set first_value floor
    format format_type found_rows from_base64 from_days from_unixtime gcd gen_random_uuid
    generate_series generate_subscripts get_byte get_format glob greatest group_concat grouping
    has_column_privilege has_database_privilege has_schema_privilege has_table_privilege hex hour
    if ifnull iif inet6_aton inet6_ntoa inet_aton inet_ntoa initcap insert instr int4range int8range
    isempty isfinite isnull json json_agg json_array json_array_append json_array_elements
    json_array_elements_text json_array_insert json_array_length json_arrayagg json_build_array
    json_build_object json_contains json_contains_path json_each json_each_text json_extract
    json_extract_path json_extract_path_text json_group_array json_group_object json_insert
    json_keys json_length json_merge_patch json_merge_preserve json_object json_object_agg
    json_object_keys json_objectagg json_overlaps json_patch json_populate_record
    json_populate_recordset json_pretty json_quote json_remove json_replace json_search json_set
    json_strip_nulls json_to_record json_to_recordset json_tree json_type json_typeof json_unquote
    json_valid json_value jsonb jsonb_agg jsonb_array_elements jsonb_array_elements_text
    jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text
    jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg
    jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array
    jsonb_path_query_first jsonb_populate_record jsonb_pretty jsonb_set jsonb_strip_nulls
    jsonb_to_record jsonb_to_recordset jsonb_typeof julianday justify_days justify_hours
    justify_interval lag last_day last_insert_id last_insert_rowid last_value lastval lcase lcm lead
    least left length like likelihood likely ln localtime localtimestamp locate log log10 log2 lower
    lower_inc lower_inf lpad ltrim make_date make_interval make_set make_time make_timestamp
    make_timestamptz makedate maketime max md5 microsecond mid min minute mod mode month monthname
    now nth_value ntile nullif num_nonnulls num_nulls numnode obj_description oct octet_length
    octet_length ord overlay parse_ident percent_rank percentile_cont percentile_disc period_add
    period_diff pg_backend_pid pg_column_size pg_database_size pg_encoding_to_char
    pg_get_constraintdef pg_get_expr pg_get_functiondef pg_get_indexdef pg_get_serial_sequence
    pg_get_userbyid pg_get_viewdef pg_indexes_size pg_is_in_recovery pg_postmaster_start_time
    pg_relation_size pg_size_pretty pg_table_is_visible pg_table_size pg_total_relation_size
    pg_typeof phraseto_tsquery pi plainto_tsquery position pow power printf quarter quote
    quote_ident quote_literal quote_nullable radians rand random randomblob range_merge rank
    regexp regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace
    regexp_split_to_array regexp_split_to_table regexp_substr repeat replace reverse right round
    row row_count row_number row_to_json rpad rtrim scale schema sec_to_time second session_user
    setseed setweight sha1 sha2 sha224 sha256 sha384 sha512 sign similarity sin sinh soundex space
    split_part sqlite_version sqrt starts_with statement_timestamp std stddev stddev_pop
    stddev_samp str_to_date strcmp strftime string_agg string_to_array string_to_table strip strpos
    subdate substr substring substring_index subtime sum sysdate tan tanh time time_format
    time_to_sec timediff timeofday timestamp timestampadd timestampdiff to_ascii to_base64 to_char
    to_date to_days to_hex to_json to_jsonb to_number to_seconds to_timestamp to_tsquery to_tsvector
    total total_changes translate trim trim_array trim_scale trunc truncate ts_headline ts_rank
    ts_rank_cd tsrange tstzrange txid_current typeof ucase unhex unicode unistr unix_timestamp
    unixepoch unlikely unnest upper upper_inc upper_inf user utc_date utc_time utc_timestamp uuid
    uuid_generate_v4 uuid_to_bin values var_pop var_samp variance version websearch_to_tsquery week
    weekday weekofyear weight_string width_bucket word_similarity year yearweek zeroblob
    abbrev asind atan2d atand broadcast casefold cosd cotd crc32c daterange enum_first enum_last
    enum_range erf erfc family gamma get_bit host hostmask int4multirange int8multirange lgamma
    masklen multirange netmask network normalize nummultirange numrange overlaps regr_avgx regr_avgy
    regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy tand
    transaction_timestamp array_reverse array_sample array_shuffle array_sort unicode_version
    pg_get_statisticsobjdef_columns pg_type_is_visible pg_function_is_visible
    pg_relation_is_publishable xmlagg xmlelement xmlforest xpath
    xpath_exists
    pragma_table_info pragma_table_xinfo pragma_table_list pragma_index_list pragma_index_info
    pragma_index_xinfo pragma_foreign_key_list pragma_database_list pragma_collation_list
    pragma_function_list pragma_compile_options""".split()  # noqa: SIM905
)
"""PostgreSQL 9.3-9.27, MySQL 14, SQLite's core, date, JSON and aggregate functions."""

READING_PRAGMAS = frozenset(
    """table_info table_xinfo table_list index_list index_info index_xinfo foreign_key_list
    foreign_key_check integrity_check quick_check""".split()  # noqa: SIM905
)
"""Pragmas of SQLite whose argument only says what to look at."""

WRITING_PRAGMAS = frozenset(("incremental_vacuum", "optimize", "shrink_memory", "wal_checkpoint"))
"""Pragmas of SQLite that do something without an argument."""
