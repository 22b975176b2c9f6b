// Words of MySQL 9.7 and MariaDB 10.11 as the servers take them, asked by tools/read-mysql-words.ts; do not edit.
// `native`: a built-in function also when its name is quoted. `keywords`: what no function of a user's can be called, unquoted and right
// before its parenthesis. `gap`: of these, what is the name of a user's function where a space comes before the parenthesis and
// IGNORE_SPACE is off. `reserved`: what no alias can be unquoted.

export interface Words {
  readonly native: string;
  readonly keywords: string;
  readonly gap: string;
  readonly reserved: string;
}

export const MYSQL_WORDS: Words = {
  native: `
abs acos addtime aes_decrypt aes_encrypt any_value asin asynchronous_connection_failover_reset atan atan2 benchmark bin bin_to_uuid
bit_count bit_length can_access_column can_access_database can_access_event can_access_resource_group can_access_routine can_access_table
can_access_trigger can_access_user can_access_view ceil ceiling char_length character_length coercibility compress concat concat_ws
connection_id conv convert_cpu_id_mask convert_interval_to_user_interval convert_tz cos cot crc32 current_role current_role_in
current_user_in date_format datediff dayname dayofmonth dayofweek dayofyear degrees elt etag exp export_set extractvalue field find_in_set
floor format_bytes format_pico_time found_rows from_base64 from_days from_unixtime from_vector get_dd_column_privileges
get_dd_create_options get_dd_index_private_data get_dd_index_sub_part_length get_dd_property_key_value get_dd_schema_options
get_dd_tablespace_private_data get_jdv_property_key_value get_lock greatest gtid_subset gtid_subtract hex icu_version ifnull inet6_aton
inet6_ntoa inet_aton inet_ntoa innodb_redo_log_sharp_checkpoint innodb_set_open_files_limit instr internal_auto_increment
internal_avg_row_length internal_check_time internal_checksum internal_data_free internal_data_length internal_dd_char_length
internal_get_comment_or_error internal_get_dd_column_extra internal_get_enabled_role_json internal_get_hostname
internal_get_mandatory_roles_json internal_get_partition_nodegroup internal_get_username internal_get_view_warning_or_error
internal_index_column_cardinality internal_index_length internal_is_enabled_role internal_is_mandatory_role internal_keys_disabled
internal_max_data_length internal_table_rows internal_tablespace_autoextend_size internal_tablespace_data_free
internal_tablespace_extent_size internal_tablespace_extra internal_tablespace_free_extents internal_tablespace_id
internal_tablespace_initial_size internal_tablespace_logfile_group_name internal_tablespace_logfile_group_number
internal_tablespace_maximum_size internal_tablespace_row_format internal_tablespace_status internal_tablespace_total_extents
internal_tablespace_type internal_tablespace_version internal_update_time internal_use_terminology_previous is_free_lock is_ipv4
is_ipv4_compat is_ipv4_mapped is_ipv6 is_used_lock is_uuid is_visible_dd_object isnull json_array json_array_append json_array_insert
json_contains json_contains_path json_depth json_extract json_insert json_keys json_length json_merge json_merge_patch json_merge_preserve
json_object json_overlaps json_pretty json_quote json_remove json_replace json_schema_valid json_schema_validation_report json_search
json_set json_storage_free json_storage_size json_type json_unquote json_valid last_day last_insert_id lcase least length ln load_file
locate log log10 log2 lower lpad ltrim make_set makedate maketime master_pos_wait mbrcontains mbrcoveredby mbrcovers mbrdisjoint mbrequals
mbrintersects mbroverlaps mbrtouches mbrwithin monthname name_const nullif oct octet_length ord period_add period_diff pi pow power
ps_current_thread_id ps_thread_id quote radians rand random_bytes regexp_instr regexp_like regexp_replace regexp_substr release_all_locks
release_lock remove_dd_property_key reverse roles_graphml round rpad rtrim sec_to_time sha2 sign sin sleep soundex source_pos_wait space
sqrt st_area st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_buffer st_buffer_strategy st_centroid st_contains st_convexhull
st_crosses st_difference st_dimension st_disjoint st_distance st_distance_sphere st_endpoint st_envelope st_equals st_exteriorring
st_frechetdistance st_geohash st_geomcollfromtext st_geomcollfromtxt st_geomcollfromwkb st_geometrycollectionfromtext
st_geometrycollectionfromwkb st_geometryfromtext st_geometryfromwkb st_geometryn st_geometrytype st_geomfromgeojson st_geomfromtext
st_geomfromwkb st_hausdorffdistance st_interiorringn st_intersection st_intersects st_isclosed st_isempty st_issimple st_isvalid
st_latfromgeohash st_latitude st_length st_linefromtext st_linefromwkb st_lineinterpolatepoint st_lineinterpolatepoints
st_linestringfromtext st_linestringfromwkb st_longfromgeohash st_longitude st_makeenvelope st_mlinefromtext st_mlinefromwkb
st_mpointfromtext st_mpointfromwkb st_mpolyfromtext st_mpolyfromwkb st_multilinestringfromtext st_multilinestringfromwkb
st_multipointfromtext st_multipointfromwkb st_multipolygonfromtext st_multipolygonfromwkb st_numgeometries st_numinteriorring
st_numinteriorrings st_numpoints st_overlaps st_pointatdistance st_pointfromgeohash st_pointfromtext st_pointfromwkb st_pointn
st_polyfromtext st_polyfromwkb st_polygonfromtext st_polygonfromwkb st_simplify st_srid st_startpoint st_swapxy st_symdifference
st_touches st_transform st_union st_validate st_within st_x st_y statement_digest statement_digest_text str_to_date strcmp
string_to_vector substring_index subtime tan time_format time_to_sec timediff to_base64 to_days to_seconds to_vector ucase uncompress
uncompressed_length unhex unix_timestamp updatexml upper uuid uuid_short uuid_to_bin validate_password_strength vector_dim
vector_to_string version version_with_update wait_for_executed_gtid_set weekday weekofyear yearweek
`,
  keywords: `
absent accessible account action active add adddate admin after against aggregate algorithm all allow_missing_files alter always analyze
and any array as asc ascii asensitive assign_gtids_to_anonymous_transactions at attribute authentication auto auto_increment auto_refresh
auto_refresh_source autoextend_size avg avg_row_length backup before begin bernoulli between bigint binary binlog bit bit_and bit_or
bit_xor blob block bool boolean both btree buckets bulk by byte cache call cascade cascaded case cast catalog_name chain
challenge_response change changed channel char character charset check checksum cipher class_origin client clone close coalesce code
collate collation column column_format column_name columns comment commit committed compact completion component compressed compression
concurrent condition connection consistent constraint constraint_catalog constraint_name constraint_schema contains context continue
convert count cpu create cross cube cume_dist curdate current current_date current_time current_timestamp current_user cursor cursor_name
curtime data database databases datafile date date_add date_sub datetime day day_hour day_microsecond day_minute day_second deallocate dec
decimal declare default default_auth definer definition delay_key_write delayed delete dense_rank desc describe description deterministic
diagnostics directory disable discard disk distinct distinctrow div do double drop dual duality dumpfile duplicate dynamic each else
elseif empty enable enclosed encryption end ends enforced engine engine_attribute engines enum error errors escape escaped event events
every except exchange exclude execute exists exit expansion expire explain export extended extent_size external external_format extract
factor failed_login_attempts false fast faults fetch fields file file_block_size file_format file_name file_pattern file_prefix files
filter finish first first_value fixed float float4 float8 flush following follows for force foreign format found from full fulltext
function general generate generated geomcollection geometry geometrycollection get get_format get_source_public_key global grant grants
group group_concat group_replication grouping groups gtid_only gtids guided handler hash having header help high_priority histogram
history host hosts hour hour_microsecond hour_minute hour_second identified if ignore ignore_server_ids import in inactive index indexes
infile initial initial_size initiate inner inout insensitive insert insert_method install instance int int1 int2 int3 int4 int8 integer
intersect interval into invisible invoker io io_after_gtids io_before_gtids io_thread ipc is isolation issuer iterate join json
json_arrayagg json_duality_object json_objectagg json_table json_value key key_block_size keyring keys kill lag language last last_value
lateral lead leading leave leaves left less level library like limit linear lines linestring list load local localtime localtimestamp lock
locked locks logfile logs long longblob longtext loop low_priority manual masking master match materialized max max_connections_per_hour
max_queries_per_hour max_rows max_size max_updates_per_hour max_user_connections maxvalue medium mediumblob mediumint mediumtext member
memory merge message_text microsecond mid middleint migrate min min_rows minute minute_microsecond minute_second mod mode modifies modify
month multilinestring multipoint multipolygon mutex mysql_errno name names national natural nchar ndb ndbcluster nested network_namespace
never new next no no_wait no_write_to_binlog nodegroup none not now nowait nth_value ntile null nulls number numeric nvarchar of off
offset oj old on one only open optimize optimizer_costs option optional optionally options or order ordinality organization others out
outer outfile over owner pack_keys page parallel parameters parse_tree parser partial partition partitioning partitions password
password_lock_time path percent_rank persist persist_only phase plugin plugin_dir plugins point policy polygon port position precedes
preceding precision prepare preserve prev primary privilege_checks_user privileges procedure process processlist profile profiles proxy
purge qualify quarter query quick random range rank read read_only read_write reads real rebuild recover recursive redo_buffer_size
redundant reference references regexp registration relational relay relay_log_file relay_log_pos relay_thread relaylog release reload
remove rename reorganize repair repeat repeatable replace replica replicas replicate_do_db replicate_do_table replicate_ignore_db
replicate_ignore_table replicate_rewrite_db replicate_wild_do_table replicate_wild_ignore_table replication require require_row_format
require_table_primary_key_check reset resignal resource respect restart restore restrict resume retain return returned_sqlstate returning
returns reuse revoke right rlike role rollback rollup rotate routine row row_count row_format row_number rows rtree s3 savepoint schedule
schema schema_name schemas second second_microsecond secondary secondary_engine secondary_engine_attribute secondary_load secondary_unload
security select sensitive separator serial serializable server session session_user set sets share show shutdown signal signed simple skip
slave slow smallint snapshot socket some soname sounds source source_auto_position source_bind source_compression_algorithms
source_connect_retry source_connection_auto_failover source_delay source_heartbeat_period source_host source_log_file source_log_pos
source_password source_port source_public_key_path source_retry_count source_ssl source_ssl_ca source_ssl_capath source_ssl_cert
source_ssl_cipher source_ssl_crl source_ssl_crlpath source_ssl_key source_ssl_verify_server_cert source_tls_ciphersuites
source_tls_version source_user source_zstd_compression_level spatial specific sql sql_after_gtids sql_after_mts_gaps sql_before_gtids
sql_big_result sql_buffer_result sql_calc_found_rows sql_no_cache sql_small_result sql_thread sql_tsi_day sql_tsi_hour sql_tsi_minute
sql_tsi_month sql_tsi_quarter sql_tsi_second sql_tsi_week sql_tsi_year sqlexception sqlstate sqlwarning srid ssl st_collect stacked start
starting starts stats_auto_recalc stats_persistent stats_sample_pages status std stddev stddev_pop stddev_samp stop storage stored
straight_join stream strict_load string subclass_origin subdate subject subpartition subpartitions substr substring sum super suspend
swaps switches sysdate system system_user table table_checksum table_name tables tablesample tablespace temporary temptable terminated
text than then thread_priority ties time timestamp timestampadd timestampdiff tinyblob tinyint tinytext tls to trailing transaction
trigger triggers trim true truncate type types unbounded uncommitted undefined undo undo_buffer_size undofile unicode uninstall union
unique unknown unlock unregister unsigned until update upgrade uri url usage use use_frm user user_resources using utc_date utc_time
utc_timestamp validate validation value values var_pop var_samp varbinary varchar varcharacter variables variance varying vcpu vector
verify_key_constraints view virtual visible wait warnings week weight_string when where while window with without work wrapper write x509
xa xid xml xor year year_month zerofill zone
`,
  gap: `
adddate bit_and bit_or bit_xor cast count curdate curtime date_add date_sub extract group_concat json_arrayagg json_duality_object
json_objectagg max mid min now position session_user st_collect std stddev stddev_pop stddev_samp subdate substr substring sum sysdate
system_user trim var_pop var_samp variance
`,
  reserved: `
accessible add all alter analyze and as asc asensitive before between bigint binary blob both by call cascade case change char character
check collate column condition constraint continue convert create cross cube cume_dist current_date current_time current_timestamp
current_user cursor database databases day_hour day_microsecond day_minute day_second dec decimal declare default delayed delete
dense_rank desc describe deterministic distinct distinctrow div double drop dual each else elseif empty enclosed escaped except exists
exit explain external false fetch first_value float float4 float8 for force foreign from fulltext function generated get grant group
grouping groups having high_priority hour_microsecond hour_minute hour_second if ignore in index infile inner inout insensitive insert int
int1 int2 int3 int4 int8 integer intersect interval into io_after_gtids io_before_gtids is iterate join json_table key keys kill lag
last_value lateral lead leading leave left library like limit linear lines load localtime localtimestamp lock long longblob longtext loop
low_priority match maxvalue mediumblob mediumint mediumtext middleint minute_microsecond minute_second mod modifies natural
no_write_to_binlog not nth_value ntile null numeric of on optimize optimizer_costs option optionally or order out outer outfile over
partition percent_rank precision primary procedure purge qualify range rank read read_write reads real recursive references regexp release
rename repeat replace require resignal restrict return revoke right rlike row row_number rows schema schemas second_microsecond select
sensitive separator set show signal smallint spatial specific sql sql_big_result sql_calc_found_rows sql_small_result sqlexception
sqlstate sqlwarning ssl starting stored straight_join system table tablesample terminated then tinyblob tinyint tinytext to trailing
trigger true undo union unique unlock unsigned update usage use using utc_date utc_time utc_timestamp values varbinary varchar
varcharacter varying virtual when where while window with write xor year_month zerofill
`,
};

export const MARIADB_WORDS: Words = {
  native: `
abs acos add_months addtime aes_decrypt aes_encrypt area asbinary asin astext aswkb aswkt atan atan2 benchmark bin binlog_gtid_pos
bit_count bit_length boundary buffer ceil ceiling centroid char_length character_length chr coalesce coercibility collation column_check
column_exists column_json column_list compress concat concat_operator_oracle concat_ws connection_id contains conv convert_tz convexhull
cos cot crc32 crc32c crosses database date_format datediff dayname dayofmonth dayofweek dayofyear decode decode_histogram decode_oracle
degrees des_decrypt des_encrypt dimension disjoint elt encode encrypt endpoint envelope equals exp export_set exteriorring extractvalue
field find_in_set floor format found_rows from_base64 from_days from_unixtime geomcollfromtext geomcollfromwkb geometrycollection
geometrycollectionfromtext geometrycollectionfromwkb geometryfromtext geometryfromwkb geometryn geometrytype geomfromtext geomfromwkb
get_lock glength greatest hex ifnull inet6_aton inet6_ntoa inet_aton inet_ntoa instr interiorringn intersects is_free_lock is_ipv4
is_ipv4_compat is_ipv4_mapped is_ipv6 is_used_lock isclosed isempty isnull isring issimple json_array json_array_append json_array_insert
json_compact json_contains json_contains_path json_depth json_detailed json_equals json_exists json_extract json_insert json_keys
json_length json_loose json_merge json_merge_patch json_merge_preserve json_normalize json_object json_overlaps json_pretty json_query
json_quote json_remove json_replace json_search json_set json_type json_unquote json_valid json_value last_day last_insert_id lcase least
length lengthb linefromtext linefromwkb linestring linestringfromtext linestringfromwkb ln load_file locate log log10 log2 lower lpad
lpad_oracle ltrim ltrim_oracle make_set makedate maketime master_gtid_wait master_pos_wait mbrcontains mbrdisjoint mbrequal mbrequals
mbrintersects mbroverlaps mbrtouches mbrwithin md5 microsecond mlinefromtext mlinefromwkb mod monthname mpointfromtext mpointfromwkb
mpolyfromtext mpolyfromwkb multilinestring multilinestringfromtext multilinestringfromwkb multipoint multipointfromtext multipointfromwkb
multipolygon multipolygonfromtext multipolygonfromwkb name_const natural_sort_key nullif numgeometries numinteriorrings numpoints nvl nvl2
oct octet_length old_password ord overlaps password period_add period_diff pi point pointfromtext pointfromwkb pointn pointonsurface
polyfromtext polyfromwkb polygon polygonfromtext polygonfromwkb pow power quarter quote radians rand random_bytes regexp_instr
regexp_replace regexp_substr release_all_locks release_lock replace_oracle reverse round row_count rpad rpad_oracle rtrim rtrim_oracle
schema schemas sec_to_time sformat sha sha1 sha2 sign sin sleep soundex space sqrt srid st_area st_asbinary st_asgeojson st_astext
st_aswkb st_aswkt st_boundary st_buffer st_centroid st_contains st_convexhull st_crosses st_difference st_dimension st_disjoint
st_distance st_distance_sphere st_endpoint st_envelope st_equals st_exteriorring st_geomcollfromtext st_geomcollfromwkb
st_geometrycollectionfromtext st_geometrycollectionfromwkb st_geometryfromtext st_geometryfromwkb st_geometryn st_geometrytype
st_geomfromgeojson st_geomfromtext st_geomfromwkb st_interiorringn st_intersection st_intersects st_isclosed st_isempty st_isring
st_issimple st_length st_linefromtext st_linefromwkb st_linestringfromtext st_linestringfromwkb st_mlinefromtext st_mlinefromwkb
st_mpointfromtext st_mpointfromwkb st_mpolyfromtext st_mpolyfromwkb st_multilinestringfromtext st_multilinestringfromwkb
st_multipointfromtext st_multipointfromwkb st_multipolygonfromtext st_multipolygonfromwkb st_numgeometries st_numinteriorrings
st_numpoints st_overlaps st_pointfromtext st_pointfromwkb st_pointn st_pointonsurface st_polyfromtext st_polyfromwkb st_polygonfromtext
st_polygonfromwkb st_relate st_srid st_startpoint st_symdifference st_touches st_union st_within st_x st_y startpoint str_to_date strcmp
substr_oracle substring_index subtime sys_guid tan time_format time_to_sec timediff to_base64 to_char to_days to_seconds touches ucase
uncompress uncompressed_length unhex unix_timestamp updatexml upper uuid uuid_short version week weekday weekofyear within
wsrep_last_seen_gtid wsrep_last_written_gtid wsrep_sync_wait_upto_gtid yearweek
`,
  keywords: `
accessible add adddate all alter analyze and any as asc ascii asensitive avg backup before begin between bigint binary binlog bit bit_and
bit_or bit_xor blob bool boolean both by byte cache call cascade case cast change char character charset check checkpoint checksum clob
close code collate column column_add column_create column_delete column_get comment commit compressed condition constraint continue
convert count create cross cume_dist curdate current_date current_role current_time current_timestamp current_user cursor curtime
databases date date_add date_sub datetime day day_hour day_microsecond day_minute day_second deallocate dec decimal declare default
delayed delete delete_domain_id dense_rank desc describe deterministic distinct distinctrow div do do_domain_ids double drop dual each
else elseif enclosed end enum escaped examined except exclude execute exists exit explain extract false fetch first_value fixed float
float4 float8 flush following follows for force foreign from fulltext function get get_format global grant group group_concat handler
having help high_priority host hour hour_microsecond hour_minute hour_second id if ignore ignore_domain_ids ignored in index infile inner
inout insensitive insert install int int1 int2 int3 int4 int8 integer intersect interval into is iterate join json json_arrayagg
json_objectagg key keys kill lag language last_value lastval lead leading leave left like limit linear lines load local localtime
localtimestamp lock long longblob longtext loop low_priority master_demote_to_replica master_demote_to_slave master_ssl_verify_server_cert
match max maxvalue median medium mediumblob mediumint mediumtext mid middleint min minute minute_microsecond minute_second modifies month
names national natural nchar nextval no no_write_to_binlog not now nth_value ntile null number numeric nvarchar offset on open optimize
option optionally options or order others out outer outfile over owner page_checksum parse_vcol_expr parser partition percent_rank
percentile_cont percentile_disc period port portion position precedes preceding precision prepare primary procedure purge range rank raw
read read_write reads real recursive ref_system_id references regexp release remove rename repair repeat replace replica replicas require
reset resignal restore restrict return returning revoke right rlike role rollback row row_number rownum rows savepoint second
second_microsecond security select sensitive separator serial server session session_user set setval show shutdown signal signed slave
slaves smallint socket some soname sounds spatial specific sql sql_big_result sql_buffer_result sql_cache sql_calc_found_rows sql_no_cache
sql_small_result sql_tsi_day sql_tsi_hour sql_tsi_minute sql_tsi_month sql_tsi_second sql_tsi_year sqlexception sqlstate sqlwarning ssl
start starting stats_auto_recalc stats_persistent stats_sample_pages std stddev stddev_pop stddev_samp stop stored straight_join subdate
substr substring sum sysdate system_user table terminated text then ties time timestamp timestampadd timestampdiff tinyblob tinyint
tinytext to trailing trigger trim trim_oracle true truncate unbounded undo unicode uninstall union unique unlock unsigned update upgrade
usage use user using utc_date utc_time utc_timestamp value values var_pop var_samp varbinary varchar varchar2 varcharacter variance
varying weight_string when where while window with wrapper write xa xor year year_month zerofill
`,
  gap: `
adddate bit_and bit_or bit_xor cast count cume_dist curdate curtime date_add date_sub dense_rank extract first_value group_concat
json_arrayagg json_objectagg lag lead max median mid min now nth_value ntile percent_rank percentile_cont percentile_disc position rank
session_user std stddev stddev_pop stddev_samp subdate substr substring sum system_user trim trim_oracle var_pop var_samp variance
`,
  reserved: `
accessible add all alter analyze and as asc asensitive before between bigint binary blob both by call cascade case change char character
check collate column condition constraint continue convert create cross current_date current_role current_time current_timestamp
current_user cursor databases day_hour day_microsecond day_minute day_second dec decimal declare default delayed delete delete_domain_id
desc describe deterministic distinct distinctrow div do_domain_ids double drop dual each else elseif enclosed escaped except exists exit
explain false fetch float float4 float8 for force foreign from fulltext grant group having high_priority hour_microsecond hour_minute
hour_second if ignore ignore_domain_ids in index infile inner inout insensitive insert int int1 int2 int3 int4 int8 integer intersect
interval into is iterate join key keys kill leading leave left like limit linear lines load localtime localtimestamp lock long longblob
longtext loop low_priority master_demote_to_replica master_demote_to_slave master_ssl_verify_server_cert match maxvalue mediumblob
mediumint mediumtext middleint minute_microsecond minute_second mod modifies natural no_write_to_binlog not null numeric offset on
optimize optionally or order out outer outfile over page_checksum parse_vcol_expr partition portion precision primary procedure purge
range read read_write reads real recursive ref_system_id references regexp release rename repeat replace require resignal restrict return
returning revoke right rlike row_number rows schemas second_microsecond select sensitive separator set show signal smallint spatial
specific sql sql_big_result sql_calc_found_rows sql_small_result sqlexception sqlstate sqlwarning ssl starting stats_auto_recalc
stats_persistent stats_sample_pages straight_join table terminated then tinyblob tinyint tinytext to trailing trigger true undo union
unique unlock unsigned update usage use using utc_date utc_time utc_timestamp values varbinary varchar varcharacter varying when where
while window with write xor year_month zerofill
`,
};
