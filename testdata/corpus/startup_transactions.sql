-- startup: options=-c default_transaction_isolation=serializable -c default_transaction_read_only=on
show transaction_isolation;
create table t (a int);
begin;
show transaction_isolation;
show transaction_read_only;
commit;
begin isolation level read committed read write;
create table t (a int);
commit;
insert into t values (1);
set default_transaction_read_only = off;
insert into t values (1);
select * from t;
