select 'a'::char(3), 'a'::char(3) || 'b', 'abc'::varchar(2), 'abc'::name, 'x'::"char";
create table t (a varchar(3), b char(3));
insert into t values ('abcd', 'x');
insert into t values ('abc   ', 'x');
select a, b, length(a), length(b), octet_length(b) from t;
select upper('ä'), initcap('hello world'), lpad('x', 3, '-'), rpad('x', 3), trim(both 'x' from 'xxaxx'), reverse('abc');
select substring('abcdef' from 2 for 3), position('c' in 'abc'), overlay('abcdef' placing 'XX' from 2), split_part('a,b,c', ',', -1);
select E'\u00e9', U&'d\0061t\+000061', 'a' 'b', $x$dollar$x$, e'\x41';
select 'a'
 'b';
select format('%s %I %L %1$s', 'x', 'a b', 'it''s'), quote_literal(null), quote_nullable(null), concat('a', null, 1), concat_ws(',', 'a', null, 'b');
select ascii('a'), chr(8364), chr(0);
select string_to_array('a,b,,c', ',', ''), array_to_string(array['a', null, 'c'], ',', '*'), md5('x'), sha256('x');
