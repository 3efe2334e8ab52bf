-- startup: options=-c work_mem=5MB -c datestyle=German
-- startup: TimeZone=Asia/Tokyo
-- startup: application_name=corpus
set work_mem = '6MB';
reset work_mem;
show work_mem;
set datestyle = 'ISO';
set datestyle to default;
select date '2000-01-02';
set time zone 'UTC';
set time zone default;
show timezone;
set application_name = 'x';
reset all;
show application_name;
show work_mem;
set time zone 'UTC';
discard all;
show timezone;
show datestyle;
