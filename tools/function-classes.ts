// The hand-written judgement over PostgreSQL's built-in functions: which class each belongs to. The generator applies it to the
// catalogs of all supported majors and fails while a function has no class. Classes are explained in src/sql/postgres/functions.ts.

/** Exact names, judged first. An entry `name(types)` is for one signature and goes before the bare name. */
const BY_NAME = listed([
  ['code', 'query_to_xml query_to_xmlschema query_to_xml_and_xmlschema table_to_xml table_to_xmlschema'],
  ['code', 'table_to_xml_and_xmlschema cursor_to_xml cursor_to_xmlschema ts_stat'],
  // Run the input function of a type that is named by an argument, hence a domain's CHECK.
  ['code', 'domain_in domain_recv array_in array_recv record_in record_recv range_in range_recv'],
  ['code', 'multirange_in multirange_recv pg_input_is_valid pg_input_error_info'],
  ['code-export', 'schema_to_xml schema_to_xmlschema schema_to_xml_and_xmlschema'],
  ['code-export', 'database_to_xml database_to_xmlschema database_to_xml_and_xmlschema'],
  ['code', 'ts_rewrite(tsquery,text)'],
  ['file-read', 'pg_read_file pg_read_file_old pg_read_binary_file pg_stat_file pg_ls_dir pg_ls_logdir'],
  ['file-read', 'pg_ls_waldir pg_ls_tmpdir pg_ls_archive_statusdir pg_ls_logicalmapdir pg_ls_summariesdir'],
  ['file-read', 'pg_ls_logicalsnapdir pg_ls_replslotdir pg_hba_file_rules pg_ident_file_mappings'],
  ['file-read', 'pg_show_all_file_settings lo_export'],
  ['file-import', 'lo_import'],
  ['large-object-read', 'lo_get loread'],
  ['large-object-write', 'lo_put lowrite lo_unlink lo_truncate lo_truncate64 lo_create lo_creat lo_from_bytea'],
  ['slot-read', 'pg_logical_slot_get_changes pg_logical_slot_get_binary_changes'],
  ['slot-read', 'pg_logical_slot_peek_changes pg_logical_slot_peek_binary_changes'],
  ['admin', 'pg_cancel_backend pg_terminate_backend pg_reload_conf pg_rotate_logfile pg_rotate_logfile_old'],
  ['admin', 'pg_switch_wal pg_create_restore_point pg_backup_start pg_backup_stop pg_promote pg_nextoid'],
  ['admin', 'pg_wal_replay_pause pg_wal_replay_resume pg_log_standby_snapshot pg_logical_emit_message'],
  ['admin', 'pg_create_logical_replication_slot pg_create_physical_replication_slot'],
  ['admin', 'pg_copy_logical_replication_slot pg_copy_physical_replication_slot pg_drop_replication_slot'],
  ['admin', 'pg_replication_slot_advance pg_sync_replication_slots pg_stop_making_pinned_objects'],
  ['admin', 'pg_replication_origin_advance pg_replication_origin_create pg_replication_origin_drop'],
  ['admin', 'pg_replication_origin_session_reset pg_replication_origin_session_setup'],
  ['admin', 'pg_replication_origin_xact_reset pg_replication_origin_xact_setup pg_extension_config_dump'],
  ['admin', 'pg_log_backend_memory_contexts pg_current_logfile brin_desummarize_range brin_summarize_range'],
  ['admin', 'brin_summarize_new_values gin_clean_pending_list'],
  ['admin-ddl', 'pg_import_system_collations'],
  ['sequence', 'nextval setval'],
  ['notify', 'pg_notify'],
  ['seed', 'setseed'],
  ['set-config', 'set_config'],
  ['transaction', 'pg_export_snapshot'],
  // Volatile, but only for their result: they look, wait or draw lots.
  ['read', 'array_sample array_shuffle clock_timestamp currtid2 currval lastval gen_random_uuid random uuidv4'],
  ['read', 'random_normal uuidv7 timeofday pg_sleep pg_sleep_for pg_sleep_until bernoulli system amvalidate'],
  ['read', 'lo_open lo_close lo_lseek lo_lseek64 lo_tell lo_tell64 pg_jit_available'],
  ['read', 'pg_available_wal_summaries pg_wal_summary_contents pg_blocking_pids pg_safe_snapshot_blocking_pids'],
  ['read', 'pg_database_size pg_indexes_size pg_relation_size pg_table_size pg_tablespace_size'],
  ['read', 'pg_total_relation_size pg_collation_actual_version pg_database_collation_actual_version'],
  ['read', 'pg_is_in_recovery pg_is_wal_replay_paused pg_isolation_test_session_is_blocked pg_lock_status'],
  ['read', 'pg_notification_queue_usage pg_partition_ancestors pg_partition_tree pg_prepared_xact'],
  ['read', 'pg_replication_origin_progress pg_replication_origin_session_is_setup'],
  ['read', 'pg_replication_origin_session_progress pg_show_replication_origin_status pg_sequence_last_value'],
  ['read', 'pg_stat_clear_snapshot pg_stat_force_next_flush pg_stat_have_stats pg_xact_commit_timestamp'],
  ['read', 'pg_xact_commit_timestamp_origin pg_xact_status txid_status pg_last_committed_xact'],
  // Callable only by a trigger, an index or another part of the server.
  ['read', 'suppress_redundant_updates_trigger tsvector_update_trigger tsvector_update_trigger_column'],
  ['read', 'unique_key_recheck dsnowball_init dsnowball_lexize brinhandler bthandler ginhandler gisthandler'],
  ['read', 'hashhandler heap_tableam_handler spghandler plpgsql_call_handler plpgsql_inline_handler'],
  ['read', 'plpgsql_validator current_query'],
  // Stable: they read the catalog, the clock, the session or a setting.
  ['read', 'aclexplode age mxid_age anytextcat textanycat array_to_json array_to_string concat concat_ws'],
  ['read', 'col_description obj_description shobj_description convert convert_from convert_to'],
  ['read', 'current_database current_schema current_schemas current_setting current_user session_user'],
  ['read', 'system_user getdatabaseencoding getpgusername get_current_ts_config version now'],
  ['read', 'date date_add date_subtract date_part date_trunc extract overlaps timezone time timestamp timestamptz'],
  ['read', 'timetz make_timestamptz statement_timestamp transaction_timestamp generate_series in_range'],
  ['read', 'enum_first enum_last enum_range format format_type oidvectortypes length money numeric'],
  ['read', 'inet_client_addr inet_client_port inet_server_addr inet_server_port quote_literal quote_nullable'],
  ['read', 'regclass row_security_active row_to_json to_char to_date to_json to_jsonb to_number to_timestamp'],
  ['read', 'to_tsquery to_tsvector plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_debug ts_headline'],
  ['read', 'ts_match_tq ts_match_tt ts_parse ts_token_type txid_current txid_current_if_assigned'],
  ['read', 'txid_current_snapshot xml xml_is_well_formed interval_pl_timestamptz timestamptz_mi_interval'],
  ['read', 'timestamptz_pl_interval'],
]);

/** Families, judged after the names. */
const BY_PATTERN: readonly (readonly [RegExp, string])[] = [
  [/^binary_upgrade_/, 'admin'],
  [/^pg_(restore|clear)_(relation|attribute)_stats$/, 'admin'],
  [/^pg_stat_reset/, 'admin'],
  [/^pg_(try_)?advisory_/, 'lock'],
  [/^RI_FKey_/, 'read'],
  [/^pg_stat_get_/, 'read'],
  [/^pg_(control|current|last)_(checkpoint|init|recovery|system|wal|xact|snapshot)/, 'read'],
  [/^pg_get_/, 'read'],
  [/^has_\w+_privilege$|^pg_has_role$/, 'read'],
  [/^pg_\w+_is_(visible|updatable|publishable)$/, 'read'],
  [/^pg_(index|indexam|index_column)_has_property$/, 'read'],
  [/^pg_event_trigger_/, 'read'],
  [/^to_reg\w+$/, 'read'],
  [/^jsonb?_(agg|object_agg|build|populate|to)\w*$/, 'read'],
  [/^jsonb_path_\w+_tz$/, 'read'],
  [/^pg_(timezone|options|ts|tablespace|settings|sequence|split|identify|encoding|conf|column|char)_\w+$/, 'read'],
  [
    /^pg_(available_extension\w*|backend_pid|basetype|client_encoding|collation_for|config|cursor|describe_object)$/,
    'read',
  ],
  [/^pg_(extension_update_paths|filenode_relation|input_\w+|is_other_temp_schema|listening_channels)$/, 'read'],
  [/^pg_(mcv_list_items|my_temp_schema|numa_available|postmaster_start_time|prepared_statement)$/, 'read'],
  [/^pg_(relation_filenode|relation_filepath|replication_origin_oid|show_all_settings|trigger_depth|typeof)$/, 'read'],
  [/^fmgr_\w+_validator$/, 'read'],
  [/(sel|_typanalyze)$/, 'read'],
  [/^(date|timestamp|timestamptz)_(cmp|eq|ge|gt|le|lt|ne)_(date|timestamp|timestamptz)$/, 'read'],
  // Input and output functions of built-in types.
  [/(_in|_out|_recv|_send)$/, 'read'],
  [/^(aclitem|reg\w+)(in|out)$/, 'read'],
  [/^(bpchar|name|text|varchar)(recv|send)$/, 'read'],
];

function listed(lists: readonly (readonly [string, string])[]): ReadonlyMap<string, string> {
  const classes = new Map<string, string>();
  for (const [name, functions] of lists) {
    for (const f of functions.split(' ')) {
      if (classes.has(f)) throw new Error(`${f} has two classes`);
      classes.set(f, name);
    }
  }
  return classes;
}

/** The class of a built-in function; null: nobody has judged it. volatility: pg_proc.provolatile. */
export function classify(name: string, types: string, volatility: string): string | null {
  const exact = BY_NAME.get(`${name}(${types.replaceAll(', ', ',')})`) ?? BY_NAME.get(name);
  if (exact !== undefined) return exact;
  for (const [pattern, found] of BY_PATTERN) if (pattern.test(name)) return found;
  // An immutable function can't look at anything but its arguments; none of the built-in ones takes SQL text.
  return volatility === 'i' || name === 'ts_rewrite' ? 'read' : null;
}

/** What users may not set without a second look although PostgreSQL lets any user set it, or lets some. */
export function classifySetting(name: string, context: string): string {
  if (name === 'role' || name === 'session_authorization') return 'role';
  if (['local_preload_libraries', 'createrole_self_grant', 'row_security'].includes(name)) return 'admin';
  if (name === 'lc_messages') return 'settings';
  return context === 'user' ? 'settings' : 'admin';
}
