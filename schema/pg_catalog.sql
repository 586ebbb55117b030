-- PostgreSQL's catalog for the clients of `syntrace serve`. Names and types of the columns are those of PostgreSQL's
-- manual (chapters 53 and 54). A table with AS is filled by its query when a client first asks for it; one without is
-- empty for good: a study has no indexes, triggers, policies, extensions and the like. Columns that a
-- query does not name are NULL. Queries may read each other, and what the program knows of itself: syntrace.schemas,
-- relations, columns,
-- keys, key_columns, functions, settings and keywords.

-- Schemas: public has the tables and views, queries the named queries; of several studies each has one of its own.
CREATE TABLE pg_namespace (oid oid, nspname name, nspowner oid, nspacl aclitem[]) AS
SELECT oid, name AS nspname, 10 AS nspowner FROM syntrace.schemas;

-- Tables and views.
CREATE TABLE pg_class (
    oid oid, relname name, relnamespace oid, reltype oid, reloftype oid, relowner oid, relam oid, relfilenode oid,
    reltablespace oid, relpages integer, reltuples real, relallvisible integer, reltoastrelid oid, relhasindex
    boolean, relisshared boolean, relpersistence "char", relkind "char", relnatts smallint, relchecks smallint,
    relhasrules boolean, relhastriggers boolean, relhassubclass boolean, relrowsecurity boolean,
    relforcerowsecurity boolean, relispopulated boolean, relreplident "char", relispartition boolean, relrewrite
    oid, relfrozenxid xid, relminmxid xid, relacl aclitem[], reloptions text[], relpartbound pg_node_tree
) AS
SELECT
    oid, name AS relname, schema_oid AS relnamespace, 0 AS reltype, 0 AS reloftype, 10 AS relowner,
    CASE WHEN kind = 'r' THEN 2 ELSE 0 END AS relam, 0 AS relfilenode, 0 AS reltablespace, 0 AS relpages,
    -1 AS reltuples, 0 AS relallvisible, 0 AS reltoastrelid, false AS relhasindex, false AS relisshared,
    'p' AS relpersistence, kind AS relkind, columns AS relnatts, 0 AS relchecks, false AS relhasrules,
    refers AS relhastriggers, false AS relhassubclass, false AS relrowsecurity, false AS relforcerowsecurity,
    true AS relispopulated, 'd' AS relreplident, false AS relispartition, 0 AS relrewrite, 0 AS relfrozenxid,
    0 AS relminmxid
FROM syntrace.relations;

-- Columns.
CREATE TABLE pg_attribute (
    attrelid oid, attname name, atttypid oid, attstattarget integer, attlen smallint, attnum smallint, attndims
    integer, attcacheoff integer, atttypmod integer, attbyval boolean, attalign "char", attstorage "char",
    attcompression "char", attnotnull boolean, atthasdef boolean, atthasmissing boolean, attidentity "char",
    attgenerated "char", attisdropped boolean, attislocal boolean, attinhcount integer, attcollation oid, attacl
    aclitem[], attoptions text[], attfdwoptions text[], attmissingval text
) AS
SELECT
    relation AS attrelid, name AS attname, type AS atttypid, -1 AS attstattarget, typlen AS attlen, number AS attnum,
    dimensions AS attndims, -1 AS attcacheoff, -1 AS atttypmod, typbyval AS attbyval, typalign AS attalign,
    typstorage AS attstorage, '' AS attcompression, NOT nullable AS attnotnull, false AS atthasdef,
    false AS atthasmissing, '' AS attidentity, '' AS attgenerated, false AS attisdropped, true AS attislocal,
    0 AS attinhcount, 0 AS attcollation
FROM syntrace.columns
JOIN pg_type ON pg_type.oid = columns.type;

-- Types: those that values here can have, and those that PostgreSQL's own tables have.
CREATE TABLE pg_type (
    oid oid, typname name, typnamespace oid, typowner oid, typlen smallint, typbyval boolean, typtype "char",
    typcategory "char", typispreferred boolean, typisdefined boolean, typdelim "char", typrelid oid, typsubscript
    regproc, typelem oid, typarray oid, typinput regproc, typoutput regproc, typreceive regproc, typsend regproc,
    typmodin regproc, typmodout regproc, typanalyze regproc, typalign "char", typstorage "char", typnotnull
    boolean, typbasetype oid, typtypmod integer, typndims integer, typcollation oid, typdefaultbin pg_node_tree,
    typdefault text, typacl aclitem[]
) AS
SELECT
    oid, name AS typname, 11 AS typnamespace, 10 AS typowner, length AS typlen, by_value AS typbyval, 'b' AS typtype,
    category AS typcategory, preferred AS typispreferred, true AS typisdefined, ',' AS typdelim, 0 AS typrelid,
    0 AS typsubscript, element AS typelem, array_type AS typarray, input AS typinput, output AS typoutput,
    receive AS typreceive, send AS typsend, 0 AS typmodin, 0 AS typmodout, 0 AS typanalyze, align AS typalign,
    storage AS typstorage, false AS typnotnull, 0 AS typbasetype, -1 AS typtypmod, 0 AS typndims, 0 AS typcollation
FROM (VALUES
    (16, 'bool', 1, true, 'B', true, 0, 1000, 1242, 1243, 2436, 2437, 'c', 'p'),
    (17, 'bytea', -1, false, 'U', false, 0, 1001, 1244, 31, 2412, 2413, 'i', 'x'),
    (18, 'char', 1, true, 'Z', false, 0, 1002, 1245, 33, 2434, 2435, 'c', 'p'),
    (19, 'name', 64, false, 'S', false, 18, 1003, 34, 35, 2422, 2423, 'c', 'p'),
    (20, 'int8', 8, true, 'N', false, 0, 1016, 460, 461, 2408, 2409, 'd', 'p'),
    (21, 'int2', 2, true, 'N', false, 0, 1005, 38, 39, 2404, 2405, 's', 'p'),
    (22, 'int2vector', -1, false, 'A', false, 21, 1006, 40, 41, 2410, 2411, 'i', 'p'),
    (23, 'int4', 4, true, 'N', false, 0, 1007, 42, 43, 2406, 2407, 'i', 'p'),
    (24, 'regproc', 4, true, 'N', false, 0, 1008, 44, 45, 2444, 2445, 'i', 'p'),
    (25, 'text', -1, false, 'S', true, 0, 1009, 46, 47, 2414, 2415, 'i', 'x'),
    (26, 'oid', 4, true, 'N', true, 0, 1028, 1798, 1799, 2418, 2419, 'i', 'p'),
    (27, 'tid', 6, false, 'U', false, 0, 1010, 48, 49, 2438, 2439, 's', 'p'),
    (28, 'xid', 4, true, 'U', false, 0, 1011, 50, 51, 2440, 2441, 'i', 'p'),
    (29, 'cid', 4, true, 'U', false, 0, 1012, 52, 53, 2442, 2443, 'i', 'p'),
    (30, 'oidvector', -1, false, 'A', false, 26, 1013, 54, 55, 2420, 2421, 'i', 'p'),
    (114, 'json', -1, false, 'U', false, 0, 199, 321, 322, 323, 324, 'i', 'x'),
    (194, 'pg_node_tree', -1, false, 'Z', false, 0, 0, 195, 196, 197, 198, 'i', 'x'),
    (199, '_json', -1, false, 'A', false, 114, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (271, '_xid8', -1, false, 'A', false, 5069, 0, 750, 751, 2400, 2401, 'd', 'x'),
    (600, 'point', 16, false, 'G', false, 701, 1017, 117, 118, 2428, 2429, 'd', 'p'),
    (650, 'cidr', -1, false, 'I', false, 0, 651, 1267, 1427, 2498, 2499, 'i', 'm'),
    (651, '_cidr', -1, false, 'A', false, 650, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (700, 'float4', 4, true, 'N', false, 0, 1021, 200, 201, 2424, 2425, 'i', 'p'),
    (701, 'float8', 8, true, 'N', true, 0, 1022, 214, 215, 2426, 2427, 'd', 'p'),
    (829, 'macaddr', 6, false, 'U', false, 0, 1040, 436, 437, 2494, 2495, 'i', 'p'),
    (869, 'inet', -1, false, 'I', true, 0, 1041, 910, 911, 2496, 2497, 'i', 'm'),
    (1000, '_bool', -1, false, 'A', false, 16, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1001, '_bytea', -1, false, 'A', false, 17, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1002, '_char', -1, false, 'A', false, 18, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1003, '_name', -1, false, 'A', false, 19, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1005, '_int2', -1, false, 'A', false, 21, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1007, '_int4', -1, false, 'A', false, 23, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1008, '_regproc', -1, false, 'A', false, 24, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1009, '_text', -1, false, 'A', false, 25, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1010, '_tid', -1, false, 'A', false, 27, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1011, '_xid', -1, false, 'A', false, 28, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1012, '_cid', -1, false, 'A', false, 29, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1014, '_bpchar', -1, false, 'A', false, 1042, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1015, '_varchar', -1, false, 'A', false, 1043, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1016, '_int8', -1, false, 'A', false, 20, 0, 750, 751, 2400, 2401, 'd', 'x'),
    (1021, '_float4', -1, false, 'A', false, 700, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1022, '_float8', -1, false, 'A', false, 701, 0, 750, 751, 2400, 2401, 'd', 'x'),
    (1028, '_oid', -1, false, 'A', false, 26, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1033, 'aclitem', 12, false, 'U', false, 0, 1034, 1031, 1032, 0, 0, 'i', 'p'),
    (1034, '_aclitem', -1, false, 'A', false, 1033, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1040, '_macaddr', -1, false, 'A', false, 829, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1041, '_inet', -1, false, 'A', false, 869, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1042, 'bpchar', -1, false, 'S', false, 0, 1014, 1044, 1045, 2430, 2431, 'i', 'x'),
    (1043, 'varchar', -1, false, 'S', false, 0, 1015, 1046, 1047, 2432, 2433, 'i', 'x'),
    (1082, 'date', 4, true, 'D', false, 0, 1182, 1084, 1085, 2468, 2469, 'i', 'p'),
    (1083, 'time', 8, true, 'D', false, 0, 1183, 1143, 1144, 2470, 2471, 'd', 'p'),
    (1114, 'timestamp', 8, true, 'D', false, 0, 1115, 1312, 1313, 2474, 2475, 'd', 'p'),
    (1115, '_timestamp', -1, false, 'A', false, 1114, 0, 750, 751, 2400, 2401, 'd', 'x'),
    (1182, '_date', -1, false, 'A', false, 1082, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1183, '_time', -1, false, 'A', false, 1083, 0, 750, 751, 2400, 2401, 'd', 'x'),
    (1184, 'timestamptz', 8, true, 'D', true, 0, 1185, 1150, 1151, 2476, 2477, 'd', 'p'),
    (1185, '_timestamptz', -1, false, 'A', false, 1184, 0, 750, 751, 2400, 2401, 'd', 'x'),
    (1186, 'interval', 16, false, 'T', true, 0, 1187, 1160, 1161, 2478, 2479, 'd', 'p'),
    (1187, '_interval', -1, false, 'A', false, 1186, 0, 750, 751, 2400, 2401, 'd', 'x'),
    (1231, '_numeric', -1, false, 'A', false, 1700, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1266, 'timetz', 12, false, 'D', false, 0, 1270, 1350, 1351, 2472, 2473, 'd', 'p'),
    (1270, '_timetz', -1, false, 'A', false, 1266, 0, 750, 751, 2400, 2401, 'd', 'x'),
    (1560, 'bit', -1, false, 'V', false, 0, 1561, 1564, 1565, 2456, 2457, 'i', 'x'),
    (1561, '_bit', -1, false, 'A', false, 1560, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1562, 'varbit', -1, false, 'V', true, 0, 1563, 1579, 1580, 2458, 2459, 'i', 'x'),
    (1563, '_varbit', -1, false, 'A', false, 1562, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (1700, 'numeric', -1, false, 'N', false, 0, 1231, 1701, 1702, 2460, 2461, 'i', 'm'),
    (2202, 'regprocedure', 4, true, 'N', false, 0, 2207, 2212, 2213, 2446, 2447, 'i', 'p'),
    (2203, 'regoper', 4, true, 'N', false, 0, 2208, 2214, 2215, 2448, 2449, 'i', 'p'),
    (2204, 'regoperator', 4, true, 'N', false, 0, 2209, 2216, 2217, 2450, 2451, 'i', 'p'),
    (2205, 'regclass', 4, true, 'N', false, 0, 2210, 2218, 2219, 2452, 2453, 'i', 'p'),
    (2206, 'regtype', 4, true, 'N', false, 0, 2211, 2220, 2221, 2454, 2455, 'i', 'p'),
    (2207, '_regprocedure', -1, false, 'A', false, 2202, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (2208, '_regoper', -1, false, 'A', false, 2203, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (2209, '_regoperator', -1, false, 'A', false, 2204, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (2210, '_regclass', -1, false, 'A', false, 2205, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (2211, '_regtype', -1, false, 'A', false, 2206, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (2950, 'uuid', 16, false, 'U', false, 0, 2951, 2952, 2953, 2961, 2962, 'c', 'p'),
    (2951, '_uuid', -1, false, 'A', false, 2950, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (3220, 'pg_lsn', 8, true, 'U', false, 0, 3221, 3229, 3230, 3238, 3239, 'd', 'p'),
    (3802, 'jsonb', -1, false, 'U', false, 0, 3807, 3806, 3804, 3805, 3803, 'i', 'x'),
    (3807, '_jsonb', -1, false, 'A', false, 3802, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (3905, '_int4range', -1, false, 'A', false, 3904, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (3907, '_numrange', -1, false, 'A', false, 3906, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (3909, '_tsrange', -1, false, 'A', false, 3908, 0, 750, 751, 2400, 2401, 'd', 'x'),
    (3911, '_tstzrange', -1, false, 'A', false, 3910, 0, 750, 751, 2400, 2401, 'd', 'x'),
    (3913, '_daterange', -1, false, 'A', false, 3912, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (3927, '_int8range', -1, false, 'A', false, 3926, 0, 750, 751, 2400, 2401, 'd', 'x'),
    (4089, 'regnamespace', 4, true, 'N', false, 0, 4090, 4084, 4085, 4087, 4088, 'i', 'p'),
    (4090, '_regnamespace', -1, false, 'A', false, 4089, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (5069, 'xid8', 8, true, 'U', false, 0, 271, 5070, 5081, 5082, 5083, 'd', 'p'),
    (6150, '_int4multirange', -1, false, 'A', false, 4451, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (6151, '_nummultirange', -1, false, 'A', false, 4532, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (6152, '_tsmultirange', -1, false, 'A', false, 4533, 0, 750, 751, 2400, 2401, 'd', 'x'),
    (6153, '_tstzmultirange', -1, false, 'A', false, 4534, 0, 750, 751, 2400, 2401, 'd', 'x'),
    (6155, '_datemultirange', -1, false, 'A', false, 4535, 0, 750, 751, 2400, 2401, 'i', 'x'),
    (6157, '_int8multirange', -1, false, 'A', false, 4536, 0, 750, 751, 2400, 2401, 'd', 'x')
) AS types (
    oid, name, length, by_value, category, preferred, element, array_type, input, output, receive, send, align, storage
);

-- Functions: those of this program in public, named queries among them; the others in pg_catalog.
CREATE TABLE pg_proc (
    oid oid, proname name, pronamespace oid, proowner oid, prolang oid, procost real, prorows real, provariadic
    oid, prosupport regproc, prokind "char", prosecdef boolean, proleakproof boolean, proisstrict boolean,
    proretset boolean, provolatile "char", proparallel "char", pronargs smallint, pronargdefaults smallint,
    prorettype oid, proargtypes oidvector, proallargtypes oid[], proargmodes "char"[], proargnames text[],
    proargdefaults pg_node_tree, protrftypes oid[], prosrc text, probin text, prosqlbody pg_node_tree, proconfig
    text[], proacl aclitem[]
) AS
SELECT
    oid, name AS proname, schema_oid AS pronamespace, 10 AS proowner,
    CASE WHEN returns_set THEN 14 ELSE 12 END AS prolang, 1 AS procost,
    CASE WHEN returns_set THEN 1000 ELSE 0 END AS prorows, 0 AS provariadic, 0 AS prosupport, kind AS prokind,
    false AS prosecdef, false AS proleakproof, false AS proisstrict, returns_set AS proretset, 's' AS provolatile,
    's' AS proparallel, arguments AS pronargs, defaults AS pronargdefaults, result_type AS prorettype, name AS prosrc
FROM syntrace.functions;

-- Comments of schema/tables.sql, schema/views.sql and queries/.
CREATE TABLE pg_description (objoid oid, classoid oid, objsubid integer, description text) AS
SELECT oid AS objoid, 1259 AS classoid, 0 AS objsubid, comment AS description
FROM syntrace.relations WHERE comment IS NOT NULL
UNION ALL
SELECT relation, 1259, number, comment FROM syntrace.columns WHERE comment IS NOT NULL
UNION ALL
SELECT oid, 1255, 0, comment FROM syntrace.functions WHERE comment IS NOT NULL
UNION ALL
SELECT oid, 2615, 0, comment FROM syntrace.schemas WHERE comment IS NOT NULL;

-- Keys: nothing enforces them, ids are hashes of what they depend on.
CREATE TABLE pg_constraint (
    oid oid, conname name, connamespace oid, contype "char", condeferrable boolean, condeferred boolean,
    convalidated boolean, conrelid oid, contypid oid, conindid oid, conparentid oid, confrelid oid, confupdtype
    "char", confdeltype "char", confmatchtype "char", conislocal boolean, coninhcount integer, connoinherit
    boolean, conkey smallint[], confkey smallint[], conpfeqop oid[], conppeqop oid[], conffeqop oid[],
    confdelsetcols smallint[], conexclop oid[], conbin pg_node_tree
) AS
SELECT
    oid, name AS conname, schema_oid AS connamespace, kind AS contype, false AS condeferrable, false AS condeferred,
    true AS convalidated, relation AS conrelid, 0 AS contypid, 0 AS conindid, 0 AS conparentid, target AS confrelid,
    CASE WHEN kind = 'f' THEN 'a' ELSE ' ' END AS confupdtype, CASE WHEN kind = 'f' THEN 'a' ELSE ' ' END AS confdeltype,
    CASE WHEN kind = 'f' THEN 's' ELSE ' ' END AS confmatchtype, true AS conislocal, 0 AS coninhcount,
    true AS connoinherit, columns AS conkey, target_columns AS confkey
FROM syntrace.keys;

-- The study is the one database.
CREATE TABLE pg_database (
    oid oid, datname name, datdba oid, encoding integer, datlocprovider "char", datistemplate boolean,
    datallowconn boolean, datconnlimit integer, datfrozenxid xid, datminmxid xid, dattablespace oid, datcollate
    text, datctype text, daticulocale text, daticurules text, datcollversion text, datacl aclitem[]
) AS
SELECT
    16384 AS oid, 'study' AS datname, 10 AS datdba, 6 AS encoding, 'c' AS datlocprovider, false AS datistemplate,
    true AS datallowconn, -1 AS datconnlimit, 0 AS datfrozenxid, 0 AS datminmxid, 1663 AS dattablespace,
    'C' AS datcollate, 'C' AS datctype;

-- Every client is the one role, whatever name it gave: it may read.
CREATE TABLE pg_roles (
    rolname name, rolsuper boolean, rolinherit boolean, rolcreaterole boolean, rolcreatedb boolean, rolcanlogin
    boolean, rolreplication boolean, rolconnlimit integer, rolpassword text, rolvaliduntil timestamptz,
    rolbypassrls boolean, rolconfig text[], oid oid
) AS
SELECT
    'reader' AS rolname, false AS rolsuper, true AS rolinherit, false AS rolcreaterole, false AS rolcreatedb,
    true AS rolcanlogin, false AS rolreplication, -1 AS rolconnlimit, false AS rolbypassrls, 10 AS oid;

CREATE TABLE pg_authid (
    oid oid, rolname name, rolsuper boolean, rolinherit boolean, rolcreaterole boolean, rolcreatedb boolean,
    rolcanlogin boolean, rolreplication boolean, rolbypassrls boolean, rolconnlimit integer, rolpassword text,
    rolvaliduntil timestamptz
) AS
SELECT
    10 AS oid, 'reader' AS rolname, false AS rolsuper, true AS rolinherit, false AS rolcreaterole,
    false AS rolcreatedb, true AS rolcanlogin, false AS rolreplication, false AS rolbypassrls, -1 AS rolconnlimit;

CREATE TABLE pg_user (
    usename name, usesysid oid, usecreatedb boolean, usesuper boolean, userepl boolean, usebypassrls boolean,
    passwd text, valuntil timestamptz, useconfig text[]
) AS
SELECT
    'reader' AS usename, 10 AS usesysid, false AS usecreatedb, false AS usesuper, false AS userepl,
    false AS usebypassrls;

CREATE TABLE pg_shadow (
    usename name, usesysid oid, usecreatedb boolean, usesuper boolean, userepl boolean, usebypassrls boolean,
    passwd text, valuntil timestamptz, useconfig text[]
) AS
SELECT
    'reader' AS usename, 10 AS usesysid, false AS usecreatedb, false AS usesuper, false AS userepl,
    false AS usebypassrls;

-- Settings where no client changed them.
CREATE TABLE pg_settings (
    name text, setting text, unit text, category text, short_desc text, extra_desc text, context text, vartype
    text, source text, min_val text, max_val text, enumvals text[], boot_val text, reset_val text, sourcefile
    text, sourceline integer, pending_restart boolean
) AS
SELECT
    name, value AS setting, 'Client' AS category, CASE WHEN settable THEN 'user' ELSE 'internal' END AS context,
    'string' AS vartype, 'default' AS source, value AS boot_val, value AS reset_val, false AS pending_restart
FROM syntrace.settings;

CREATE TABLE pg_am (oid oid, amname name, amhandler regproc, amtype "char") AS
SELECT 2 AS oid, 'heap' AS amname, 0 AS amhandler, 't' AS amtype UNION ALL SELECT 403, 'btree', 0, 'i';

CREATE TABLE pg_language (
    oid oid, lanname name, lanowner oid, lanispl boolean, lanpltrusted boolean, lanplcallfoid oid, laninline oid,
    lanvalidator oid, lanacl aclitem[]
) AS
SELECT 12 AS oid, 'internal' AS lanname, 10 AS lanowner, false AS lanispl, false AS lanpltrusted
UNION ALL
SELECT 14, 'sql', 10, false, true;

CREATE TABLE pg_tablespace (oid oid, spcname name, spcowner oid, spcacl aclitem[], spcoptions text[]) AS
SELECT 1663 AS oid, 'pg_default' AS spcname, 10 AS spcowner;

CREATE TABLE pg_shdescription (objoid oid, classoid oid, description text) AS
SELECT 16384 AS objoid, 1262 AS classoid, 'a study of synthetic network traffic, read-only' AS description;

CREATE TABLE pg_tables (
    schemaname name, tablename name, tableowner name, tablespace name, hasindexes boolean, hasrules boolean,
    hastriggers boolean, rowsecurity boolean
) AS
SELECT
    schema AS schemaname, name AS tablename, 'reader' AS tableowner, false AS hasindexes, false AS hasrules,
    false AS hastriggers, false AS rowsecurity
FROM syntrace.relations
WHERE kind = 'r';

CREATE TABLE pg_views (schemaname name, viewname name, viewowner name, definition text) AS
SELECT schema AS schemaname, name AS viewname, 'reader' AS viewowner, definition
FROM syntrace.relations
WHERE kind = 'v';

CREATE TABLE pg_stat_all_tables (
    relid oid, schemaname name, relname name, seq_scan bigint, seq_tup_read bigint, idx_scan bigint, idx_tup_fetch
    bigint, n_tup_ins bigint, n_tup_upd bigint, n_tup_del bigint, n_tup_hot_upd bigint, n_live_tup bigint,
    n_dead_tup bigint, n_mod_since_analyze bigint, n_ins_since_vacuum bigint, last_vacuum timestamptz,
    last_autovacuum timestamptz, last_analyze timestamptz, last_autoanalyze timestamptz, vacuum_count bigint,
    autovacuum_count bigint, analyze_count bigint, autoanalyze_count bigint
) AS
SELECT oid AS relid, schema AS schemaname, name AS relname
FROM syntrace.relations
WHERE kind = 'r';

CREATE TABLE pg_stat_user_tables (
    relid oid, schemaname name, relname name, seq_scan bigint, seq_tup_read bigint, idx_scan bigint, idx_tup_fetch
    bigint, n_tup_ins bigint, n_tup_upd bigint, n_tup_del bigint, n_tup_hot_upd bigint, n_live_tup bigint,
    n_dead_tup bigint, n_mod_since_analyze bigint, n_ins_since_vacuum bigint, last_vacuum timestamptz,
    last_autovacuum timestamptz, last_analyze timestamptz, last_autoanalyze timestamptz, vacuum_count bigint,
    autovacuum_count bigint, analyze_count bigint, autoanalyze_count bigint
) AS
SELECT oid AS relid, schema AS schemaname, name AS relname
FROM syntrace.relations
WHERE kind = 'r' AND schema NOT IN ('pg_catalog', 'information_schema');

CREATE TABLE pg_stat_database (
    datid oid, datname name, numbackends integer, xact_commit bigint, xact_rollback bigint, blks_read bigint,
    blks_hit bigint, tup_returned bigint, tup_fetched bigint, tup_inserted bigint, tup_updated bigint, tup_deleted
    bigint, conflicts bigint, temp_files bigint, temp_bytes bigint, deadlocks bigint, checksum_failures bigint,
    checksum_last_failure timestamptz, blk_read_time double precision, blk_write_time double precision,
    session_time double precision, active_time double precision, idle_in_transaction_time double precision,
    sessions bigint, sessions_abandoned bigint, sessions_fatal bigint, sessions_killed bigint, stats_reset
    timestamptz
) AS
SELECT 16384 AS datid, 'study' AS datname;

CREATE TABLE pg_get_keywords (word text, catcode "char", barelabel boolean, catdesc text, baredesc text) AS
SELECT word, code AS catcode, code <> 'R' AS barelabel, meaning AS catdesc FROM syntrace.keywords;

-- Empty for good. Functions that give rows are among them: aclexplode and the like.
CREATE TABLE pg_aggregate (
    aggfnoid regproc, aggkind "char", aggnumdirectargs smallint, aggtransfn regproc, aggfinalfn regproc,
    aggcombinefn regproc, aggserialfn regproc, aggdeserialfn regproc, aggmtransfn regproc, aggminvtransfn regproc,
    aggmfinalfn regproc, aggfinalextra boolean, aggmfinalextra boolean, aggfinalmodify "char", aggmfinalmodify
    "char", aggsortop oid, aggtranstype oid, aggtransspace integer, aggmtranstype oid, aggmtransspace integer,
    agginitval text, aggminitval text
);
CREATE TABLE pg_amop (
    oid oid, amopfamily oid, amoplefttype oid, amoprighttype oid, amopstrategy smallint, amoppurpose "char",
    amopopr oid, amopmethod oid, amopsortfamily oid
);
CREATE TABLE pg_amproc (
    oid oid, amprocfamily oid, amproclefttype oid, amprocrighttype oid, amprocnum smallint, amproc regproc
);
CREATE TABLE pg_attrdef (oid oid, adrelid oid, adnum smallint, adbin pg_node_tree);
CREATE TABLE pg_auth_members (
    oid oid, roleid oid, member oid, grantor oid, admin_option boolean, inherit_option boolean, set_option boolean
);
CREATE TABLE pg_available_extension_versions (
    name name, version text, installed boolean, superuser boolean, trusted boolean, relocatable boolean, schema
    name, requires name[], comment text
);
CREATE TABLE pg_available_extensions (name name, default_version text, installed_version text, comment text);
CREATE TABLE pg_cast (oid oid, castsource oid, casttarget oid, castfunc oid, castcontext "char", castmethod "char");
CREATE TABLE pg_collation (
    oid oid, collname name, collnamespace oid, collowner oid, collprovider "char", collisdeterministic boolean,
    collencoding integer, collcollate text, collctype text, colliculocale text, collicurules text, collversion
    text
);
CREATE TABLE pg_conversion (
    oid oid, conname name, connamespace oid, conowner oid, conforencoding integer, contoencoding integer, conproc
    regproc, condefault boolean
);
CREATE TABLE pg_cursors (
    name text, statement text, is_holdable boolean, is_binary boolean, is_scrollable boolean, creation_time
    timestamptz
);
CREATE TABLE pg_db_role_setting (setdatabase oid, setrole oid, setconfig text[]);
CREATE TABLE pg_default_acl (oid oid, defaclrole oid, defaclnamespace oid, defaclobjtype "char", defaclacl aclitem[]);
CREATE TABLE pg_depend (
    classid oid, objid oid, objsubid integer, refclassid oid, refobjid oid, refobjsubid integer, deptype "char"
);
CREATE TABLE pg_enum (oid oid, enumtypid oid, enumsortorder real, enumlabel name);
CREATE TABLE pg_event_trigger (
    oid oid, evtname name, evtevent name, evtowner oid, evtfoid oid, evtenabled "char", evttags text[]
);
CREATE TABLE pg_extension (
    oid oid, extname name, extowner oid, extnamespace oid, extrelocatable boolean, extversion text, extconfig
    oid[], extcondition text[]
);
CREATE TABLE pg_foreign_data_wrapper (
    oid oid, fdwname name, fdwowner oid, fdwhandler oid, fdwvalidator oid, fdwacl aclitem[], fdwoptions text[]
);
CREATE TABLE pg_foreign_server (
    oid oid, srvname name, srvowner oid, srvfdw oid, srvtype text, srvversion text, srvacl aclitem[], srvoptions
    text[]
);
CREATE TABLE pg_foreign_table (ftrelid oid, ftserver oid, ftoptions text[]);
CREATE TABLE pg_group (groname name, grosysid oid, grolist oid[]);
CREATE TABLE pg_index (
    indexrelid oid, indrelid oid, indnatts smallint, indnkeyatts smallint, indisunique boolean,
    indnullsnotdistinct boolean, indisprimary boolean, indisexclusion boolean, indimmediate boolean,
    indisclustered boolean, indisvalid boolean, indcheckxmin boolean, indisready boolean, indislive boolean,
    indisreplident boolean, indkey int2vector, indcollation oidvector, indclass oidvector, indoption int2vector,
    indexprs pg_node_tree, indpred pg_node_tree
);
CREATE TABLE pg_indexes (schemaname name, tablename name, indexname name, tablespace name, indexdef text);
CREATE TABLE pg_inherits (inhrelid oid, inhparent oid, inhseqno integer, inhdetachpending boolean);
CREATE TABLE pg_largeobject_metadata (oid oid, lomowner oid, lomacl aclitem[]);
CREATE TABLE pg_locks (
    locktype text, database oid, relation oid, page integer, tuple smallint, virtualxid text, transactionid xid,
    classid oid, objid oid, objsubid smallint, virtualtransaction text, pid integer, mode text, granted boolean,
    fastpath boolean, waitstart timestamptz
);
CREATE TABLE pg_matviews (
    schemaname name, matviewname name, matviewowner name, tablespace name, hasindexes boolean, ispopulated
    boolean, definition text
);
CREATE TABLE pg_opclass (
    oid oid, opcmethod oid, opcname name, opcnamespace oid, opcowner oid, opcfamily oid, opcintype oid, opcdefault
    boolean, opckeytype oid
);
CREATE TABLE pg_operator (
    oid oid, oprname name, oprnamespace oid, oprowner oid, oprkind "char", oprcanmerge boolean, oprcanhash
    boolean, oprleft oid, oprright oid, oprresult oid, oprcom oid, oprnegate oid, oprcode regproc, oprrest
    regproc, oprjoin regproc
);
CREATE TABLE pg_opfamily (oid oid, opfmethod oid, opfname name, opfnamespace oid, opfowner oid);
CREATE TABLE pg_partitioned_table (
    partrelid oid, partstrat "char", partnatts smallint, partdefid oid, partattrs int2vector, partclass oidvector,
    partcollation oidvector, partexprs pg_node_tree
);
CREATE TABLE pg_policies (
    schemaname name, tablename name, policyname name, permissive text, roles name[], cmd text, qual text,
    with_check text
);
CREATE TABLE pg_policy (
    oid oid, polname name, polrelid oid, polcmd "char", polpermissive boolean, polroles oid[], polqual
    pg_node_tree, polwithcheck pg_node_tree
);
CREATE TABLE pg_prepared_statements (
    name text, statement text, prepare_time timestamptz, parameter_types regtype[], from_sql boolean,
    generic_plans bigint, custom_plans bigint
);
CREATE TABLE pg_prepared_xacts (transaction xid, gid text, prepared timestamptz, owner name, database name);
CREATE TABLE pg_publication (
    oid oid, pubname name, pubowner oid, puballtables boolean, pubinsert boolean, pubupdate boolean, pubdelete
    boolean, pubtruncate boolean, pubviaroot boolean
);
CREATE TABLE pg_publication_namespace (oid oid, pnpubid oid, pnnspid oid);
CREATE TABLE pg_publication_rel (oid oid, prpubid oid, prrelid oid, prqual pg_node_tree, prattrs int2vector);
CREATE TABLE pg_publication_tables (pubname name, schemaname name, tablename name, attnames name[], rowfilter text);
CREATE TABLE pg_range (
    rngtypid oid, rngsubtype oid, rngmultitypid oid, rngcollation oid, rngsubopc oid, rngcanonical regproc,
    rngsubdiff regproc
);
CREATE TABLE pg_replication_slots (
    slot_name name, plugin name, slot_type text, datoid oid, database name, temporary boolean, active boolean,
    active_pid integer, xmin xid, catalog_xmin xid, restart_lsn pg_lsn, confirmed_flush_lsn pg_lsn, wal_status
    text, safe_wal_size bigint, two_phase boolean
);
CREATE TABLE pg_rewrite (
    oid oid, rulename name, ev_class oid, ev_type "char", ev_enabled "char", is_instead boolean, ev_qual
    pg_node_tree, ev_action pg_node_tree
);
CREATE TABLE pg_rules (schemaname name, tablename name, rulename name, definition text);
CREATE TABLE pg_seclabel (objoid oid, classoid oid, objsubid integer, provider text, label text);
CREATE TABLE pg_seclabels (
    objoid oid, classoid oid, objsubid integer, objtype text, objnamespace oid, objname text, provider text, label
    text
);
CREATE TABLE pg_sequence (
    seqrelid oid, seqtypid oid, seqstart bigint, seqincrement bigint, seqmax bigint, seqmin bigint, seqcache
    bigint, seqcycle boolean
);
CREATE TABLE pg_sequences (
    schemaname name, sequencename name, sequenceowner name, data_type regtype, start_value bigint, min_value
    bigint, max_value bigint, increment_by bigint, cycle boolean, cache_size bigint, last_value bigint
);
CREATE TABLE pg_shdepend (
    dbid oid, classid oid, objid oid, objsubid integer, refclassid oid, refobjid oid, deptype "char"
);
CREATE TABLE pg_stat_activity (
    datid oid, datname name, pid integer, leader_pid integer, usesysid oid, usename name, application_name text,
    client_addr inet, client_hostname text, client_port integer, backend_start timestamptz, xact_start
    timestamptz, query_start timestamptz, state_change timestamptz, wait_event_type text, wait_event text, state
    text, backend_xid xid, backend_xmin xid, query_id bigint, query text, backend_type text
);
CREATE TABLE pg_stat_all_indexes (
    relid oid, indexrelid oid, schemaname name, relname name, indexrelname name, idx_scan bigint, idx_tup_read
    bigint, idx_tup_fetch bigint
);
CREATE TABLE pg_stat_bgwriter (
    checkpoints_timed bigint, checkpoints_req bigint, checkpoint_write_time double precision, checkpoint_sync_time
    double precision, buffers_checkpoint bigint, buffers_clean bigint, maxwritten_clean bigint, buffers_backend
    bigint, buffers_backend_fsync bigint, buffers_alloc bigint, stats_reset timestamptz
);
CREATE TABLE pg_stat_database_conflicts (
    datid oid, datname name, confl_tablespace bigint, confl_lock bigint, confl_snapshot bigint, confl_bufferpin
    bigint, confl_deadlock bigint
);
CREATE TABLE pg_stat_gssapi (pid integer, gss_authenticated boolean, principal text, encrypted boolean);
CREATE TABLE pg_stat_replication (
    pid integer, usesysid oid, usename name, application_name text, client_addr inet, client_hostname text,
    client_port integer, backend_start timestamptz, backend_xmin xid, state text, sent_lsn pg_lsn, write_lsn
    pg_lsn, flush_lsn pg_lsn, replay_lsn pg_lsn, write_lag interval, flush_lag interval, replay_lag interval,
    sync_priority integer, sync_state text, reply_time timestamptz
);
CREATE TABLE pg_stat_ssl (
    pid integer, ssl boolean, version text, cipher text, bits integer, client_dn text, client_serial numeric,
    issuer_dn text
);
CREATE TABLE pg_stat_user_functions (
    funcid oid, schemaname name, funcname name, calls bigint, total_time double precision, self_time double
    precision
);
CREATE TABLE pg_stat_user_indexes (
    relid oid, indexrelid oid, schemaname name, relname name, indexrelname name, idx_scan bigint, idx_tup_read
    bigint, idx_tup_fetch bigint
);
CREATE TABLE pg_statistic (
    starelid oid, staattnum smallint, stainherit boolean, stanullfrac real, stawidth integer, stadistinct real,
    stakind1 smallint, stakind2 smallint, stakind3 smallint, stakind4 smallint, stakind5 smallint, staop1 oid,
    staop2 oid, staop3 oid, staop4 oid, staop5 oid, stacoll1 oid, stacoll2 oid, stacoll3 oid, stacoll4 oid,
    stacoll5 oid, stanumbers1 real[], stanumbers2 real[], stanumbers3 real[], stanumbers4 real[], stanumbers5
    real[], stavalues1 text, stavalues2 text, stavalues3 text, stavalues4 text, stavalues5 text
);
CREATE TABLE pg_statistic_ext (
    oid oid, stxrelid oid, stxname name, stxnamespace oid, stxowner oid, stxstattarget integer, stxkeys
    int2vector, stxkind "char"[], stxexprs pg_node_tree
);
CREATE TABLE pg_stats (
    schemaname name, tablename name, attname name, inherited boolean, null_frac real, avg_width integer,
    n_distinct real, most_common_vals text, most_common_freqs real[], histogram_bounds text, correlation real,
    most_common_elems text, most_common_elem_freqs real[], elem_count_histogram real[]
);
CREATE TABLE pg_subscription (
    oid oid, subdbid oid, subskiplsn pg_lsn, subname name, subowner oid, subenabled boolean, subbinary boolean,
    substream boolean, subtwophasestate "char", subdisableonerr boolean, subconninfo text, subslotname name,
    subsynccommit text, subpublications text[]
);
CREATE TABLE pg_subscription_rel (srsubid oid, srrelid oid, srsubstate "char", srsublsn pg_lsn);
CREATE TABLE pg_trigger (
    oid oid, tgrelid oid, tgparentid oid, tgname name, tgfoid oid, tgtype smallint, tgenabled "char", tgisinternal
    boolean, tgconstrrelid oid, tgconstrindid oid, tgconstraint oid, tgdeferrable boolean, tginitdeferred boolean,
    tgnargs smallint, tgattr int2vector, tgargs bytea, tgqual pg_node_tree, tgoldtable name, tgnewtable name
);
CREATE TABLE pg_ts_config (oid oid, cfgname name, cfgnamespace oid, cfgowner oid, cfgparser oid);
CREATE TABLE pg_ts_config_map (mapcfg oid, maptokentype integer, mapseqno integer, mapdict oid);
CREATE TABLE pg_ts_dict (
    oid oid, dictname name, dictnamespace oid, dictowner oid, dicttemplate oid, dictinitoption text
);
CREATE TABLE pg_ts_parser (
    oid oid, prsname name, prsnamespace oid, prsstart regproc, prstoken regproc, prsend regproc, prsheadline
    regproc, prslextype regproc
);
CREATE TABLE pg_ts_template (oid oid, tmplname name, tmplnamespace oid, tmplinit regproc, tmpllexize regproc);
CREATE TABLE pg_user_mapping (oid oid, umuser oid, umserver oid, umoptions text[]);
CREATE TABLE pg_user_mappings (umid oid, srvid oid, srvname name, umuser oid, usename name, umoptions text[]);
CREATE TABLE aclexplode (grantor oid, grantee oid, privilege_type text, is_grantable boolean);
CREATE TABLE pg_options_to_table (option_name text, option_value text);
CREATE TABLE pg_get_publication_tables (relid oid);
CREATE TABLE pg_partition_ancestors (relid oid);
CREATE TABLE pg_partition_tree (relid oid, parentrelid oid, isleaf boolean, level integer);
CREATE TABLE pg_lock_status (locktype text, pid integer);
CREATE TABLE pg_listening_channels (pg_listening_channels text);
