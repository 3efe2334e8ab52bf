create function f() returns int language plpgsql as $$ begin commit; return 1; end $$;
select f();
create function g() returns int language sql as $$ begin; select 1 $$;
create function h() returns int language plpgsql as $$ begin execute 'savepoint a'; return 1; end $$;
select h();
create function k() returns int language plpgsql as $$ begin execute 'begin'; return 1; end $$;
select k();
create function subs() returns int language plpgsql as $$ declare n int := 0; begin begin n := 1; perform 1/0; exception when others then n := n + 10; end; return n; end $$;
select subs();
