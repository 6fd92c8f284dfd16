-- A sandbox is an account of its own beside the live account that it belongs to: every key of every row begins with the account,
-- so nothing that is done in the one is seen in the other. Which of the two an account is, it is from its beginning. Only a
-- sandbox can be emptied: what is otherwise only ever added to may be deleted there, and nowhere else.
alter table accounts
    add live_account_id bigint constraint accounts_live_account_id_fkey references accounts (id),
    add constraint accounts_live_account_id_key unique (live_account_id);

create function refuse_wrong_sandbox() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        raise exception 'an account is a sandbox from its beginning or never' using errcode = 'restrict_violation';
    elsif exists (select from accounts where id = new.live_account_id and live_account_id is not null) then
        raise exception 'a sandbox has no sandbox' using errcode = 'restrict_violation';
    end if;
    return new;
end
$$;
create trigger accounts_sandbox_insert before insert on accounts
    for each row when (new.live_account_id is not null) execute function refuse_wrong_sandbox();
create trigger accounts_sandbox_update before update on accounts
    for each row when (old.live_account_id is distinct from new.live_account_id) execute function refuse_wrong_sandbox();

create or replace function refuse_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        if exists (select from accounts where id = old.account_id and live_account_id is not null) then
            return old;
        end if;
    end if;
    raise exception 'rows of % are added and never changed', tg_table_name using errcode = 'restrict_violation';
end
$$;
