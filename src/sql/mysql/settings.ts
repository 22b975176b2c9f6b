// What setting a system variable means, from the servers' own lists of them. A name that no list has is `unknown`.
import type { Action } from '../findings.ts';
import { GLOBAL_VARIABLES, SESSION_VARIABLES } from './generated/variables.ts';

export interface SettingJudgement {
  readonly action: Action;
  readonly why: string;
}

export type VariableScope = 'session' | 'global' | 'persist';

const HARMLESS: SettingJudgement = { action: 'settings', why: 'Changes a setting of the session.' };
const SERVER: SettingJudgement = { action: 'admin', why: 'Changes a setting of the server.' };
const ADMIN: SettingJudgement = { action: 'admin', why: 'Changes a setting that guards the server or its log.' };
const UNKNOWN: SettingJudgement = { action: 'unknown', why: 'Changes a setting that is not known.' };

/** Session variables that the servers restrict to administrators, or that take a statement out of a log. */
const GUARDING: ReadonlySet<string> = new Set(
  (
    'sql_log_bin sql_log_off log_disabled_statements log_slow_disabled_statements gtid_next gtid_domain_id gtid_seq_no server_id ' +
    'binlog_format binlog_row_image binlog_row_value_options binlog_rows_query_log_events binlog_annotate_row_events ' +
    'binlog_direct_non_transactional_updates binlog_transaction_compression binlog_transaction_compression_level_zstd ' +
    'binlog_alter_two_phase pseudo_thread_id pseudo_slave_mode pseudo_replica_mode original_commit_timestamp ' +
    'original_server_version immediate_server_version rbr_exec_mode skip_replication skip_parallel_replication wsrep_on ' +
    'wsrep_osu_method wsrep_trx_fragment_size wsrep_trx_fragment_unit innodb_tmpdir enforce_storage_engine ' +
    'sql_generate_invisible_primary_key sql_require_primary_key system_versioning_insert_history system_versioning_alter_history ' +
    'xa_detach_on_prepare debug debug_dbug debug_sync connection_memory_limit global_connection_memory_tracking ' +
    'default_collation_for_utf8mb4 character_set_filesystem require_row_format'
  ).split(' '),
);

const set = (list: string): ReadonlySet<string> => new Set(list.trim().split(/\s+/));
const OF_SESSION = set(SESSION_VARIABLES);
const OF_SERVER = set(GLOBAL_VARIABLES);

/** Of other versions than those that the lists were read from, or besides them. */
const OLDER = new Set(
  (
    'tx_isolation tx_read_only storage_engine sql_warnings sql_notes sql_buffer_result sql_low_priority_updates sql_max_join_size ' +
    'sql_select_limit query_cache_type show_old_temporals transaction_allow_batching multi_range_count session_track_gtids ' +
    'ndb_table_no_logging use_secondary_engine join_cache_level timestamp insert_id last_insert_id identity rand_seed1 rand_seed2 ' +
    'profiling txn_isolation optimizer_trace show_create_table_skip_secondary_engine max_statement_time max_execution_time ' +
    'character_set_collations show_create_table_verbosity big_tables resultset_metadata net_buffer_length log_queries_not_using_indexes'
  ).split(' '),
);

/** Judges SET of one variable. name: folded; with a dot for a part of a structured one. */
export function judgeSetting(name: string, scope: VariableScope): SettingJudgement {
  if (scope !== 'session') return SERVER;
  if (GUARDING.has(name)) return ADMIN;
  if (OF_SESSION.has(name) || OLDER.has(name)) return HARMLESS;
  // The server refuses it without GLOBAL; an older one may not.
  if (OF_SERVER.has(name)) return ADMIN;
  return UNKNOWN;
}

/** Storage engines that keep a table's rows in the server itself. */
const HERE = set('innodb myisam aria memory heap csv archive blackhole rocksdb');

/** Does this storage engine keep the rows of a new table here, and nowhere else? name: in any case. */
export function keepsHere(name: string): boolean {
  return HERE.has(name.toLowerCase());
}

/** Settings whose value is the storage engine of new tables. */
export const ENGINE_SETTINGS = set('default_storage_engine default_tmp_storage_engine storage_engine');
