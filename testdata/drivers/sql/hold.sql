# A cursor that outlives its transaction.
begin
declare held cursor with hold for select i, t from mine order by i
fetch 2 from held
commit
fetch 3 from held
select 'between'
fetch 100 from held
close held
fetch 1 from held
begin
declare short cursor for select i from mine order by i
fetch 3 from short
move 2 in short
fetch 1 from short
commit
fetch 1 from short
