create sequence s cache 10;
begin;
select nextval('s'), nextval('s');
commit;
select count(*) from (select nextval('s')) x;
select cache_size from pg_sequences where sequencename = 's';
