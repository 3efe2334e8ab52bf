-- psql prepares the unnamed statement and describes it in its next request.
select i, t from mine where i <= 3 order by i \gdesc
select 1 as one, 'two' as two, now() as three \gdesc
begin;
select 1::numeric(10, 2) as money \gdesc
commit;
