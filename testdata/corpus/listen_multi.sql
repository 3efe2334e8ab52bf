listen one; listen two; notify one, 'a'; notify two, 'b';
select 1; notify one, 'c'; select 2;
begin; notify two, 'd'; notify one, 'e'; commit;
select 1/0; notify one, 'not sent';
notify one, 'f'; select 1/0;
unlisten one; notify one, 'g'; notify two, 'h';
unlisten *;
