-- startup: TimeZone=Europe/Rome
-- startup: DateStyle=German
show timezone;
select timestamptz '2020-07-01 12:00:00+00';
begin;
set local timezone = 'UTC';
select timestamptz '2020-07-01 12:00:00+00';
commit;
select timestamptz '2020-07-01 12:00:00+00';
set timezone = 'Asia/Tokyo';
select timestamptz '2020-07-01 12:00:00+00';
