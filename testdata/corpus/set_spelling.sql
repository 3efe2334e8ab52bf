SET WORK_MEM = '5MB';
show work_mem;
/* first a comment */ set work_mem = '6MB';
show work_mem;
  -- one line
  set
    work_mem
    to
    '7MB';
show work_mem;
SeT wOrK_mEm To '8MB';
show work_mem;
set "work_mem" = '9MB';
show work_mem;
set work_mem = 10240;
show work_mem;
set work_mem = '0x2000';
show work_mem;
set/**/work_mem/**/=/**/'12MB';
show work_mem;
