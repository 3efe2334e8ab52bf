-- user: postgres
create type shell;
create function shell_in(cstring) returns shell language internal immutable strict as 'int4in';
create function shell_out(shell) returns cstring language internal immutable strict as 'int4out';
create type shell (input = shell_in, output = shell_out, internallength = 4, passedbyvalue, alignment = int4);
select '42'::shell;
create cast (shell as int) without function as assignment;
select '42'::shell::int + 1;
create operator === (leftarg = int, rightarg = int, function = int4eq, commutator = ===);
select 1 === 1, 1 operator(public.===) 2;
create operator class myops for type int using btree as operator 1 <, operator 3 =, function 1 btint4cmp(int, int);
drop operator === (int, int);
drop type shell cascade;
