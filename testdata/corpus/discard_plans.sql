discard plans;
prepare p as select 1;
discard plans;
execute p;
deallocate p;
