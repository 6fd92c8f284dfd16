//! The one registry of id types: what names a row, so that a coupon can name a customer without importing `customers`.

/// Declares an id as a newtype over `bigint`.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }
    )+};
}

ids! {
    /// A merchant.
    AccountId;
    /// A campaign, unique within its account.
    CampaignId;
    /// A conversion, unique within its account.
    ConversionId;
    /// A coupon bank, unique within its account.
    CouponBankId;
    /// A customer: our number for him, not the merchant's.
    CustomerId;
    /// An address that wants no more mail, unique within its account.
    OptOutId;
    /// A recorded purchase, unique within its account.
    PurchaseId;
    /// A referral code's row. On the wire referral codes are named by their text.
    ReferralCodeId;
    /// A reward, unique within its account.
    RewardId;
    /// A share, unique within its account.
    ShareId;
    /// One load into a coupon bank.
    SegmentId;
    /// An event on its way to an endpoint, unique within its account.
    WebhookDeliveryId;
    /// Where an account wants its events posted, unique within its account.
    WebhookEndpointId;
}

/// Where a coupon lies: its segment, and its place in the segment's random order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CouponPlace {
    pub segment_id: SegmentId,
    pub position: i32,
}
