//! Where a link leads, and with what in its address. Pure. The destination is the campaign's, and so is what we add to it: a friend's own
//! parameters come along, but can take the place of nothing.

use std::borrow::Cow;
use std::collections::HashSet;

use url::{Url, form_urlencoded};

use super::store::LinkRow;
use crate::types::codes::ReferralCode;
use crate::types::ids::{AccountId, CampaignId, ReferralCodeId};
use crate::types::visit::{VisitToken, WINDOW_DAYS};

/// What carries the referral code to the shop's page (contract.md 3).
const REF_CODE: &str = "fbuy_ref_code";
/// What carries the visit.
const VISIT: &str = "gw_visit";
/// What tells the merchant's statistics of the campaign.
const UTM: [&str; 3] = ["utm_source", "utm_medium", "utm_campaign"];
/// Parameters of a friend that are longer than this altogether, in bytes, are left behind.
const OWN_BYTES_MAX: usize = 2_000;

/// What becomes of a click.
#[derive(Clone, Debug)]
pub enum Target {
    /// It leads to the campaign's page.
    Page(Page),
    /// Its code is spent; why, and where it leads instead, if anywhere.
    Spent { why: &'static str, fallback_url: Option<String> },
}

/// The page of a campaign, with an advocate's code in its address.
#[derive(Clone, Debug)]
pub struct Page {
    pub account_id: AccountId,
    pub referral_code_id: ReferralCodeId,
    pub campaign_id: CampaignId,
    /// For how long a visit counts, in days.
    pub window_days: u16,
    /// The address up to where the visit goes.
    head: String,
    /// Its fragment.
    tail: String,
    /// Names in its query that a friend may not use, as [`name_of`] tells them apart.
    taken: HashSet<String>,
}

impl Target {
    /// Reads a link. Nothing when its code is nobody's.
    pub fn of(link: LinkRow) -> Option<Self> {
        let fallback_url = link.fallback_url.clone().or_else(|| link.account_fallback_url.clone());
        let why = match () {
            () if link.is_blocked => Some("blocked"),
            () if link.is_used_up => Some("used_up"),
            // The links of an archived campaign stay good where nobody says what else to show.
            () if link.is_archived && fallback_url.is_some() => Some("archived"),
            () => None,
        };
        let page = Page::of(link)?;
        Some(match why {
            Some(why) => Self::Spent { why, fallback_url },
            None => Self::Page(page),
        })
    }
}

impl Page {
    fn of(link: LinkRow) -> Option<Self> {
        let (code, campaign_id) = (link.code?, link.campaign_id?);
        let mut url = Url::parse(&link.destination_url?).ok()?;
        let tail = url.fragment().map(|fragment| format!("#{fragment}")).unwrap_or_default();
        url.set_fragment(None);
        let window_days = link.window_days.and_then(|days| u16::try_from(days).ok());
        forget_ours(&mut url);
        let mut taken: HashSet<String> = url.query_pairs().map(|(name, _)| name_of(&name)).collect();
        for (name, value) in [
            (REF_CODE, Some(Cow::from(ReferralCode::as_str(&code)))),
            ("utm_source", Some(link.utm_source.map_or(Cow::from("friendbuy"), Cow::from))),
            ("utm_medium", Some(link.utm_medium.map_or(Cow::from("referral"), Cow::from))),
            ("utm_campaign", link.utm_campaign.or(link.campaign_name).map(Cow::from)),
            ("gw_keep", link.keeps_first_click.then_some(Cow::from("first"))),
            ("gw_days", window_days.filter(|days| *days != WINDOW_DAYS).map(|days| days.to_string().into())),
        ] {
            // What the merchant wrote into his page's address himself stands.
            if let Some(value) = value.filter(|_| !taken.contains(name)) {
                taken.insert(name.to_owned());
                url.query_pairs_mut().append_pair(name, &value);
            }
        }
        Some(Self {
            account_id: link.account_id,
            referral_code_id: link.referral_code_id?,
            campaign_id,
            window_days: window_days.unwrap_or(WINDOW_DAYS),
            head: url.into(),
            tail,
            taken,
        })
    }

    /// The address for one friend: with his visit, and with the parameters that he brought.
    pub fn address(&self, visit: Option<&VisitToken>, own: Option<&str>) -> String {
        let visit = visit.map(|visit| format!("&{VISIT}={}", visit.as_str())).unwrap_or_default();
        let own = own.filter(|own| own.len() <= OWN_BYTES_MAX).map(|own| self.keep(own)).unwrap_or_default();
        format!("{}{visit}{own}{}", self.head, self.tail)
    }

    /// Of a friend's parameters those whose names are free.
    fn keep(&self, own: &str) -> String {
        let mut kept = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(own.as_bytes()) {
            let folded = name_of(&name);
            let is_ours = folded == REF_CODE || folded.starts_with("gw_") || UTM.contains(&folded.as_str());
            if !folded.is_empty() && !is_ours && !self.taken.contains(&folded) {
                kept.append_pair(&name, &value);
            }
        }
        let kept = kept.finish();
        if kept.is_empty() { kept } else { format!("&{kept}") }
    }
}

/// Takes out of a page's address what is ours alone to say.
fn forget_ours(url: &mut Url) {
    let is_ours = |name: &str| name == REF_CODE || name.starts_with("gw_");
    if !url.query_pairs().any(|(name, _)| is_ours(&name_of(&name))) {
        return;
    }
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| !is_ours(&name_of(name)))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(others);
}

/// What a shop's program may take a parameter's name for: some read `fbuy.ref.code[]` as `fbuy_ref_code`.
fn name_of(name: &str) -> String {
    let whole = name.split('[').next().unwrap_or_default().trim();
    whole.chars().map(|c| if matches!(c, '.' | ' ' | '\0') { '_' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(destination: &str) -> LinkRow {
        LinkRow {
            account_id: AccountId(1),
            account_fallback_url: None,
            referral_code_id: Some(ReferralCodeId(7)),
            code: ReferralCode::try_from("c1n7yw4e").ok(),
            is_blocked: false,
            campaign_id: Some(CampaignId(53345)),
            campaign_name: Some("Spring referrals".to_owned()),
            destination_url: Some(destination.to_owned()),
            is_archived: false,
            window_days: None,
            utm_source: None,
            utm_medium: None,
            utm_campaign: None,
            fallback_url: None,
            keeps_first_click: false,
            is_used_up: false,
        }
    }

    fn address(link: LinkRow, own: &str) -> String {
        match Target::of(link) {
            Some(Target::Page(page)) => page.address(VisitToken::try_from("TOKEN").ok().as_ref(), Some(own)),
            other => panic!("{other:?}"),
        }
    }

    const OURS: &str =
        "fbuy_ref_code=c1n7yw4e&utm_source=friendbuy&utm_medium=referral&utm_campaign=Spring+referrals&gw_visit=TOKEN";

    #[test]
    fn a_page_keeps_its_own_query_and_its_fragment() {
        for (destination, wanted) in [
            ("https://a.b", format!("https://a.b/?{OURS}")),
            ("https://a.b/p?x=1&y=%20%C3%A9#top", format!("https://a.b/p?x=1&y=%20%C3%A9&{OURS}#top")),
            ("https://a.b/#/route?z=1", format!("https://a.b/?{OURS}#/route?z=1")),
            ("https://a.b/p?", format!("https://a.b/p?{OURS}")),
        ] {
            assert_eq!(address(link(destination), ""), wanted);
        }
        let tagged = address(link("https://a.b/?utm_source=shop&fbuy_ref_code=x"), "");
        let wanted = "https://a.b/?utm_source=shop&fbuy_ref_code=c1n7yw4e&utm_medium=referral&utm_campaign=Spring+referrals&gw_visit=TOKEN";
        assert_eq!(tagged, wanted);
    }

    #[test]
    fn a_friends_parameters_come_along_and_take_the_place_of_nothing() {
        let page = "https://a.b/?size=2";
        for (own, kept) in [
            ("colour=red&q=a%26b", "&colour=red&q=a%26b"),
            ("utm_content=story&utm_source=evil", "&utm_content=story"),
            (
                "fbuy_ref_code=evil&FBUY_REF_CODE=evil&fbuy.ref.code=evil&fbuy_ref_code%5B%5D=evil&%20fbuy_ref_code=evil",
                "",
            ),
            ("gw_visit=evil&gw_keep=first&gw_days=9999&size=9&Size=9", ""),
            ("x=%0d%0aSet-Cookie:a=b", "&x=%0D%0ASet-Cookie%3Aa%3Db"),
            ("&&=1&", ""),
        ] {
            assert_eq!(address(link(page), own), format!("https://a.b/?size=2&{OURS}{kept}"), "{own}");
        }
        let long = format!("x={}", "y".repeat(OWN_BYTES_MAX));
        assert_eq!(address(link(page), &long), format!("https://a.b/?size=2&{OURS}"));
    }

    #[test]
    fn a_campaign_says_what_stands_in_the_address() {
        let settings = LinkRow {
            utm_source: Some("mail".to_owned()),
            utm_medium: Some("a&b".to_owned()),
            utm_campaign: Some("x".to_owned()),
            keeps_first_click: true,
            window_days: Some(30),
            ..link("https://a.b/")
        };
        let wanted = "https://a.b/?fbuy_ref_code=c1n7yw4e&utm_source=mail&utm_medium=a%26b&utm_campaign=x&gw_keep=first&gw_days=30&gw_visit=TOKEN";
        assert_eq!(address(settings, ""), wanted);
    }

    #[test]
    fn what_is_spent_leads_to_the_fallback_of_its_campaign_or_else_its_account() {
        let fallback = |link| match Target::of(link) {
            Some(Target::Spent { why, fallback_url }) => (why, fallback_url),
            _ => ("", None),
        };
        let over = || Some("https://a.b/over".to_owned());
        let of_account = || Some("https://a.b/".to_owned());
        let page = || link("https://a.b/page");
        assert_eq!(fallback(LinkRow { is_blocked: true, ..page() }), ("blocked", None));
        assert_eq!(
            fallback(LinkRow { is_used_up: true, fallback_url: over(), account_fallback_url: of_account(), ..page() }),
            ("used_up", over())
        );
        assert_eq!(
            fallback(LinkRow { is_archived: true, account_fallback_url: of_account(), ..page() }),
            ("archived", of_account())
        );
        assert_eq!(fallback(LinkRow { is_archived: true, ..page() }), ("", None));
    }
}
