create function sets() returns void language plpgsql as $$ begin set work_mem = '7MB'; end $$;
select sets();
show work_mem;
show work_mem;
reset work_mem;
show work_mem;
