-- Semicolons in strings and names end no statement.
prepare p as select 'a;b' as t;
execute p;
prepare q (text) as select $1 || ';' as t;
execute q ('c;d');
prepare "r;s" as select 1 as n;
execute "r;s";
explain (costs off) execute q ('e;f');
deallocate "r;s";
execute "r;s";
deallocate p;
prepare p as select $$g;h$$ as t;
execute p /* ; */;
begin;
execute q ('i;');
commit;
execute q (E'j\';');
