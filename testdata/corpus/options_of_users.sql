-- startup: options=-c search_path=one,public -c role=low
select current_user, session_user;
show search_path;
show role;
reset role;
select 1;
