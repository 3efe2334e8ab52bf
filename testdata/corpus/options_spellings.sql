-- startup: options=-cwork_mem=5MB --maintenance-work-mem=6MB -c app.v=a\\b\ c -c enable_sort=off
show work_mem;
show maintenance_work_mem;
show app.v;
show enable_sort;
