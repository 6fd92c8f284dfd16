-- The secrets are there already.
select count(*) from server_secrets;
