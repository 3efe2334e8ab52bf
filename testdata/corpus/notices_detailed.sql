do $$ begin raise notice using message = 'm', detail = 'd', hint = 'h', errcode = '01ABC', schema = 's', table = 't', column = 'c', constraint = 'k', datatype = 'y'; end $$;
do $$ begin raise exception using message = 'm', detail = 'd', hint = 'h', errcode = 'P1234', table = 't'; end $$;
do $$ begin raise division_by_zero; end $$;
do $$ begin raise sqlstate '22012' using message = 'mine'; end $$;
do $$ begin raise exception 'no such parameter %', 1, 2; end $$;
do $$ begin assert 1 = 2, 'not so'; end $$;
do $$ begin for i in 1..30 loop raise notice 'line % %', i, repeat('x', 100); end loop; end $$;
