select 'foobar' ~ 'o+b', 'FOO' ~* 'foo', 'x' !~ 'y', 'foo' similar to '%(o|x)', 'abc' like 'a_c', 'a%c' like 'a\%c', 'abc' ilike 'A%';
select regexp_match('foo123', '(\w)(\d+)'), regexp_replace('foo bar', '(\w+) (\w+)', '\2 \1'), regexp_split_to_array('a1b22c', '\d+');
select regexp_matches('a1b2', '([a-z])(\d)', 'g');
select substring('foobar' from 'o(.)b'), substring('foobar' similar 'f#"o+#"bar' escape '#'), regexp_count('aaa', 'a'), regexp_substr('abc', 'b.'), regexp_instr('abc', 'c'), regexp_like('a', 'A', 'i');
select 'x' ~ '(';
select regexp_replace('aaa', 'a', 'b', 2, 1), 'a' like 'a' escape '', translate('abc', 'ab', 'x'), 'abc' ^@ 'ab';
select 'a' like 'a\';
