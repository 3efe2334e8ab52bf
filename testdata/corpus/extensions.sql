-- user: postgres
create extension pg_trgm;
select similarity('word', 'two words') > 0.3, show_trgm('ab');
set pg_trgm.similarity_threshold = 0.9;
select 'word' % 'two words';
show pg_trgm.similarity_threshold;
reset pg_trgm.similarity_threshold;
create extension pg_trgm;
create extension if not exists pg_trgm;
select extname from pg_extension order by 1;
alter extension pg_trgm update;
drop extension pg_trgm;
