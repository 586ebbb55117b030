-- The information schema for the clients of `syntrace serve`: as pg_catalog.sql, with the columns of chapter 37 of
-- PostgreSQL's manual.

CREATE TABLE information_schema.information_schema_catalog_name (catalog_name text) AS
SELECT 'study' AS catalog_name;

CREATE TABLE information_schema.schemata (
    catalog_name text, schema_name text, schema_owner text, default_character_set_catalog text,
    default_character_set_schema text, default_character_set_name text, sql_path text
) AS
SELECT 'study' AS catalog_name, name AS schema_name, 'reader' AS schema_owner FROM syntrace.schemas;

CREATE TABLE information_schema.tables (
    table_catalog text, table_schema text, table_name text, table_type text, self_referencing_column_name text,
    reference_generation text, user_defined_type_catalog text, user_defined_type_schema text,
    user_defined_type_name text, is_insertable_into text, is_typed text, commit_action text
) AS
SELECT
    'study' AS table_catalog, schema AS table_schema, name AS table_name,
    CASE WHEN kind = 'r' THEN 'BASE TABLE' ELSE 'VIEW' END AS table_type, 'NO' AS is_insertable_into, 'NO' AS is_typed
FROM syntrace.relations;

CREATE TABLE information_schema.views (
    table_catalog text, table_schema text, table_name text, view_definition text, check_option text, is_updatable
    text, is_insertable_into text, is_trigger_updatable text, is_trigger_deletable text,
    is_trigger_insertable_into text
) AS
SELECT
    'study' AS table_catalog, schema AS table_schema, name AS table_name, definition AS view_definition,
    'NONE' AS check_option, 'NO' AS is_updatable, 'NO' AS is_insertable_into, 'NO' AS is_trigger_updatable,
    'NO' AS is_trigger_deletable, 'NO' AS is_trigger_insertable_into
FROM syntrace.relations
WHERE kind = 'v';

CREATE TABLE information_schema.columns (
    table_catalog text, table_schema text, table_name text, column_name text, ordinal_position integer,
    column_default text, is_nullable text, data_type text, character_maximum_length integer,
    character_octet_length integer, numeric_precision integer, numeric_precision_radix integer, numeric_scale
    integer, datetime_precision integer, interval_type text, interval_precision integer, character_set_catalog
    text, character_set_schema text, character_set_name text, collation_catalog text, collation_schema text,
    collation_name text, domain_catalog text, domain_schema text, domain_name text, udt_catalog text, udt_schema
    text, udt_name text, scope_catalog text, scope_schema text, scope_name text, maximum_cardinality integer,
    dtd_identifier text, is_self_referencing text, is_identity text, identity_generation text, identity_start
    text, identity_increment text, identity_maximum text, identity_minimum text, identity_cycle text, is_generated
    text, generation_expression text, is_updatable text
) AS
SELECT
    'study' AS table_catalog, schema AS table_schema, relation_name AS table_name, name AS column_name,
    number AS ordinal_position, CASE WHEN nullable THEN 'YES' ELSE 'NO' END AS is_nullable, data_type,
    CASE data_type
        WHEN 'smallint' THEN 16 WHEN 'integer' THEN 32 WHEN 'bigint' THEN 64 WHEN 'real' THEN 24
        WHEN 'double precision' THEN 53
    END AS numeric_precision,
    CASE WHEN data_type IN ('smallint', 'integer', 'bigint', 'real', 'double precision') THEN 2
    END AS numeric_precision_radix,
    CASE WHEN data_type IN ('smallint', 'integer', 'bigint') THEN 0 END AS numeric_scale,
    CASE WHEN data_type = 'date' THEN 0 WHEN data_type LIKE 'time%' THEN 6 END AS datetime_precision,
    'study' AS udt_catalog, 'pg_catalog' AS udt_schema, type_name AS udt_name, number AS dtd_identifier,
    'NO' AS is_self_referencing, 'NO' AS is_identity, 'NO' AS identity_cycle, 'NEVER' AS is_generated,
    'NO' AS is_updatable
FROM syntrace.columns;

-- Keys.
CREATE TABLE information_schema.table_constraints (
    constraint_catalog text, constraint_schema text, constraint_name text, table_catalog text, table_schema text,
    table_name text, constraint_type text, is_deferrable text, initially_deferred text, enforced text,
    nulls_distinct text
) AS
SELECT
    'study' AS constraint_catalog, schema AS constraint_schema, name AS constraint_name, 'study' AS table_catalog,
    schema AS table_schema, relation_name AS table_name,
    CASE WHEN kind = 'p' THEN 'PRIMARY KEY' ELSE 'FOREIGN KEY' END AS constraint_type, 'NO' AS is_deferrable,
    'NO' AS initially_deferred, 'NO' AS enforced
FROM syntrace.keys;

CREATE TABLE information_schema.key_column_usage (
    constraint_catalog text, constraint_schema text, constraint_name text, table_catalog text, table_schema text,
    table_name text, column_name text, ordinal_position integer, position_in_unique_constraint integer
) AS
SELECT
    'study' AS constraint_catalog, schema AS constraint_schema, name AS constraint_name, 'study' AS table_catalog,
    schema AS table_schema, relation_name AS table_name, "column" AS column_name, number AS ordinal_position,
    CASE WHEN target_column IS NOT NULL THEN number END AS position_in_unique_constraint
FROM syntrace.key_columns;

CREATE TABLE information_schema.referential_constraints (
    constraint_catalog text, constraint_schema text, constraint_name text, unique_constraint_catalog text,
    unique_constraint_schema text, unique_constraint_name text, match_option text, update_rule text, delete_rule
    text
) AS
SELECT
    'study' AS constraint_catalog, schema AS constraint_schema, name AS constraint_name,
    'study' AS unique_constraint_catalog, schema AS unique_constraint_schema, target_key AS unique_constraint_name,
    'NONE' AS match_option, 'NO ACTION' AS update_rule, 'NO ACTION' AS delete_rule
FROM syntrace.keys
WHERE kind = 'f';

CREATE TABLE information_schema.constraint_column_usage (
    table_catalog text, table_schema text, table_name text, column_name text, constraint_catalog text,
    constraint_schema text, constraint_name text
) AS
SELECT
    'study' AS table_catalog, schema AS table_schema, coalesce(target_name, relation_name) AS table_name,
    coalesce(target_column, "column") AS column_name, 'study' AS constraint_catalog, schema AS constraint_schema,
    name AS constraint_name
FROM syntrace.key_columns;

CREATE TABLE information_schema.element_types (
    object_catalog text, object_schema text, object_name text, object_type text, collection_type_identifier text,
    data_type text, character_maximum_length integer, character_octet_length integer, character_set_catalog text,
    character_set_schema text, character_set_name text, collation_catalog text, collation_schema text,
    collation_name text, numeric_precision integer, numeric_precision_radix integer, numeric_scale integer,
    datetime_precision integer, interval_type text, interval_precision integer, domain_default text, udt_catalog
    text, udt_schema text, udt_name text, scope_catalog text, scope_schema text, scope_name text,
    maximum_cardinality integer, dtd_identifier text
) AS
SELECT
    'study' AS object_catalog, schema AS object_schema, relation_name AS object_name,
    CASE WHEN kind = 'r' THEN 'TABLE' ELSE 'VIEW' END AS object_type, number AS collection_type_identifier,
    element_data_type AS data_type, 'study' AS udt_catalog, 'pg_catalog' AS udt_schema, element_name AS udt_name
FROM syntrace.columns
WHERE data_type = 'ARRAY';

CREATE TABLE information_schema.routines (
    specific_catalog text, specific_schema text, specific_name text, routine_catalog text, routine_schema text,
    routine_name text, routine_type text, module_catalog text, module_schema text, module_name text, udt_catalog
    text, udt_schema text, udt_name text, data_type text, character_maximum_length integer, character_octet_length
    integer, character_set_catalog text, character_set_schema text, character_set_name text, collation_catalog
    text, collation_schema text, collation_name text, numeric_precision integer, numeric_precision_radix integer,
    numeric_scale integer, datetime_precision integer, interval_type text, interval_precision integer,
    type_udt_catalog text, type_udt_schema text, type_udt_name text, scope_catalog text, scope_schema text,
    scope_name text, maximum_cardinality integer, dtd_identifier text, routine_body text, routine_definition text,
    external_name text, external_language text, parameter_style text, is_deterministic text, sql_data_access text,
    is_null_call text, sql_path text, schema_level_routine text, max_dynamic_result_sets integer,
    is_user_defined_cast text, is_implicitly_invocable text, security_type text, to_sql_specific_catalog text,
    to_sql_specific_schema text, to_sql_specific_name text, as_locator text, created timestamptz, last_altered
    timestamptz, new_savepoint_level text, is_udt_dependent text, result_cast_from_data_type text,
    result_cast_as_locator text, result_cast_char_max_length integer, result_cast_char_octet_length integer,
    result_cast_char_set_catalog text, result_cast_char_set_schema text, result_cast_char_set_name text,
    result_cast_collation_catalog text, result_cast_collation_schema text, result_cast_collation_name text,
    result_cast_numeric_precision integer, result_cast_numeric_precision_radix integer, result_cast_numeric_scale
    integer, result_cast_datetime_precision integer, result_cast_interval_type text,
    result_cast_interval_precision integer, result_cast_type_udt_catalog text, result_cast_type_udt_schema text,
    result_cast_type_udt_name text, result_cast_scope_catalog text, result_cast_scope_schema text,
    result_cast_scope_name text, result_cast_maximum_cardinality integer, result_cast_dtd_identifier text
) AS
SELECT
    'study' AS specific_catalog, schema AS specific_schema, concat(name, '_', oid) AS specific_name,
    'study' AS routine_catalog, schema AS routine_schema, name AS routine_name, 'FUNCTION' AS routine_type,
    'EXTERNAL' AS routine_body, 'INTERNAL' AS external_language, 'GENERAL' AS parameter_style,
    'NO' AS is_deterministic, 'READS' AS sql_data_access, 'YES' AS schema_level_routine,
    0 AS max_dynamic_result_sets, 'INVOKER' AS security_type
FROM syntrace.functions;

CREATE TABLE information_schema.table_privileges (
    grantor text, grantee text, table_catalog text, table_schema text, table_name text, privilege_type text,
    is_grantable text, with_hierarchy text
) AS
SELECT
    'reader' AS grantor, 'reader' AS grantee, 'study' AS table_catalog, schema AS table_schema, name AS table_name,
    'SELECT' AS privilege_type, 'NO' AS is_grantable, 'YES' AS with_hierarchy
FROM syntrace.relations;

CREATE TABLE information_schema.role_table_grants (
    grantor text, grantee text, table_catalog text, table_schema text, table_name text, privilege_type text,
    is_grantable text, with_hierarchy text
) AS
SELECT
    'reader' AS grantor, 'reader' AS grantee, 'study' AS table_catalog, schema AS table_schema, name AS table_name,
    'SELECT' AS privilege_type, 'NO' AS is_grantable, 'YES' AS with_hierarchy
FROM syntrace.relations;

CREATE TABLE information_schema.column_privileges (
    grantor text, grantee text, table_catalog text, table_schema text, table_name text, column_name text,
    privilege_type text, is_grantable text
) AS
SELECT
    'reader' AS grantor, 'reader' AS grantee, 'study' AS table_catalog, schema AS table_schema,
    relation_name AS table_name, name AS column_name, 'SELECT' AS privilege_type, 'NO' AS is_grantable
FROM syntrace.columns;

CREATE TABLE information_schema.role_column_grants (
    grantor text, grantee text, table_catalog text, table_schema text, table_name text, column_name text,
    privilege_type text, is_grantable text
) AS
SELECT
    'reader' AS grantor, 'reader' AS grantee, 'study' AS table_catalog, schema AS table_schema,
    relation_name AS table_name, name AS column_name, 'SELECT' AS privilege_type, 'NO' AS is_grantable
FROM syntrace.columns;

CREATE TABLE information_schema.applicable_roles (grantee text, role_name text, is_grantable text) AS
SELECT 'reader' AS grantee, 'reader' AS role_name, 'NO' AS is_grantable;

CREATE TABLE information_schema.enabled_roles (role_name text) AS
SELECT 'reader' AS role_name;

CREATE TABLE information_schema.character_sets (
    character_set_catalog text, character_set_schema text, character_set_name text, character_repertoire text,
    form_of_use text, default_collate_catalog text, default_collate_schema text, default_collate_name text
) AS
SELECT 'UTF8' AS character_set_name, 'UCS' AS character_repertoire, 'UTF8' AS form_of_use;

-- Empty for good.
CREATE TABLE information_schema.administrable_role_authorizations (grantee text, role_name text, is_grantable text);
CREATE TABLE information_schema.attributes (
    udt_catalog text, udt_schema text, udt_name text, attribute_name text, ordinal_position integer,
    attribute_default text, is_nullable text, data_type text, character_maximum_length integer,
    character_octet_length integer, character_set_catalog text, character_set_schema text, character_set_name
    text, collation_catalog text, collation_schema text, collation_name text, numeric_precision integer,
    numeric_precision_radix integer, numeric_scale integer, datetime_precision integer, interval_type text,
    interval_precision integer, attribute_udt_catalog text, attribute_udt_schema text, attribute_udt_name text,
    scope_catalog text, scope_schema text, scope_name text, maximum_cardinality integer, dtd_identifier text,
    is_derived_reference_attribute text
);
CREATE TABLE information_schema.check_constraint_routine_usage (
    constraint_catalog text, constraint_schema text, constraint_name text, specific_catalog text, specific_schema
    text, specific_name text
);
CREATE TABLE information_schema.check_constraints (
    constraint_catalog text, constraint_schema text, constraint_name text, check_clause text
);
CREATE TABLE information_schema.collation_character_set_applicability (
    collation_catalog text, collation_schema text, collation_name text, character_set_catalog text,
    character_set_schema text, character_set_name text
);
CREATE TABLE information_schema.collations (
    collation_catalog text, collation_schema text, collation_name text, pad_attribute text
);
CREATE TABLE information_schema.column_column_usage (
    table_catalog text, table_schema text, table_name text, column_name text, dependent_column text
);
CREATE TABLE information_schema.column_domain_usage (
    domain_catalog text, domain_schema text, domain_name text, table_catalog text, table_schema text, table_name
    text, column_name text
);
CREATE TABLE information_schema.column_options (
    table_catalog text, table_schema text, table_name text, column_name text, option_name text, option_value text
);
CREATE TABLE information_schema.column_udt_usage (
    udt_catalog text, udt_schema text, udt_name text, table_catalog text, table_schema text, table_name text,
    column_name text
);
CREATE TABLE information_schema.constraint_table_usage (
    table_catalog text, table_schema text, table_name text, constraint_catalog text, constraint_schema text,
    constraint_name text
);
CREATE TABLE information_schema.data_type_privileges (
    object_catalog text, object_schema text, object_name text, object_type text, dtd_identifier text
);
CREATE TABLE information_schema.domain_constraints (
    constraint_catalog text, constraint_schema text, constraint_name text, domain_catalog text, domain_schema
    text, domain_name text, is_deferrable text, initially_deferred text
);
CREATE TABLE information_schema.domain_udt_usage (
    udt_catalog text, udt_schema text, udt_name text, domain_catalog text, domain_schema text, domain_name text
);
CREATE TABLE information_schema.domains (
    domain_catalog text, domain_schema text, domain_name text, data_type text, character_maximum_length integer,
    character_octet_length integer, character_set_catalog text, character_set_schema text, character_set_name
    text, collation_catalog text, collation_schema text, collation_name text, numeric_precision integer,
    numeric_precision_radix integer, numeric_scale integer, datetime_precision integer, interval_type text,
    interval_precision integer, domain_default text, udt_catalog text, udt_schema text, udt_name text,
    scope_catalog text, scope_schema text, scope_name text, maximum_cardinality integer, dtd_identifier text
);
CREATE TABLE information_schema.foreign_data_wrapper_options (
    foreign_data_wrapper_catalog text, foreign_data_wrapper_name text, option_name text, option_value text
);
CREATE TABLE information_schema.foreign_data_wrappers (
    foreign_data_wrapper_catalog text, foreign_data_wrapper_name text, authorization_identifier text, library_name
    text, foreign_data_wrapper_language text
);
CREATE TABLE information_schema.foreign_server_options (
    foreign_server_catalog text, foreign_server_name text, option_name text, option_value text
);
CREATE TABLE information_schema.foreign_servers (
    foreign_server_catalog text, foreign_server_name text, foreign_data_wrapper_catalog text,
    foreign_data_wrapper_name text, foreign_server_type text, foreign_server_version text,
    authorization_identifier text
);
CREATE TABLE information_schema.foreign_table_options (
    foreign_table_catalog text, foreign_table_schema text, foreign_table_name text, option_name text, option_value
    text
);
CREATE TABLE information_schema.foreign_tables (
    foreign_table_catalog text, foreign_table_schema text, foreign_table_name text, foreign_server_catalog text,
    foreign_server_name text
);
CREATE TABLE information_schema.parameters (
    specific_catalog text, specific_schema text, specific_name text, ordinal_position integer, parameter_mode
    text, is_result text, as_locator text, parameter_name text, data_type text, character_maximum_length integer,
    character_octet_length integer, character_set_catalog text, character_set_schema text, character_set_name
    text, collation_catalog text, collation_schema text, collation_name text, numeric_precision integer,
    numeric_precision_radix integer, numeric_scale integer, datetime_precision integer, interval_type text,
    interval_precision integer, udt_catalog text, udt_schema text, udt_name text, scope_catalog text, scope_schema
    text, scope_name text, maximum_cardinality integer, dtd_identifier text, parameter_default text
);
CREATE TABLE information_schema.role_routine_grants (
    grantor text, grantee text, specific_catalog text, specific_schema text, specific_name text, routine_catalog
    text, routine_schema text, routine_name text, privilege_type text, is_grantable text
);
CREATE TABLE information_schema.role_udt_grants (
    grantor text, grantee text, udt_catalog text, udt_schema text, udt_name text, privilege_type text,
    is_grantable text
);
CREATE TABLE information_schema.role_usage_grants (
    grantor text, grantee text, object_catalog text, object_schema text, object_name text, object_type text,
    privilege_type text, is_grantable text
);
CREATE TABLE information_schema.routine_column_usage (
    specific_catalog text, specific_schema text, specific_name text, routine_catalog text, routine_schema text,
    routine_name text, table_catalog text, table_schema text, table_name text, column_name text
);
CREATE TABLE information_schema.routine_privileges (
    grantor text, grantee text, specific_catalog text, specific_schema text, specific_name text, routine_catalog
    text, routine_schema text, routine_name text, privilege_type text, is_grantable text
);
CREATE TABLE information_schema.routine_routine_usage (
    specific_catalog text, specific_schema text, specific_name text, routine_catalog text, routine_schema text,
    routine_name text
);
CREATE TABLE information_schema.routine_sequence_usage (
    specific_catalog text, specific_schema text, specific_name text, routine_catalog text, routine_schema text,
    routine_name text, sequence_catalog text, sequence_schema text, sequence_name text
);
CREATE TABLE information_schema.routine_table_usage (
    specific_catalog text, specific_schema text, specific_name text, routine_catalog text, routine_schema text,
    routine_name text, table_catalog text, table_schema text, table_name text
);
CREATE TABLE information_schema.sequences (
    sequence_catalog text, sequence_schema text, sequence_name text, data_type text, numeric_precision integer,
    numeric_precision_radix integer, numeric_scale integer, start_value text, minimum_value text, maximum_value
    text, increment text, cycle_option text
);
CREATE TABLE information_schema.transforms (
    udt_catalog text, udt_schema text, udt_name text, specific_catalog text, specific_schema text, specific_name
    text, group_name text, transform_type text
);
CREATE TABLE information_schema.triggered_update_columns (
    trigger_catalog text, trigger_schema text, trigger_name text, event_object_catalog text, event_object_schema
    text, event_object_table text, event_object_column text
);
CREATE TABLE information_schema.triggers (
    trigger_catalog text, trigger_schema text, trigger_name text, event_manipulation text, event_object_catalog
    text, event_object_schema text, event_object_table text, action_order integer, action_condition text,
    action_statement text, action_orientation text, action_timing text, action_reference_old_table text,
    action_reference_new_table text, action_reference_old_row text, action_reference_new_row text, created
    timestamptz
);
CREATE TABLE information_schema.udt_privileges (
    grantor text, grantee text, udt_catalog text, udt_schema text, udt_name text, privilege_type text,
    is_grantable text
);
CREATE TABLE information_schema.usage_privileges (
    grantor text, grantee text, object_catalog text, object_schema text, object_name text, object_type text,
    privilege_type text, is_grantable text
);
CREATE TABLE information_schema.user_defined_types (
    user_defined_type_catalog text, user_defined_type_schema text, user_defined_type_name text,
    user_defined_type_category text, is_instantiable text, is_final text, ordering_form text, ordering_category
    text, ordering_routine_catalog text, ordering_routine_schema text, ordering_routine_name text, reference_type
    text, data_type text, character_maximum_length integer, character_octet_length integer, character_set_catalog
    text, character_set_schema text, character_set_name text, collation_catalog text, collation_schema text,
    collation_name text, numeric_precision integer, numeric_precision_radix integer, numeric_scale integer,
    datetime_precision integer, interval_type text, interval_precision integer, source_dtd_identifier text,
    ref_dtd_identifier text
);
CREATE TABLE information_schema.user_mapping_options (
    authorization_identifier text, foreign_server_catalog text, foreign_server_name text, option_name text,
    option_value text
);
CREATE TABLE information_schema.user_mappings (
    authorization_identifier text, foreign_server_catalog text, foreign_server_name text
);
CREATE TABLE information_schema.view_column_usage (
    view_catalog text, view_schema text, view_name text, table_catalog text, table_schema text, table_name text,
    column_name text
);
CREATE TABLE information_schema.view_routine_usage (
    table_catalog text, table_schema text, table_name text, specific_catalog text, specific_schema text,
    specific_name text
);
CREATE TABLE information_schema.view_table_usage (
    view_catalog text, view_schema text, view_name text, table_catalog text, table_schema text, table_name text
);
