//! The SQL of referral codes: one statement a function.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::named::Terms;
use super::{HeldCoupon, Issued, ReferralCodeToIssue};
use crate::coupon_banks::claim::Cursors;
use crate::customers::Customer;
use crate::types::codes::{CodeKey, CouponCode, ReferralCode};
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, CouponBankId, CouponPlace, CustomerId, ReferralCodeId, SegmentId};
use crate::types::text::{OpaqueId, UserAgent};

/// Whose referral code in which campaign: unique.
pub type Slot = (AccountId, CampaignId, CustomerId);

/// A referral code that an advocate has, and the coupon it holds.
pub struct Existing {
    pub account_id: AccountId,
    pub id: ReferralCodeId,
    pub campaign_id: CampaignId,
    pub customer_id: CustomerId,
    pub code_key: CodeKey,
    segment_id: Option<SegmentId>,
    position: Option<i32>,
    pub bank_id: Option<CouponBankId>,
}

impl Existing {
    /// Where its coupon lies, if it holds one.
    pub fn place(&self) -> Option<CouponPlace> {
        Some(CouponPlace { segment_id: self.segment_id?, position: self.position? })
    }
}

/// Finds the referral codes of locked customers. Slots without one are simply missing.
pub async fn find_by_slots(conn: &mut PgConnection, slots: &[Slot]) -> sqlx::Result<Vec<Existing>> {
    let accounts: Vec<AccountId> = slots.iter().map(|slot| slot.0).collect();
    let campaigns: Vec<CampaignId> = slots.iter().map(|slot| slot.1).collect();
    let customers: Vec<CustomerId> = slots.iter().map(|slot| slot.2).collect();
    sqlx::query_as!(
        Existing,
        r#"select r.account_id, r.id, r.campaign_id, r.customer_id, r.code_key as "code_key: CodeKey", r.segment_id as "segment_id: SegmentId", r.position,
            s.bank_id as "bank_id?: CouponBankId"
        from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as wanted (account_id, campaign_id, customer_id)
        join referral_codes r on r.account_id = wanted.account_id and r.campaign_id = wanted.campaign_id and r.customer_id = wanted.customer_id
        left join coupon_segments s on s.account_id = r.account_id and s.id = r.segment_id"#,
        &accounts as &[AccountId],
        &campaigns as &[CampaignId],
        &customers as &[CustomerId]
    )
    .fetch_all(conn)
    .await
}

/// Finds which folded codes are referral codes already.
pub async fn find_codes_in_use(
    conn: &mut PgConnection,
    accounts: &[AccountId],
    keys: &[CodeKey],
) -> sqlx::Result<Vec<(AccountId, CodeKey)>> {
    let rows = sqlx::query!(
        r#"select wanted.account_id as "account_id!: AccountId", wanted.code_key as "key!: CodeKey"
        from unnest($1::bigint[], $2::text[]) as wanted (account_id, code_key)
        cross join lateral (
            select r.id from referral_codes r
            where r.account_id = wanted.account_id and r.code_key = wanted.code_key
            limit 1) used"#,
        accounts as &[AccountId],
        keys as &[CodeKey]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.account_id, row.key)).collect())
}

/// A referral code that is to be stored.
pub struct NewReferralCode<'a> {
    pub slot: Slot,
    pub code: ReferralCode,
    pub place: Option<CouponPlace>,
    /// From where it was asked for stands here.
    pub row: &'a ReferralCodeToIssue,
}

/// A referral code that was stored, and the coupon that goes out with it.
pub struct StoredReferralCode {
    pub slot: Slot,
    pub id: ReferralCodeId,
    pub coupon: Option<HeldCoupon>,
}

/// Inserts referral codes, sorted by key, and moves the cursors of locked segments on, with their events. Gives the codes that were stored
/// with their coupons; those whose code is in use already are missing.
pub async fn insert_all(
    conn: &mut PgConnection,
    new: &[NewReferralCode<'_>],
    cursors: &Cursors,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<StoredReferralCode>> {
    let accounts: Vec<AccountId> = new.iter().map(|new| new.slot.0).collect();
    let campaigns: Vec<CampaignId> = new.iter().map(|new| new.slot.1).collect();
    let customers: Vec<CustomerId> = new.iter().map(|new| new.slot.2).collect();
    let codes: Vec<&str> = new.iter().map(|new| new.code.as_str()).collect();
    let keys: Vec<CodeKey> = new.iter().map(|new| new.code.key()).collect();
    let segments: Vec<Option<SegmentId>> = new.iter().map(|new| new.place.map(|place| place.segment_id)).collect();
    let positions: Vec<Option<i32>> = new.iter().map(|new| new.place.map(|place| place.position)).collect();
    let moved_accounts: Vec<AccountId> = cursors.iter().map(|(account, _)| *account).collect();
    let moved_segments: Vec<SegmentId> = cursors.iter().map(|(_, place)| place.segment_id).collect();
    let moved_to: Vec<i32> = cursors.iter().map(|(_, place)| place.position).collect();
    let ip_addresses: Vec<Option<String>> = new.iter().map(|new| new.row.ip_address.map(|ip| ip.to_string())).collect();
    let user_agents: Vec<Option<&str>> =
        new.iter().map(|new| new.row.user_agent.as_ref().map(UserAgent::as_str)).collect();
    let rows = sqlx::query!(
        r#"with moved as (
            update coupon_segments s set next_position = moved.next_position
            from unnest($9::bigint[], $10::bigint[], $11::int[]) as moved (account_id, id, next_position)
            where s.account_id = moved.account_id and s.id = moved.id
        ), stored as (
            insert into referral_codes (account_id, code, code_key, campaign_id, customer_id, segment_id, position, coupon_issued_at, created_at,
                ip_address, user_agent)
            select account_id, code, code_key, campaign_id, customer_id, segment_id, position, case when position is not null then $8::timestamptz end, $8,
                ip_address, user_agent
            from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::int[], $12::text[], $13::text[])
                as new (account_id, code, code_key, campaign_id, customer_id, segment_id, position, ip_address, user_agent)
            order by account_id, campaign_id, customer_id
            on conflict on constraint referral_codes_code_key_key do nothing
            returning account_id, campaign_id, customer_id, id, segment_id, position
        ), event as (
            insert into events (account_id, kind, subjects, created_at)
            select account_id, 'referral_code.created', array_agg(id order by id), $8 from stored group by account_id
        )
        select stored.account_id as "account_id!: AccountId", stored.campaign_id as "campaign_id!: CampaignId",
            stored.customer_id as "customer_id!: CustomerId", stored.id as "id!: ReferralCodeId",
            c.code as "coupon_code?: CouponCode", c.pin as "pin?", b.id as "bank_id?: CouponBankId", b.name as "bank_name?"
        from stored
        left join coupons c on c.account_id = stored.account_id and c.segment_id = stored.segment_id and c.position = stored.position
        left join coupon_segments s on s.account_id = c.account_id and s.id = c.segment_id
        left join coupon_banks b on b.account_id = s.account_id and b.id = s.bank_id"#,
        &accounts as &[AccountId],
        &codes as &[&str],
        &keys as &[CodeKey],
        &campaigns as &[CampaignId],
        &customers as &[CustomerId],
        &segments as &[Option<SegmentId>],
        &positions as &[Option<i32>],
        now,
        &moved_accounts as &[AccountId],
        &moved_segments as &[SegmentId],
        &moved_to,
        &ip_addresses as &[Option<String>],
        &user_agents as &[Option<&str>]
    )
    .fetch_all(conn)
    .await?;
    let stored = rows.into_iter().map(|row| StoredReferralCode {
        slot: (row.account_id, row.campaign_id, row.customer_id),
        id: row.id,
        coupon: held(row.coupon_code, row.pin, row.bank_id, row.bank_name),
    });
    Ok(stored.collect())
}

fn held(
    code: Option<CouponCode>,
    pin: Option<String>,
    bank_id: Option<CouponBankId>,
    bank_name: Option<String>,
) -> Option<HeldCoupon> {
    Some(HeldCoupon { code: code?, pin, bank_id: bank_id?, bank_name: bank_name? })
}

/// Gives coupons to referral codes that have none.
pub async fn bind_all(
    conn: &mut PgConnection,
    bindings: &[(AccountId, ReferralCodeId, CouponPlace)],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let accounts: Vec<AccountId> = bindings.iter().map(|binding| binding.0).collect();
    let ids: Vec<ReferralCodeId> = bindings.iter().map(|binding| binding.1).collect();
    let segments: Vec<SegmentId> = bindings.iter().map(|binding| binding.2.segment_id).collect();
    let positions: Vec<i32> = bindings.iter().map(|binding| binding.2.position).collect();
    sqlx::query!(
        r#"update referral_codes r set segment_id = bound.segment_id, position = bound.position, coupon_issued_at = $5
        from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int[]) as bound (account_id, id, segment_id, position)
        where r.account_id = bound.account_id and r.id = bound.id and r.segment_id is null"#,
        &accounts as &[AccountId],
        &ids as &[ReferralCodeId],
        &segments as &[SegmentId],
        &positions,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Finds referral codes as they are answered.
pub async fn find_issued(
    conn: &mut PgConnection,
    accounts: &[AccountId],
    ids: &[ReferralCodeId],
) -> sqlx::Result<Vec<Issued>> {
    let rows = sqlx::query!(
        r#"select r.account_id as "account_id: AccountId", r.id as "id: ReferralCodeId", r.code as "code: ReferralCode", r.created_at,
            r.campaign_id as "campaign_id: CampaignId", g.name as campaign_name, g.destination_url,
            u.id as "customer_id: CustomerId", u.external_id as "external_id: OpaqueId", u.email as "email: Email", u.first_name, u.last_name,
            c.code as "coupon_code?: CouponCode", c.pin as "pin?", b.id as "bank_id?: CouponBankId", b.name as "bank_name?"
        from unnest($1::bigint[], $2::bigint[]) as wanted (account_id, id)
        join referral_codes r on r.account_id = wanted.account_id and r.id = wanted.id
        join campaigns g on g.account_id = r.account_id and g.id = r.campaign_id
        join customers u on u.account_id = r.account_id and u.id = r.customer_id
        left join coupons c on c.account_id = r.account_id and c.segment_id = r.segment_id and c.position = r.position
        left join coupon_segments s on s.account_id = c.account_id and s.id = c.segment_id
        left join coupon_banks b on b.account_id = s.account_id and b.id = s.bank_id"#,
        accounts as &[AccountId],
        ids as &[ReferralCodeId]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Issued {
            account_id: row.account_id,
            id: row.id,
            code: row.code,
            campaign_id: row.campaign_id,
            campaign_name: row.campaign_name,
            destination_url: row.destination_url,
            advocate: Customer {
                account_id: row.account_id,
                id: row.customer_id,
                external_id: row.external_id,
                email: row.email,
                first_name: row.first_name,
                last_name: row.last_name,
            },
            coupon: held(row.coupon_code, row.pin, row.bank_id, row.bank_name),
            created_at: row.created_at,
        })
        .collect())
}

/// What a call names: its campaign, and the bank if it names one.
#[derive(Clone, Debug)]
pub struct NamedThings {
    pub account_id: AccountId,
    pub campaign_id: CampaignId,
    pub campaign: Option<Terms>,
    /// The bank, if there is one of this number, and its name.
    pub bank: Option<(CouponBankId, String)>,
}

/// Finds campaigns and banks, pair by pair.
pub async fn find_named(
    conn: &mut PgConnection,
    named: &[(AccountId, CampaignId, Option<CouponBankId>)],
) -> sqlx::Result<Vec<NamedThings>> {
    let accounts: Vec<AccountId> = named.iter().map(|named| named.0).collect();
    let campaigns: Vec<CampaignId> = named.iter().map(|named| named.1).collect();
    let banks: Vec<Option<CouponBankId>> = named.iter().map(|named| named.2).collect();
    let rows = sqlx::query!(
        r#"select w.account_id as "account_id!: AccountId", w.campaign_id as "campaign_id!: CampaignId", g.name as "name?",
            g.destination_url as "destination_url?", g.archived as "archived?", b.id as "bank_id?: CouponBankId", b.name as "bank_name?"
        from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as w (account_id, campaign_id, bank_id)
        left join campaigns g on g.account_id = w.account_id and g.id = w.campaign_id
        left join coupon_banks b on b.account_id = w.account_id and b.id = w.bank_id"#,
        &accounts as &[AccountId],
        &campaigns as &[CampaignId],
        &banks as &[Option<CouponBankId>]
    )
    .fetch_all(conn)
    .await?;
    let things = rows.into_iter().map(|row| {
        let terms = row.name.zip(row.destination_url).zip(row.archived);
        let campaign = terms.map(|((name, destination_url), archived)| Terms { name, destination_url, archived });
        NamedThings {
            account_id: row.account_id,
            campaign_id: row.campaign_id,
            campaign,
            bank: row.bank_id.zip(row.bank_name),
        }
    });
    Ok(things.collect())
}

/// Blocks a referral code, or lets it count again. Gives its text and since when it is blocked; nothing when there is no such code.
pub async fn block(
    conn: &mut PgConnection,
    account: AccountId,
    key: &CodeKey,
    is_blocked: bool,
    now: OffsetDateTime,
) -> sqlx::Result<Option<(ReferralCode, Option<OffsetDateTime>)>> {
    let blocked = sqlx::query!(
        r#"update referral_codes set blocked_at = case when $3 then coalesce(blocked_at, $4) end
        where account_id = $1 and code_key = $2
        returning code as "code: ReferralCode", blocked_at"#,
        account.0,
        key as &CodeKey,
        is_blocked,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(blocked.map(|row| (row.code, row.blocked_at)))
}

/// Counts the clicks on a code's link: those of friends, and those of programs.
pub async fn count_clicks(conn: &mut PgConnection, account: AccountId, id: ReferralCodeId) -> sqlx::Result<(i64, i64)> {
    let counted = sqlx::query!(
        r#"select count(*) filter (where not is_bot) as "clicks!", count(*) filter (where is_bot) as "bot_clicks!"
        from clicks
        where account_id = $1 and referral_code_id = $2"#,
        account.0,
        id.0
    )
    .fetch_one(conn)
    .await?;
    Ok((counted.clicks, counted.bot_clicks))
}
