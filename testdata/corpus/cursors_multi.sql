begin; declare c cursor for select g from generate_series(1, 5) g; fetch 2 from c;
fetch 1 from c; fetch 1 from c;
commit; select 1;
begin; declare c cursor for select 1; fetch c; close c; fetch c; commit;
rollback;
begin; declare c cursor for select 1; commit; begin; fetch c;
rollback;
