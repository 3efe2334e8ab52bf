# A setting of two halves, of which a client may give one. pgjdbc gives ISO at its start.
set datestyle = 'ISO, DMY'
select '1{n}/08/2024'::date::text
set datestyle = 'ISO, MDY'
select '1{n}/08/2024'::date::text as behind_it
set datestyle = 'YMD'
show datestyle
begin
set datestyle = 'MDY'
select '0{n}/08/2024'::date::text as in_a_transaction
rollback
show datestyle
set datestyle = 'ISO, MDY'
