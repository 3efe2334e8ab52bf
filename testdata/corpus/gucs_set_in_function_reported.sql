create function sets() returns void language plpgsql as $$ begin set datestyle = 'German'; perform set_config('timezone', 'Asia/Tokyo', false); end $$;
select sets();
select date '2000-01-02', current_setting('timezone');
show datestyle;
begin;
set datestyle = 'ISO';
select sets();
rollback;
show datestyle;
