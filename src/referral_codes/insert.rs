//! The SQL that stores new referral codes with their advocates and coupons in one statement, for those who hold no locks.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::named::{Named, Terms};
use super::{ReferralCodeToIssue, Wish};
use crate::coupon_banks::seen::Moved;
use crate::customers::Person;
use crate::customers::registry::Known;
use crate::types::codes::{CodeKey, ReferralCode};
use crate::types::email::{Email, EmailKey};
use crate::types::ids::{AccountId, CampaignId, CouponBankId, CouponPlace, CustomerId, ReferralCodeId, SegmentId};
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

/// What a row's code and its advocate are called.
pub struct NewIds {
    pub index: usize,
    pub id: ReferralCodeId,
    pub customer_id: CustomerId,
}

/// The campaigns of new referral codes and the banks of their coupons, as they were seen.
pub struct SeenNames<'a> {
    campaigns: Vec<(AccountId, CampaignId, &'a Terms)>,
    banks: Vec<(AccountId, CouponBankId, &'a str)>,
}

impl<'a> SeenNames<'a> {
    /// What these rows name, each once.
    pub fn of(new: &[NewIssue<'_>], named: &'a Named) -> Self {
        let mut seen = Self { campaigns: Vec::new(), banks: Vec::new() };
        for row in new.iter().map(|new| new.row) {
            let account = row.account_id;
            if seen.campaigns.iter().all(|(of, id, _)| (*of, *id) != (account, row.campaign_id)) {
                seen.campaigns.extend(named.campaign(row).map(|terms| (account, row.campaign_id, terms)));
            }
            if let Wish::FromBank(bank) = row.wish
                && seen.banks.iter().all(|(of, id, _)| (*of, *id) != (account, bank))
            {
                seen.banks.extend(named.bank_name(account, bank).map(|name| (account, bank, name)));
            }
        }
        seen
    }
}

/// Inserts referral codes with their new advocates and moves the cursors of the segments they were drawn from: one statement,
/// all of it or nothing, so that it needs no transaction around it. Who was there first, or has drawn from a segment since
/// it was seen, or has changed what was named, breaks a `customers_` or a `referral_codes_` constraint.
pub async fn insert_new(
    conn: &mut PgConnection,
    new: &[NewIssue<'_>],
    seen: &SeenNames<'_>,
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
        &moved.iter().map(|moved| moved.moved_to).collect::<Vec<_>>(),
        &seen.campaigns.iter().map(|(account, ..)| *account).collect::<Vec<_>>() as &[AccountId],
        &seen.campaigns.iter().map(|(_, campaign, _)| *campaign).collect::<Vec<_>>() as &[CampaignId],
        &seen.campaigns.iter().map(|(.., terms)| terms.name.as_str()).collect::<Vec<_>>() as &[&str],
        &seen.campaigns.iter().map(|(.., terms)| terms.destination_url.as_str()).collect::<Vec<_>>() as &[&str],
        &seen.banks.iter().map(|(account, ..)| *account).collect::<Vec<_>>() as &[AccountId],
        &seen.banks.iter().map(|(_, bank, _)| *bank).collect::<Vec<_>>() as &[CouponBankId],
        &seen.banks.iter().map(|(.., name)| *name).collect::<Vec<_>>() as &[&str]
    )
    .fetch_one(conn)
    .await?;
    let ids = rows.indexes.into_iter().zip(rows.ids.into_iter().zip(rows.customer_ids));
    let ids = ids.map(|(index, (id, customer_id))| NewIds {
        index: usize::try_from(index).unwrap_or_default(),
        id: ReferralCodeId(id),
        customer_id: CustomerId(customer_id),
    });
    Ok(ids.collect())
}
