set client_min_messages = error;
do $$ begin raise notice 'unseen'; raise warning 'unseen'; end $$;
begin;
set local client_min_messages = notice;
do $$ begin raise notice 'seen'; end $$;
commit;
do $$ begin raise notice 'unseen'; end $$;
reset client_min_messages;
do $$ begin raise notice 'seen'; end $$;
