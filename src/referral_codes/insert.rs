//! The SQL that stores new referral codes with their advocates and coupons in one statement, for those who hold no locks.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::ReferralCodeToIssue;
use crate::coupon_banks::claim::Moved;
use crate::customers::Person;
use crate::customers::registry::Known;
use crate::types::codes::{CodeKey, CouponCode, ReferralCode};
use crate::types::email::{Email, EmailKey};
use crate::types::ids::{AccountId, CampaignId, CouponPlace, CustomerId, ReferralCodeId, SegmentId};
use crate::types::text::{Name, OpaqueId, UserAgent};

/// A referral code that is to be stored with its advocate, if he is new.
pub struct NewIssue<'a> {
    /// The row's place among its batch's.
    pub index: usize,
    pub row: &'a ReferralCodeToIssue,
    pub advocate: &'a Known,
    pub code: ReferralCode,
    pub place: Option<CouponPlace>,
}

/// What a row's code and its advocate are called, and the coupon that goes out with it.
pub struct NewIds {
    pub index: usize,
    pub id: ReferralCodeId,
    pub customer_id: CustomerId,
    pub coupon: Option<(CouponCode, Option<String>)>,
}

/// Inserts referral codes with their new advocates and moves the cursors of the segments they were drawn from: one statement,
/// all of it or nothing, so that it needs no transaction around it. Who was there first, or has drawn from a segment since
/// it was seen, breaks a `customers_` or a `referral_codes_` constraint.
pub async fn insert_new(
    conn: &mut PgConnection,
    new: &[NewIssue<'_>],
    moved: &[Moved],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<NewIds>> {
    fn column<'a, T>(new: &'a [NewIssue<'_>], of: impl Fn(&'a NewIssue<'_>) -> T) -> Vec<T> {
        new.iter().map(of).collect()
    }
    let person = |of: fn(&Person) -> Option<&str>| column(new, |new| of(&new.advocate.person));
    let rows = sqlx::query_file!(
        "src/referral_codes/sql/insert_new.sql",
        &column(new, |new| i32::try_from(new.index).unwrap_or(i32::MAX)),
        &column(new, |new| new.row.account_id) as &[AccountId],
        &column(new, |new| new.row.campaign_id) as &[CampaignId],
        &column(new, |new| new.advocate.id) as &[Option<CustomerId>],
        &person(|person| person.external_id.as_ref().map(OpaqueId::as_str)) as &[Option<&str>],
        &person(|person| person.email.as_ref().map(Email::as_str)) as &[Option<&str>],
        &column(new, |new| new.advocate.person.email.as_ref().map(Email::key)) as &[Option<EmailKey>],
        &person(|person| person.first_name.as_ref().map(Name::as_str)) as &[Option<&str>],
        &person(|person| person.last_name.as_ref().map(Name::as_str)) as &[Option<&str>],
        &column(new, |new| new.code.as_str()) as &[&str],
        &column(new, |new| new.code.key()) as &[CodeKey],
        &column(new, |new| new.place.map(|place| place.segment_id)) as &[Option<SegmentId>],
        &column(new, |new| new.place.map(|place| place.position)) as &[Option<i32>],
        &column(new, |new| new.row.ip_address.map(|ip| ip.to_string())) as &[Option<String>],
        &column(new, |new| new.row.user_agent.as_ref().map(UserAgent::as_str)) as &[Option<&str>],
        now,
        &moved.iter().map(|moved| moved.account_id).collect::<Vec<_>>() as &[AccountId],
        &moved.iter().map(|moved| moved.segment_id).collect::<Vec<_>>() as &[SegmentId],
        &moved.iter().map(|moved| moved.next_position).collect::<Vec<_>>(),
        &moved.iter().map(|moved| moved.revision).collect::<Vec<_>>(),
        &moved.iter().map(|moved| moved.moved_to).collect::<Vec<_>>()
    )
    .fetch_all(conn)
    .await?;
    let ids = rows.into_iter().map(|row| NewIds {
        index: usize::try_from(row.index).unwrap_or_default(),
        id: row.id,
        customer_id: row.customer_id,
        coupon: row.coupon_code.map(|code| (code, row.pin)),
    });
    Ok(ids.collect())
}
