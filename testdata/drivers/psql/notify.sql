select 'channel_' || :n as channel \gset
listen :"channel";
notify :"channel", 'to oneself';
begin;
notify :"channel", 'first';
notify :"channel", 'second';
select 'none yet';
commit;
begin;
notify :"channel", 'rolled back';
rollback;
unlisten *;
notify :"channel", 'to nobody';
