# What is in force, asked for behind each section.
select current_setting('search_path') || ' ' || current_setting('statement_timeout') || ' ' || current_setting('work_mem') || ' ' || current_setting('timezone') || ' ' || current_setting('application_name')
