-- user: postgres
load 'auto_explain';
set auto_explain.log_min_duration = -1;
show auto_explain.log_min_duration;
load 'no_such_library';
load '$libdir/plpgsql';
