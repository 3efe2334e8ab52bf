begin;
select pg_current_xact_id_if_assigned() is null;
create table t (a int);
select pg_current_xact_id_if_assigned() is null;
select xmin = pg_current_xact_id()::xid from pg_class where relname = 't';
select pg_xact_status(pg_current_xact_id());
commit;
select age(xmin) > 0 from pg_class where relname = 't';
insert into t values (1) returning xmax, cmin, tableoid::regclass, ctid;
