//! What must hold of any story's data at its end, whatever the story was about (reliability.md, 2).

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use super::client::Shop;

/// Each statement lists what must not be, with words for it.
const LAWS: [(&str, &str); 15] = [
    (
        "a bank whose coupons are not just issued, retired or available (I13)",
        "select format('bank %s: %s in all, %s issued, %s retired, %s available', bank_id, total, issued, retired, available)
        from (
            select s.account_id, s.bank_id, count(*) as total, count(r.id) as issued, count(t.retired_at) as retired,
                count(*) filter (where r.id is null and t.retired_at is null) as available
            from coupon_segments s
            join coupons c on c.account_id = s.account_id and c.segment_id = s.id
            left join referral_codes r on r.account_id = c.account_id and r.segment_id = c.segment_id and r.position = c.position
            left join coupon_retirements t
                on t.account_id = c.account_id and t.segment_id = c.segment_id and t.position = c.position
            group by s.account_id, s.bank_id
        ) counted
        where total <> issued + retired + available",
    ),
    (
        "a segment whose positions are not 0 to its size",
        "select format('segment %s', s.id)
        from coupon_segments s
        left join coupons c on c.account_id = s.account_id and c.segment_id = s.id
        group by s.account_id, s.id, s.size
        having count(c.position) <> s.size or min(c.position) <> 0 or max(c.position) <> s.size - 1",
    ),
    (
        "a coupon of no segment: it could never be handed out",
        "select format('coupon %s', c.code) from coupons c
        where not exists (select from coupon_segments s where s.account_id = c.account_id and s.id = c.segment_id)",
    ),
    (
        "a free coupon behind its segment's cursor: it could never be handed out, so exhausted would be a lie (I6)",
        "select format('coupon %s', c.code)
        from coupon_segments s
        join coupons c on c.account_id = s.account_id and c.segment_id = s.id and c.position < s.next_position
        where not exists (select from referral_codes r
                where r.account_id = c.account_id and r.segment_id = c.segment_id and r.position = c.position)
            and not exists (select from coupon_retirements t
                where t.account_id = c.account_id and t.segment_id = c.segment_id and t.position = c.position)",
    ),
    (
        "a coupon that is with two people, or that is not there (I1)",
        "select format('referral codes %s', string_agg(r.code, ', '))
        from referral_codes r
        left join coupons c on c.account_id = r.account_id and c.segment_id = r.segment_id and c.position = r.position
        where r.segment_id is not null
        group by r.account_id, r.segment_id, r.position
        having count(*) > 1 or count(c.code) <> 1",
    ),
    (
        "an attributed purchase without its one conversion, or a conversion without its attributed purchase",
        "select format('purchase %s, order %s', p.id, p.order_id)
        from purchases p
        left join conversions c on c.account_id = p.account_id and c.purchase_id = p.id
        group by p.account_id, p.id, p.order_id, p.attributed_via, p.attributed_referral_code_id
        having count(c.id) <> (case when p.attributed_via is null then 0 else 1 end)
            or bool_or(c.referral_code_id <> p.attributed_referral_code_id)",
    ),
    (
        "a row that names what is not there",
        "select format('purchase %s', p.id) from purchases p
        where not exists (select from accounts a where a.id = p.account_id)
            or p.attributed_referral_code_id is not null and not exists (
                select from referral_codes r where r.account_id = p.account_id and r.id = p.attributed_referral_code_id)
            or p.customer_id is not null and not exists (
                select from customers u where u.account_id = p.account_id and u.id = p.customer_id)
        union all
        select format('conversion %s', v.id) from conversions v
        where not exists (select from purchases p
                where p.account_id = v.account_id and p.id = v.purchase_id and p.attributed_referral_code_id = v.referral_code_id)
            or not exists (select from referral_codes r
                where r.account_id = v.account_id and r.id = v.referral_code_id and r.campaign_id = v.campaign_id)
        union all
        select format('customer %s', u.id) from customers u
        where not exists (select from accounts a where a.id = u.account_id)
        union all
        select format('referral code %s', r.code) from referral_codes r
        where not exists (select from campaigns g where g.account_id = r.account_id and g.id = r.campaign_id)
            or not exists (select from customers u where u.account_id = r.account_id and u.id = r.customer_id)",
    ),
    (
        "a reward below zero or above its whole (I13)",
        "select format('reward %s: %s of %s', r.id, coalesce(sum(e.amount), 0), r.whole_amount)
        from rewards r
        left join reward_entries e on e.account_id = r.account_id and e.reward_id = r.id and e.kind <> 'paid'
        group by r.account_id, r.id
        having coalesce(sum(e.amount), 0) not between 0 and r.whole_amount",
    ),
    (
        "a conversion that is not approved and has a reward left",
        "select format('conversion %s: %s', c.id, c.status)
        from conversions c
        join rewards r on r.account_id = c.account_id and r.conversion_id = c.id
        join reward_entries e on e.account_id = r.account_id and e.reward_id = r.id and e.kind <> 'paid'
        where c.status <> 'approved'
        group by c.account_id, c.id
        having sum(e.amount) <> 0",
    ),
    (
        "a conversion that stands elsewhere than its history says",
        "select format('conversion %s: %s', c.id, c.status)
        from conversions c
        where (c.evaluated_at is null) <> coalesce((select e.event = 'confirmed' from conversion_events e
                where e.account_id = c.account_id and e.conversion_id = c.id order by e.id desc limit 1), true)
            or c.status <> (select e.status from conversion_events e
                where e.account_id = c.account_id and e.conversion_id = c.id order by e.id desc limit 1)",
    ),
    (
        "an order of which more was given back than it cost, or whose reward did not follow",
        "select format('order %s', p.order_id)
        from purchases p
        left join lateral (
            select sum(f.amount) as amount from refunds f where f.account_id = p.account_id and f.purchase_id = p.id
        ) refunded on true
        left join conversions c on c.account_id = p.account_id and c.purchase_id = p.id
        left join rewards r on r.account_id = c.account_id and r.conversion_id = c.id
        left join lateral (
            select sum(e.amount) as amount from reward_entries e
            where e.account_id = r.account_id and e.reward_id = r.id and e.kind <> 'paid'
        ) owed on true
        where refunded.amount > p.amount
            or r.id is not null and (p.cancelled_at is not null or refunded.amount = p.amount) and owed.amount <> 0",
    ),
    (
        "a fact without its one event, or an event without its fact (I9)",
        "with fact (account_id, kind, id) as (
            select account_id, 'purchase.recorded', id from purchases
            union all
            select account_id, 'conversion.created', id from conversions
            union all
            select c.account_id, 'conversion.refused', c.id from conversions c
            where 'rejected' = coalesce((select e.status_before from conversion_events e
                where e.account_id = c.account_id and e.conversion_id = c.id order by e.id limit 1), c.status)
            union all
            select account_id, 'conversion.' || status, id from conversion_events where status <> status_before and status <> 'pending'
            union all
            select account_id, 'reward.created', id from rewards
            union all
            select e.account_id, case e.kind when 'reversed' then 'reward.reversed' else 'reward.restored' end, e.id from reward_entries e
            where e.kind <> 'paid' and exists (select from reward_entries before
                where before.account_id = e.account_id and before.reward_id = e.reward_id and before.id < e.id)
            union all
            select account_id, 'referral_code.created', id from referral_codes
            union all
            select account_id, 'coupon_bank.' || kind, id from coupon_bank_alerts
        )
        select format('%s of %s: %s facts, %s events', kind, id, sum(facts), sum(events))
        from (
            select account_id, kind, id, 1 as facts, 0 as events from fact
            union all
            select account_id, kind, unnest(subjects), 0, 1 from events
        ) side
        group by account_id, kind, id
        having sum(facts) <> 1 or sum(events) <> 1",
    ),
    (
        "a feed with a gap, or with two events in one place (I11)",
        "select format('account %s: places %s to %s for %s events', e.account_id, min(e.place), max(e.place + cardinality(e.subjects) - 1), sum(cardinality(e.subjects)))
        from events e
        left join event_feeds f on f.account_id = e.account_id
        where e.place is not null
        group by e.account_id, f.last_place
        having min(e.place) <> 1 or max(e.place + cardinality(e.subjects) - 1) <> sum(cardinality(e.subjects))
            or f.last_place is distinct from sum(cardinality(e.subjects))
            or count(distinct e.place) <> count(*)",
    ),
    (
        "a delivery that nobody took, or of no event (I9)",
        "select format('delivery %s', d.id)
        from webhook_deliveries d
        where d.state = 'delivered' and not exists (
                select from webhook_attempts a where a.account_id = d.account_id and a.delivery_id = d.id and a.status between 200 and 299)
            or not exists (select from events e
                where e.account_id = d.account_id and e.id = d.event_row and e.place is not null and d.event_index <= cardinality(e.subjects))",
    ),
    (
        "a session left inside a transaction (I17)",
        "select format('pid %s: %s', pid, query) from pg_stat_activity
        where datname = current_database() and starts_with(state, 'idle in transaction')",
    ),
];

/// Records what the service would have recorded of rows that a story put there by hand, where it would take too long.
pub async fn record_by_hand(pool: &PgPool) {
    for (kind, rows) in [
        ("referral_code.created", "referral_codes"),
        ("purchase.recorded", "purchases"),
        ("conversion.created", "conversions"),
        ("conversion.refused", "conversions where status = 'rejected' and evaluated_at is null"),
        ("reward.created", "rewards"),
    ] {
        let sql = format!(
            "insert into events (account_id, kind, subjects, created_at)
            select account_id, '{kind}', array_agg(id), now()
            from (
                select account_id, id from {rows}
                except
                select account_id, unnest(subjects) from events where kind = '{kind}'
            ) untold
            group by account_id"
        );
        sqlx::query(AssertSqlSafe(sql)).execute(pool).await.expect(kind);
    }
}

/// What in the database must not be.
pub async fn faults(pool: &PgPool) -> Vec<String> {
    let mut faults = Vec::new();
    for (law, sql) in LAWS {
        let broken: Vec<String> = sqlx::query_scalar(sql).fetch_all(pool).await.expect(law);
        faults.extend(broken.into_iter().map(|what| format!("{law}: {what}")));
    }
    faults
}

/// Banks of which the service counts other coupons than it lists, one status at a time.
pub async fn disagreements(shop: &Shop) -> Vec<String> {
    let mut faults = Vec::new();
    let banks = shop.get("/v1/coupon_banks?limit=10000").await.expect(200);
    for bank in banks["results"].as_array().into_iter().flatten() {
        let mut sum = 0;
        for status in ["issued", "retired", "available"] {
            let path = format!("/v1/coupon_banks/{}/coupons?status={status}&limit=1", bank["id"]);
            let listed = &shop.get(&path).await.expect(200)["total_results_count"];
            sum += listed.as_i64().unwrap_or_default();
            faults.extend(differs(bank, status, listed));
        }
        faults.extend(differs(bank, "total", &json!(sum)));
    }
    faults
}

fn differs(bank: &Value, what: &str, listed: &Value) -> Option<String> {
    let counted = &bank["counts"][what];
    (counted != listed).then(|| format!("bank {} counts {counted} {what} and lists {listed}", bank["id"]))
}
