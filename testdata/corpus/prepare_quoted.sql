prepare "Odd Name" as select 'odd';
execute "Odd Name";
execute "odd name";
prepare odd_name as select 'plain';
execute ODD_NAME;
deallocate "Odd Name";
deallocate prepare all;
execute odd_name;
