-- startup: client_encoding=LATIN1
show client_encoding;
select U&'\00e9', length(U&'\00e9');
set client_encoding = 'UTF8';
select U&'\00e9';
select U&'\4e2d';
set client_encoding = 'LATIN1';
select U&'\4e2d';
