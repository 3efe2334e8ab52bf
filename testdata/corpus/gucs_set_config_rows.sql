select set_config('work_mem', w, false) from (values ('5MB'), ('6MB')) v(w);
show work_mem;
with c as (select set_config('datestyle', 'German', false)) select * from c;
select date '2001-02-03';
do $$ begin perform set_config('intervalstyle', 'sql_standard', false); end $$;
select interval '1 day 2 hours';
