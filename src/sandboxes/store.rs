//! The SQL of sandboxes: one statement a function. Each is about all rows of one account at once.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::types::ids::AccountId;

/// Frees the session from the limits of a single request: a bank may be large. What somebody holds is waited for.
pub async fn lift_limits(conn: &mut PgConnection) -> sqlx::Result<()> {
    let limits = "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; set local lock_timeout = '30s'";
    sqlx::raw_sql(limits).execute(conn).await?;
    Ok(())
}

/// Makes resets and loads of one sandbox wait for each other, and gives its live account. Nothing for a live account.
pub async fn lock_sandbox(conn: &mut PgConnection, sandbox: AccountId) -> sqlx::Result<Option<AccountId>> {
    sqlx::query_scalar!(
        r#"select live_account_id as "live_account_id!: AccountId" from accounts
        where id = $1 and live_account_id is not null
        for no key update"#,
        sandbox.0
    )
    .fetch_optional(conn)
    .await
}

/// Deletes all that a sandbox holds. One statement, because the keys between the tables are asked about at its end: then
/// their order does not matter.
pub async fn delete_all(conn: &mut PgConnection, sandbox: AccountId) -> sqlx::Result<()> {
    sqlx::query!(
        "with sandbox as (select id from accounts where id = $1 and live_account_id is not null),
            d1 as (delete from reward_entries where account_id = (select id from sandbox)),
            d2 as (delete from rewards where account_id = (select id from sandbox)),
            d3 as (delete from conversion_events where account_id = (select id from sandbox)),
            d4 as (delete from conversions where account_id = (select id from sandbox)),
            d5 as (delete from refunds where account_id = (select id from sandbox)),
            d6 as (delete from purchases where account_id = (select id from sandbox)),
            d7 as (delete from referral_codes where account_id = (select id from sandbox)),
            d8 as (delete from email_opt_outs where account_id = (select id from sandbox)),
            d9 as (delete from customers where account_id = (select id from sandbox)),
            d10 as (delete from coupon_retirements where account_id = (select id from sandbox)),
            d11 as (delete from coupons where account_id = (select id from sandbox)),
            d12 as (delete from coupon_segments where account_id = (select id from sandbox)),
            d13 as (delete from coupon_banks where account_id = (select id from sandbox)),
            d14 as (delete from campaign_rules where account_id = (select id from sandbox)),
            d15 as (delete from campaign_links where account_id = (select id from sandbox)),
            d16 as (delete from purchase_replacements where account_id = (select id from sandbox)),
            d17 as (delete from clicks where account_id = (select id from sandbox)),
            d18 as (delete from shares where account_id = (select id from sandbox)),
            d19 as (delete from coupon_bank_alerts where account_id = (select id from sandbox)),
            d20 as (delete from event_bodies where account_id = (select id from sandbox)),
            d21 as (delete from event_feeds where account_id = (select id from sandbox)),
            d22 as (delete from events where account_id = (select id from sandbox)),
            d23 as (delete from webhook_attempts where account_id = (select id from sandbox)),
            d24 as (delete from webhook_deliveries where account_id = (select id from sandbox))
        delete from campaigns where account_id = (select id from sandbox)",
        sandbox.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What time it is for the database.
pub async fn read_clock(conn: &mut PgConnection) -> sqlx::Result<OffsetDateTime> {
    sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(conn).await
}

/// Whether a transaction of ours that began before a moment has not ended.
pub async fn is_older_under_way(conn: &mut PgConnection, moment: OffsetDateTime) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
            select from pg_stat_activity
            where datname = current_database() and usename = current_user and application_name = current_setting('application_name')
                and pid <> pg_backend_pid() and xact_start < $1) as "exists!""#,
        moment
    )
    .fetch_one(conn)
    .await
}

/// Deletes referral codes of campaigns or customers that are not there. Gives how many.
pub async fn delete_stray_codes(conn: &mut PgConnection, sandbox: AccountId) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from referral_codes r
        where r.account_id = $1 and (
                not exists (select from campaigns g where g.account_id = r.account_id and g.id = r.campaign_id)
                or not exists (select from customers u where u.account_id = r.account_id and u.id = r.customer_id))
            and exists (select from accounts a where a.id = r.account_id and a.live_account_id is not null)",
        sandbox.0
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Deletes orders that name referral codes or customers that are not there, with what hangs on them. Nobody can have ruled on them.
/// Gives how many.
pub async fn delete_stray_orders(conn: &mut PgConnection, sandbox: AccountId) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "with stray as (
                select p.account_id, p.id from purchases p
                join accounts a on a.id = p.account_id and a.live_account_id is not null
                where p.account_id = $1 and (
                    p.attributed_referral_code_id is not null and not exists (
                        select from referral_codes r where r.account_id = p.account_id and r.id = p.attributed_referral_code_id)
                    or p.customer_id is not null and not exists (
                        select from customers u where u.account_id = p.account_id and u.id = p.customer_id))),
            replaced as (delete from purchase_replacements where (account_id, purchase_id) in (select account_id, id from stray)),
            refunded as (delete from refunds where (account_id, purchase_id) in (select account_id, id from stray)),
            converted as (delete from conversions where (account_id, purchase_id) in (select account_id, id from stray))
        delete from purchases where (account_id, id) in (select account_id, id from stray)",
        sandbox.0
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Takes back what the outbox says of orders, conversions and codes that are not there. What it says of others in the same breath
/// it says anew.
pub async fn delete_stray_events(conn: &mut PgConnection, sandbox: AccountId) -> sqlx::Result<()> {
    sqlx::query!(
        "with told as (
                select e.account_id, e.id, e.kind, e.created_at, s.subject, s.n, case e.kind
                    when 'purchase.recorded' then exists (select from purchases p where p.account_id = e.account_id and p.id = s.subject)
                    when 'referral_code.created' then exists (select from referral_codes r where r.account_id = e.account_id and r.id = s.subject)
                    else exists (select from conversions c where c.account_id = e.account_id and c.id = s.subject) end as is_there
                from events e
                join accounts a on a.id = e.account_id and a.live_account_id is not null
                cross join lateral unnest(e.subjects) with ordinality as s (subject, n)
                where e.account_id = $1 and e.kind in ('purchase.recorded', 'referral_code.created', 'conversion.created', 'conversion.refused')),
            stray as (select distinct account_id, id from told where not is_there),
            unsent as (delete from webhook_deliveries d where (d.account_id, d.event_row) in (select account_id, id from stray) returning account_id, id),
            untried as (delete from webhook_attempts t where (t.account_id, t.delivery_id) in (select account_id, id from unsent)),
            unsaid as (delete from event_bodies b where (b.account_id, b.event_row) in (select account_id, id from stray)),
            again as (
                insert into events (account_id, kind, subjects, created_at)
                select account_id, kind, array_agg(subject order by n), created_at
                from told where is_there and (account_id, id) in (select account_id, id from stray)
                group by account_id, id, kind, created_at)
        delete from events e where (e.account_id, e.id) in (select account_id, id from stray)",
        sandbox.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Has the feed of a sandbox begin anew: whoever gives places waits, and then places all of it.
pub async fn delete_feed(conn: &mut PgConnection, sandbox: AccountId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from event_feeds where account_id = $1 and exists (select from accounts a where a.id = $1 and a.live_account_id is not null)",
        sandbox.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes their places from the events of a sandbox whose feed begins anew.
pub async fn take_places(conn: &mut PgConnection, sandbox: AccountId) -> sqlx::Result<()> {
    sqlx::query!(
        "update events set place = null
        where account_id = $1 and place is not null and exists (select from accounts a where a.id = $1 and a.live_account_id is not null)",
        sandbox.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Copies campaigns, under their ids. Gives how many.
pub async fn copy_campaigns(conn: &mut PgConnection, live: AccountId, sandbox: AccountId) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "insert into campaigns (account_id, id, name, destination_url, archived, created_at, attribution_window_days, days_to_delay,
            new_customers_only, minimum_amount, maximum_rewards, self_referral, similar_email_edits, reward_type, reward_unit,
            reward_value, reward_cap, unverified_orders)
        select $2, id, name, destination_url, archived, created_at, attribution_window_days, days_to_delay,
            new_customers_only, minimum_amount, maximum_rewards, self_referral, similar_email_edits, reward_type, reward_unit,
            reward_value, reward_cap, unverified_orders
        from campaigns where account_id = $1",
        live.0,
        sandbox.0
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Copies what rules campaigns had when, of those that were copied.
pub async fn copy_rules(conn: &mut PgConnection, live: AccountId, sandbox: AccountId) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into campaign_rules (account_id, campaign_id, rules, in_force_from)
        select g.account_id, g.id, r.rules, r.in_force_from
        from campaign_rules r
        join campaigns g on g.account_id = $2 and g.id = r.campaign_id
        where r.account_id = $1
        order by r.id",
        live.0,
        sandbox.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Copies coupon banks, under their ids. Gives how many.
pub async fn copy_banks(conn: &mut PgConnection, live: AccountId, sandbox: AccountId) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "insert into coupon_banks (account_id, id, name, created_at, low_stock_available, low_stock_share, low_stock_days_left)
        select $2, id, name, created_at, low_stock_available, low_stock_share, low_stock_days_left
        from coupon_banks where account_id = $1",
        live.0,
        sandbox.0
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Copies how the links and the widgets of campaigns behave, of those campaigns and banks that were copied.
pub async fn copy_links(conn: &mut PgConnection, live: AccountId, sandbox: AccountId) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into campaign_links (account_id, campaign_id, utm_source, utm_medium, utm_campaign, fallback_url, clicks_max,
            keeps_first_click, widget_coupon_bank_id)
        select g.account_id, g.id, l.utm_source, l.utm_medium, l.utm_campaign, l.fallback_url, l.clicks_max,
            l.keeps_first_click, b.id
        from campaign_links l
        join campaigns g on g.account_id = $2 and g.id = l.campaign_id
        left join coupon_banks b on b.account_id = $2 and b.id = l.widget_coupon_bank_id
        where l.account_id = $1",
        live.0,
        sandbox.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Copies segments under their ids, of the banks that were copied, with their cursors at the beginning. Their revisions are new, so
/// that nobody takes them for those that he saw before a reset.
pub async fn copy_segments(conn: &mut PgConnection, live: AccountId, sandbox: AccountId) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into coupon_segments (account_id, id, bank_id, size, created_at, revision)
        select b.account_id, s.id, b.id, s.size, s.created_at, (random() * 1e9)::integer
        from coupon_segments s
        join coupon_banks b on b.account_id = $2 and b.id = s.bank_id
        where s.account_id = $1",
        live.0,
        sandbox.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Copies the coupons of the segments that were copied. Their positions are drawn anew: what a sandbox hands out must not tell
/// what the live bank will hand out next. Gives how many.
pub async fn copy_coupons(conn: &mut PgConnection, live: AccountId, sandbox: AccountId) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "insert into coupons (account_id, segment_id, position, code, code_key, pin)
        select s.account_id, s.id, row_number() over (partition by s.id order by random()) - 1, c.code, c.code_key, c.pin
        from coupon_segments s
        join coupons c on c.account_id = $1 and c.segment_id = s.id
        where s.account_id = $2",
        live.0,
        sandbox.0
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Copies which of the copied coupons are retired.
pub async fn copy_retirements(conn: &mut PgConnection, live: AccountId, sandbox: AccountId) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into coupon_retirements (account_id, segment_id, position, retired_at)
        select copied.account_id, copied.segment_id, copied.position, t.retired_at
        from coupon_retirements t
        join coupons c on c.account_id = t.account_id and c.segment_id = t.segment_id and c.position = t.position
        join coupons copied on copied.account_id = $2 and copied.code_key = c.code_key
        where t.account_id = $1",
        live.0,
        sandbox.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Tells the planner how many coupons there are now.
pub async fn analyze(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("analyze coupons; analyze coupon_segments").execute(conn).await?;
    Ok(())
}
