load 'auto_explain';
load '$libdir/plugins/no_such';
set auto_explain.log_min_duration = 5;
show auto_explain.log_min_duration;
