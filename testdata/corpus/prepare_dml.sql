create table t (a int primary key, b text);
prepare ins (int, text) as insert into t values ($1, $2) on conflict (a) do update set b = excluded.b returning *;
execute ins (1, 'one');
execute ins (1, 'uno');
prepare upd (text) as update t set b = $1;
execute upd ('x');
prepare del as delete from t returning a;
execute del;
execute del;
