"""Functions built into PostgreSQL, MySQL and SQLite that only compute or read what any role may.

A function that is neither in the list of its database nor the parser's own may do anything:
whoever owns the database wrote it. Functions that run a text they are given (`ts_stat`,
`query_to_xml`) are left out on purpose, and so are those of extensions.
"""

from __future__ import annotations

_POSTGRES = frozenset(
    """abbrev abs acos acosd acosh age any_value array array_agg array_append array_cat array_dims
    array_fill array_length array_lower array_ndims array_position array_positions array_prepend
    array_remove array_replace array_reverse array_sample array_shuffle array_sort array_to_json
    array_to_string array_upper ascii asin asind asinh atan atan2 atan2d atand atanh avg bit_and
    bit_count bit_length bit_or bit_xor bool_and bool_or broadcast btrim cardinality casefold
    cbrt ceil ceiling char char_length character_length chr clock_timestamp coalesce
    col_description concat concat_ws convert_from convert_to corr cos cosd cosh cot cotd count
    covar_pop covar_samp crc32 crc32c cume_dist current_database current_date current_schema
    current_schemas current_setting current_time current_timestamp current_user currval date
    date_add date_bin date_part date_trunc daterange decode degrees dense_rank div encode
    enum_first enum_last enum_range erf erfc every exp extract factorial family first_value
    floor format format_type gamma gcd gen_random_uuid generate_series generate_subscripts
    get_bit get_byte greatest grouping has_column_privilege has_database_privilege
    has_schema_privilege has_table_privilege host hostmask initcap int4multirange int4range
    int8multirange int8range isempty isfinite json_agg json_array json_array_elements
    json_array_elements_text json_array_length json_arrayagg json_build_array json_build_object
    json_each json_each_text json_extract_path json_extract_path_text json_object
    json_object_agg json_object_keys json_objectagg json_populate_record json_populate_recordset
    json_strip_nulls json_to_record json_to_recordset json_typeof json_value jsonb_agg
    jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array
    jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text
    jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists
    jsonb_path_match jsonb_path_query jsonb_path_query_array jsonb_path_query_first
    jsonb_populate_record jsonb_pretty jsonb_set jsonb_strip_nulls jsonb_to_record
    jsonb_to_recordset jsonb_typeof justify_days justify_hours justify_interval lag last_value
    lastval lcm lead least left length lgamma like ln localtime localtimestamp log log10 lower
    lower_inc lower_inf lpad ltrim make_date make_interval make_time make_timestamp
    make_timestamptz masklen max md5 min mod mode multirange netmask network normalize now
    nth_value ntile nullif num_nonnulls num_nulls nummultirange numnode numrange obj_description
    octet_length overlaps overlay parse_ident percent_rank percentile_cont percentile_disc
    pg_backend_pid pg_column_size pg_database_size pg_encoding_to_char pg_function_is_visible
    pg_get_constraintdef pg_get_expr pg_get_functiondef pg_get_indexdef pg_get_serial_sequence
    pg_get_statisticsobjdef_columns pg_get_userbyid pg_get_viewdef pg_indexes_size
    pg_is_in_recovery pg_postmaster_start_time pg_relation_is_publishable pg_relation_size
    pg_size_pretty pg_table_is_visible pg_table_size pg_total_relation_size pg_type_is_visible
    pg_typeof phraseto_tsquery pi plainto_tsquery position pow power quote_ident quote_literal
    quote_nullable radians random range_merge rank regexp_count regexp_instr regexp_like
    regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table
    regexp_substr regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx
    regr_sxy regr_syy repeat replace reverse right round row row_number row_to_json rpad rtrim
    scale session_user setweight sha224 sha256 sha384 sha512 sign sin sinh split_part
    sqrt starts_with statement_timestamp stddev stddev_pop stddev_samp string_agg
    string_to_array string_to_table strip strpos substr substring sum tan tand tanh time
    timeofday timestamp to_ascii to_char to_date to_hex to_json to_jsonb to_number to_timestamp
    to_tsquery to_tsvector transaction_timestamp translate trim trim_array trim_scale trunc
    ts_headline ts_rank ts_rank_cd tsrange tstzrange txid_current unicode_version unistr unnest
    upper upper_inc upper_inf user values var_pop var_samp variance version websearch_to_tsquery
    width_bucket xmlagg xmlelement xmlforest xpath xpath_exists""".split()  # noqa: SIM905
)
"""PostgreSQL 9.3-9.27: what `pg_proc` holds, and what the grammar takes for a function."""

_MYSQL = frozenset(
    """abs acos adddate addtime any_value ascii asin atan atan2 avg bin bin_to_uuid bit_and
    bit_count bit_length bit_or bit_xor ceil ceiling char char_length character_length coalesce
    concat concat_ws conv convert_tz cos cot count crc32 cume_dist curdate current_date
    current_time current_timestamp current_user curtime database date date_add date_format
    date_sub datediff day dayname dayofmonth dayofweek dayofyear degrees dense_rank elt exp
    extract field find_in_set first_value floor format found_rows from_base64 from_days
    from_unixtime get_format greatest group_concat grouping hex hour if ifnull inet6_aton
    inet6_ntoa inet_aton inet_ntoa insert instr isnull json_array json_array_append
    json_array_insert json_arrayagg json_contains json_contains_path json_extract json_insert
    json_keys json_length json_merge_patch json_merge_preserve json_object json_objectagg
    json_overlaps json_pretty json_quote json_remove json_replace json_search json_set json_type
    json_unquote json_valid json_value lag last_day last_insert_id last_value lcase lead least
    left length like ln localtime localtimestamp locate log log10 log2 lower lpad ltrim make_set
    makedate maketime max md5 microsecond mid min minute mod month monthname now nth_value ntile
    nullif oct octet_length ord percent_rank period_add period_diff pi position pow power
    quarter quote radians rand rank regexp regexp_instr regexp_like regexp_replace regexp_substr
    repeat replace reverse right round row row_count row_number rpad rtrim schema sec_to_time
    second session_user sha1 sha2 sign sin soundex space sqrt std stddev stddev_pop stddev_samp
    str_to_date strcmp subdate substr substring substring_index subtime sum sysdate tan time
    time_format time_to_sec timediff timestamp timestampadd timestampdiff to_base64 to_days
    to_seconds trim truncate ucase unhex unix_timestamp upper user utc_date utc_time
    utc_timestamp uuid uuid_to_bin values var_pop var_samp variance version week weekday
    weekofyear weight_string year yearweek""".split()  # noqa: SIM905
)
"""MySQL 8, chapter 14."""

_SQLITE = frozenset(
    """abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling changes char coalesce concat
    concat_ws cos cosh count cume_dist current_date current_time current_timestamp date datetime
    degrees dense_rank exp first_value floor format glob group_concat hex if ifnull iif instr
    json json_array json_array_length json_each json_extract json_group_array json_group_object
    json_insert json_object json_patch json_pretty json_quote json_remove json_replace json_set
    json_tree json_type json_valid jsonb julianday lag last_insert_rowid last_value lead length
    like likelihood likely ln log log10 log2 lower ltrim max min mod nth_value ntile nullif
    octet_length percent_rank pi pow power pragma_collation_list pragma_compile_options
    pragma_database_list pragma_foreign_key_list pragma_function_list pragma_index_info
    pragma_index_list pragma_index_xinfo pragma_table_info pragma_table_list pragma_table_xinfo
    printf quote radians random randomblob rank replace round row row_number rtrim sign sin sinh
    soundex sqlite_version sqrt strftime string_agg substr substring sum tan tanh time timediff
    total total_changes trim trunc typeof unhex unicode unixepoch unlikely upper values
    zeroblob""".split()  # noqa: SIM905
)
"""SQLite's core, date, JSON, aggregate and window functions, and pragmas that are tables."""

_TRUSTED = {
    "": _POSTGRES | _MYSQL | _SQLITE,
    "postgres": _POSTGRES,
    "mysql": _MYSQL,
    "sqlite": _SQLITE,
}


def trusted(dialect: str) -> frozenset[str]:
    """The functions that are known to be harmless on the databases of a dialect: of any, where it
    is not named; of another one those that PostgreSQL and MySQL have both.
    """
    return _TRUSTED.get(dialect, _POSTGRES & _MYSQL)


READING_PRAGMAS = frozenset(
    """table_info table_xinfo table_list index_list index_info index_xinfo foreign_key_list
    foreign_key_check integrity_check quick_check""".split()  # noqa: SIM905
)
"""Pragmas of SQLite whose argument only says what to look at."""

WRITING_PRAGMAS = frozenset(("incremental_vacuum", "optimize", "shrink_memory", "wal_checkpoint"))
"""Pragmas of SQLite that do something without an argument."""
