//! The SQL that stores new referral codes with their advocates and coupons in one statement, for those who hold no locks.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::named::{Named, Terms};
use super::{ReferralCodeToIssue, Wish};
use crate::coupon_banks::seen::Moved;
use crate::customers::Person;
use crate::customers::registry::Known;
use crate::db::numbers::Wanted;
use crate::events::{self, Fact, Kind};
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

/// What a code and its advocate are called.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    pub code: ReferralCodeId,
    pub advocate: CustomerId,
}

impl Ids {
    /// The numbers that new codes and their new advocates need.
    pub fn wanted(new: &[NewIssue<'_>]) -> [Wanted; 2] {
        let advocates = new.iter().filter(|new| new.advocate.id.is_none()).count();
        [("referral_codes_id_seq", new.len()), ("customers_id_seq", advocates)]
    }

    /// Gives numbers to new codes, and to their advocates where those have none. None, when there are too few numbers.
    pub fn give(new: &[NewIssue<'_>], [codes, advocates]: [Vec<i64>; 2]) -> Option<Vec<Self>> {
        let (mut codes, mut advocates) = (codes.into_iter().map(ReferralCodeId), advocates.into_iter().map(CustomerId));
        let named = new
            .iter()
            .map(|new| Some(Self { code: codes.next()?, advocate: new.advocate.id.or_else(|| advocates.next())? }));
        named.collect()
    }
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

/// Inserts referral codes with their new advocates, under the names given to them, and moves the cursors of the segments they were
/// drawn from: one statement, all of it or nothing, so that it needs no transaction around it. Who was there first, or has drawn from
/// a segment since it was seen, or has changed what was named, breaks a `customers_` or a `referral_codes_` constraint.
pub async fn insert_new(
    conn: &mut PgConnection,
    new: &[NewIssue<'_>],
    ids: &[Ids],
    seen: &SeenNames<'_>,
    moved: &[Moved],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    fn column<'a, T>(new: &'a [NewIssue<'_>], of: impl Fn(&'a NewIssue<'_>) -> T) -> Vec<T> {
        new.iter().map(of).collect()
    }
    let advocates: Vec<(AccountId, CustomerId, &Person)> = new
        .iter()
        .zip(ids)
        .filter(|(new, _)| new.advocate.id.is_none())
        .map(|(new, ids)| (new.row.account_id, ids.advocate, &new.advocate.person))
        .collect();
    let person = |of: fn(&Person) -> Option<&str>| advocates.iter().map(|(.., person)| of(person)).collect::<Vec<_>>();
    let facts = new.iter().zip(ids).map(|(new, ids)| Fact {
        account_id: new.row.account_id,
        kind: Kind::ReferralCodeCreated,
        subject: ids.code.0,
    });
    let events = events::Rows::of(facts);
    sqlx::query_file!(
        "src/referral_codes/sql/insert_new.sql",
        &advocates.iter().map(|(account, ..)| *account).collect::<Vec<_>>() as &[AccountId],
        &advocates.iter().map(|(_, id, _)| *id).collect::<Vec<_>>() as &[CustomerId],
        &person(|person| person.external_id.as_ref().map(OpaqueId::as_str)) as &[Option<&str>],
        &person(|person| person.email.as_ref().map(Email::as_str)) as &[Option<&str>],
        &advocates.iter().map(|(.., person)| person.email.as_ref().map(Email::key)).collect::<Vec<_>>()
            as &[Option<EmailKey>],
        &person(|person| person.first_name.as_ref().map(Name::as_str)) as &[Option<&str>],
        &person(|person| person.last_name.as_ref().map(Name::as_str)) as &[Option<&str>],
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
        &seen.banks.iter().map(|(.., name)| *name).collect::<Vec<_>>() as &[&str],
        &events.accounts as &[AccountId],
        &events.kinds as &[&str],
        &events.subjects,
        &column(new, |new| new.row.account_id) as &[AccountId],
        &ids.iter().map(|ids| ids.code).collect::<Vec<_>>() as &[ReferralCodeId],
        &column(new, |new| new.code.as_str()) as &[&str],
        &column(new, |new| new.code.key()) as &[CodeKey],
        &column(new, |new| new.row.campaign_id) as &[CampaignId],
        &ids.iter().map(|ids| ids.advocate).collect::<Vec<_>>() as &[CustomerId],
        &column(new, |new| new.place.map(|place| place.segment_id)) as &[Option<SegmentId>],
        &column(new, |new| new.place.map(|place| place.position)) as &[Option<i32>],
        &column(new, |new| new.row.ip_address.map(|ip| ip.to_string())) as &[Option<String>],
        &column(new, |new| new.row.user_agent.as_ref().map(UserAgent::as_str)) as &[Option<&str>]
    )
    .execute(conn)
    .await?;
    Ok(())
}
