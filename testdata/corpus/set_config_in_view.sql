create view v as select set_config('app.v', 'by a view', false) as x;
select * from v;
show app.v;
