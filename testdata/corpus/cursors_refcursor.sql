create function opens() returns refcursor language plpgsql as $$ declare c refcursor := 'mine'; begin open c for select g from generate_series(1, 3) g; return c; end $$;
begin;
select opens();
fetch 2 from mine;
fetch all in "mine";
commit;
fetch 1 from mine;
create function loops() returns int language plpgsql as $$
declare c cursor (n int) for select g from generate_series(1, n) g; s int := 0;
begin
  for r in c (4) loop s := s + r.g; end loop;
  return s;
end $$;
select loops();
