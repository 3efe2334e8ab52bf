-- user: postgres
create role corpus_temp;
grant corpus_temp to app;
set role corpus_temp;
select current_user;
reset role;
drop role corpus_temp;
set role corpus_temp;
select current_user;
create role "Odd Role";
set role "Odd Role";
select current_user;
show role;
reset role;
drop role "Odd Role";
