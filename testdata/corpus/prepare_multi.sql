prepare p as select 1; execute p; deallocate p;
prepare p as select 2; execute p;
execute p; deallocate p;
execute p;
begin; prepare q as select 3; execute q; commit; execute q;
begin; execute q; deallocate q; rollback; execute q;
deallocate all; select 1;
