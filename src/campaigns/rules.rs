//! The rules by which a campaign's conversions are judged, and how they are read from a request. What follows from them
//! is decided in `conversions`.

use rust_decimal::Decimal;
use serde::Serialize;

use crate::types::money::{Currency, InvalidAmount};
use crate::types::self_referral::SelfReferral;
use crate::types::unit::{Number, Unit, parse_percentage};
use crate::web::fields::Fields;
use crate::web::values::{NumberText, Quantity};

/// A campaign's rules. Those of a campaign that has said nothing approve every conversion and reward nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// How long after its code was handed out an order may come; without it, for ever.
    pub attribution_window_days: Option<i32>,
    /// How long a conversion waits before it is evaluated, such as for goods to be returned.
    pub days_to_delay: i32,
    /// Only a friend's first order counts.
    pub new_customers_only: bool,
    /// What is left of the order after refunds, in the account's currency.
    pub minimum_amount: Option<Number>,
    /// How many rewards one advocate may get in the campaign.
    pub maximum_rewards_per_advocate: Option<i32>,
    /// What becomes of a conversion whose buyer seems to be his own advocate.
    pub self_referral: SelfReferral,
    /// What becomes of a conversion whose order only a page in a browser reported.
    pub unverified_orders: UnverifiedOrders,
    /// How many letters of two addresses at one provider may differ and still look like one person's; without it, spelling is
    /// not compared.
    pub similar_email_edits: Option<i32>,
    /// What an advocate gets; without it, nothing.
    pub reward: Option<RewardRule>,
}

/// What becomes of orders that only a page in a browser reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnverifiedOrders {
    /// They wait until a server or a till reports them too, or for a person.
    #[default]
    Hold,
    /// They count like any other.
    Accept,
}

impl UnverifiedOrders {
    /// Its spelling on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Accept => "accept",
        }
    }

    fn named(text: &str) -> Option<Self> {
        [Self::Hold, Self::Accept].into_iter().find(|one| one.as_str() == text)
    }
}

/// What an advocate gets for a conversion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RewardRule {
    #[serde(rename = "type")]
    pub kind: RewardKind,
    /// Without it a percentage is in the order's currency.
    pub unit: Option<Unit>,
    pub value: Number,
    /// The most that one conversion gives.
    pub cap: Option<Number>,
}

/// How a reward is reckoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RewardKind {
    /// The value itself.
    Fixed,
    /// So many hundredths of the order.
    Percentage,
}

impl RewardKind {
    /// Its spelling on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Percentage => "percentage",
        }
    }

    fn named(text: &str) -> Option<Self> {
        [Self::Fixed, Self::Percentage].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Rules as the columns of a campaign hold them.
#[derive(Debug)]
pub struct RuleColumns {
    pub attribution_window_days: Option<i32>,
    pub days_to_delay: i32,
    pub new_customers_only: bool,
    pub minimum_amount: Option<Decimal>,
    pub maximum_rewards: Option<i32>,
    pub self_referral: String,
    pub unverified_orders: String,
    pub similar_email_edits: Option<i32>,
    pub reward_type: Option<String>,
    pub reward_unit: Option<String>,
    pub reward_value: Option<Decimal>,
    pub reward_cap: Option<Decimal>,
}

impl From<RuleColumns> for Rules {
    fn from(columns: RuleColumns) -> Self {
        let kind = columns.reward_type.as_deref().and_then(RewardKind::named);
        let reward = kind.zip(columns.reward_value).map(|(kind, value)| RewardRule {
            kind,
            unit: columns.reward_unit.map(Unit::from),
            value: Number(value),
            cap: columns.reward_cap.map(Number),
        });
        Self {
            attribution_window_days: columns.attribution_window_days,
            days_to_delay: columns.days_to_delay,
            new_customers_only: columns.new_customers_only,
            minimum_amount: columns.minimum_amount.map(Number),
            maximum_rewards_per_advocate: columns.maximum_rewards,
            self_referral: SelfReferral::from(columns.self_referral),
            unverified_orders: UnverifiedOrders::named(&columns.unverified_orders).unwrap_or_default(),
            similar_email_edits: columns.similar_email_edits,
            reward,
        }
    }
}

impl Rules {
    /// The rules as the columns of a campaign hold them.
    pub fn columns(&self) -> RuleColumns {
        let reward = self.reward.as_ref();
        RuleColumns {
            attribution_window_days: self.attribution_window_days,
            days_to_delay: self.days_to_delay,
            new_customers_only: self.new_customers_only,
            minimum_amount: self.minimum_amount.map(|minimum| minimum.0),
            maximum_rewards: self.maximum_rewards_per_advocate,
            self_referral: self.self_referral.as_str().to_owned(),
            unverified_orders: self.unverified_orders.as_str().to_owned(),
            similar_email_edits: self.similar_email_edits,
            reward_type: reward.map(|reward| reward.kind.as_str().to_owned()),
            reward_unit: reward.and_then(|reward| reward.unit.as_ref()).map(|unit| unit.as_str().to_owned()),
            reward_value: reward.map(|reward| reward.value.0),
            reward_cap: reward.and_then(|reward| reward.cap).map(|cap| cap.0),
        }
    }
}

/// Reads `rules`; nothing if the request has none. All faults are left with `fields`.
pub fn read(fields: &Fields<'_>, currency: Currency) -> Option<Rules> {
    let rules = fields.object("rules")?;
    let minimum = rules.parse::<NumberText>("minimum_amount");
    let minimum_amount =
        minimum.and_then(|NumberText(text)| checked(&rules, "minimum_amount", Unit::from(currency).parse(&text)));
    let self_referral = rules.text("self_referral").map(|text| {
        SelfReferral::named(&text).unwrap_or_else(|| {
            rules.fault("self_referral", "invalid_value", "must be reject, allow or review");
            SelfReferral::default()
        })
    });
    let unverified_orders = rules.text("unverified_orders").and_then(|text| {
        let found = UnverifiedOrders::named(&text);
        if found.is_none() {
            rules.fault("unverified_orders", "invalid_value", "must be hold or accept");
        }
        found
    });
    Some(Rules {
        attribution_window_days: whole(&rules, "attribution_window_days", 1, 3650),
        days_to_delay: whole(&rules, "days_to_delay", 0, 365).unwrap_or_default(),
        new_customers_only: rules.flag("new_customers_only").unwrap_or_default(),
        minimum_amount,
        maximum_rewards_per_advocate: whole(&rules, "maximum_rewards_per_advocate", 1, 1_000_000),
        self_referral: self_referral.unwrap_or_default(),
        unverified_orders: unverified_orders.unwrap_or_default(),
        similar_email_edits: whole(&rules, "similar_email_edits", 1, 3),
        reward: rules.object("reward").and_then(|reward| read_reward(&reward, currency)),
    })
}

fn read_reward(reward: &Fields<'_>, currency: Currency) -> Option<RewardRule> {
    let kind = reward.require::<String>("type").and_then(|text| {
        let kind = RewardKind::named(&text);
        if kind.is_none() {
            reward.fault("type", "invalid_value", "must be fixed or percentage");
        }
        kind
    });
    let unit = reward.text("unit").filter(|text| !text.trim().is_empty()).and_then(|text| {
        let unit = Unit::try_from(text.as_str());
        unit.map_err(|fault| reward.fault("unit", "invalid_value", fault.to_string())).ok()
    });
    let value = reward.require::<NumberText>("value");
    let cap = reward.parse::<NumberText>("cap");
    // A percentage without a unit is in the order's currency, whose decimals are not known yet.
    let decimals_of = unit.clone().unwrap_or_else(|| currency.into());
    let cap = cap.and_then(|NumberText(text)| checked(reward, "cap", decimals_of.parse(&text)));
    let (kind, NumberText(value)) = kind.zip(value)?;
    let (unit, value) = match kind {
        RewardKind::Fixed => (Some(decimals_of.clone()), decimals_of.parse(&value)),
        RewardKind::Percentage => (unit, parse_percentage(&value)),
    };
    Some(RewardRule { kind, unit, value: checked(reward, "value", value)?, cap })
}

fn checked(fields: &Fields<'_>, key: &str, amount: Result<Decimal, InvalidAmount>) -> Option<Number> {
    let refuse = |fault: InvalidAmount| match fault {
        InvalidAmount::NotANumber => fields.fault(key, "invalid_amount", "is not a number; write digits such as 10.00"),
        InvalidAmount::OutOfRange if key == "value" => {
            fields.fault(key, "out_of_range", "must be more than 0, and a percentage at most 100");
        }
        InvalidAmount::OutOfRange => fields.fault(key, "out_of_range", "must lie between 0.01 and 99999999999.99"),
        InvalidAmount::TooManyDecimals(decimals) => {
            fields.fault(key, "too_many_decimals", format!("has too many decimals; at most {decimals} are possible"));
        }
    };
    amount.map(Number).map_err(refuse).ok()
}

fn whole(fields: &Fields<'_>, key: &str, min: i64, max: i64) -> Option<i32> {
    let Quantity(number) = fields.parse(key)?;
    if !(min..=max).contains(&number) {
        fields.fault(key, "out_of_range", format!("must be a whole number from {min} to {max}"));
    }
    i32::try_from(number).ok()
}
