set bytea_output = 'escape';
select '\x00414243ff'::bytea, 'abc\\def'::bytea;
set bytea_output = 'hex';
select '\x00414243ff'::bytea, 'a\000b'::bytea;
select encode('\x0102', 'base64'), decode('AQI=', 'base64'), encode('abc', 'hex');
begin; set local bytea_output = 'escape'; select '\xff'::bytea; commit;
select '\xff'::bytea;
select '\xf'::bytea;
