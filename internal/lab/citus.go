package lab

// PlayCitus makes the catalog of Citus that tells nodes apart, in the database that it is run in
// by a superuser: what Citus' own SQL does (sql/citus--7.5-6--7.5-7.sql and later), without the
// triggers that tell its backends of changes. The settings that Citus brings are those of any
// extension: SET citus.node_conninfo works on a PostgreSQL without it.
const PlayCitus = `
set allow_system_table_mods = on;
create type pg_catalog.noderole as enum ('primary', 'secondary', 'unavailable');
create table pg_catalog.pg_dist_node (
	nodeid int primary key, groupid int not null unique, nodename text not null, nodeport int not null default 5432,
	noderack text not null default 'default', hasmetadata bool not null default true, isactive bool not null default true,
	noderole noderole not null default 'primary', nodecluster name not null default 'default',
	metadatasynced bool not null default true, shouldhaveshards bool not null default true);
create table pg_catalog.pg_dist_poolinfo (
	nodeid int primary key references pg_catalog.pg_dist_node (nodeid) on delete cascade, poolinfo text not null);
grant select on pg_catalog.pg_dist_node, pg_catalog.pg_dist_poolinfo to public;
reset allow_system_table_mods`
