select count(*) as rows, min(t) as first from mine \gset
\echo :rows :first
\set ON_ERROR_ROLLBACK on
begin;
insert into mine values (60, 'before an error');
select 1/0;
insert into mine values (61, 'behind it');
commit;
\set ON_ERROR_ROLLBACK off
select i, t from mine where i >= 60;
delete from mine where i >= 60;
\set AUTOCOMMIT off
insert into mine values (62, 'rolled back');
rollback;
select count(*) from mine;
commit;
\set AUTOCOMMIT on
\echo :SQLSTATE :ROW_COUNT
selec;
\echo :SQLSTATE :LAST_ERROR_MESSAGE
\encoding LATIN1
select convert_to('größer', 'UTF8') as utf8, pg_client_encoding();
\encoding UTF8
select 'größer';
\d mine
