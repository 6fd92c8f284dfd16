//! Codes as text: what a merchant uploads, what Goodword mints, what an order carries.
//!
//! Three kinds, each with one door: a [`CouponCode`] is somebody else's and must be safe to print, a
//! [`ReferralCode`] is given out by us, a [`RecordedCode`] is whatever an order said. All three are kept as spelled
//! and compared by their [`CodeKey`]. [`fold`] is the only place of the program that folds a code: neither SQL nor
//! another module lower-cases one, because `lower()` differs between collations.
//!
//! Assumes nothing about the database. Never changes a spelling beyond trimming white space around it.

use rand::{Rng, RngExt};
use serde::Serialize;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_security::general_security_profile::IdentifierType;
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::{GeneralSecurityProfile, MixedScript};

/// Most characters of a coupon code or a referral code; the columns have the same check.
pub const CODE_CHARS_MAX: usize = 64;
/// Most characters of a code recorded with an order; the column has the same check.
pub const RECORDED_CODE_CHARS_MAX: usize = 255;
/// Characters of a code we mint: five bits each, so 40 bits.
pub const MINTED_CODE_CHARS: usize = 8;

/// Crockford's base 32 in lower case: no i, l, o, u, which are misread or spell words.
const ALPHABET: [char; 32] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 'k', 'm', 'n', 'p',
    'q', 'r', 's', 't', 'v', 'w', 'x', 'y', 'z',
];

/// A spreadsheet runs a cell that starts with one of these; Excel takes the full-width forms too.
pub const FORMULA_STARTS: [char; 8] = ['=', '@', '+', '-', '＝', '＠', '＋', '－'];

/// The form by which codes are compared: trimmed, ASCII letters in lower case, all else as it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct CodeKey(String);

impl CodeKey {
    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Folds any text to the key it is looked up by. Total: text that is no valid code gets a key that finds nothing.
pub fn fold(text: &str) -> CodeKey {
    CodeKey(text.trim().to_ascii_lowercase())
}

/// Why a text cannot be a code. The messages are shown to the merchant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCode {
    #[error("The code is empty. Give it 1 to {CODE_CHARS_MAX} characters.")]
    Empty,
    #[error("The code is too long. Use at most {CODE_CHARS_MAX} characters.")]
    TooLong,
    #[error("The code starts with {0}, which spreadsheets run as a formula. Start it with a letter or a digit.")]
    Formula(char),
    #[error("The code contains the control character {}. Remove it.", code_point(*.0))]
    Control(char),
    #[error("The code contains the invisible character or unusual space {}. Remove it.", code_point(*.0))]
    Invisible(char),
    #[error("The code contains {}, which is no character that everybody can see. Replace it.", code_point(*.0))]
    Unassigned(char),
    #[error("The code contains several spaces in a row. Use a single one.")]
    RepeatedSpace,
    /// Never from `try_from`: an upload refuses what [`CouponCode::mixes_scripts`] finds.
    #[error(
        "The code mixes alphabets whose letters look alike, such as Latin and Cyrillic. Type it again in one alphabet."
    )]
    MixedScripts,
}

fn code_point(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

/// A coupon as the merchant uploaded it: 1 to 64 visible characters, kept as spelled, found without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct CouponCode(String);

impl CouponCode {
    /// The code as spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form it is compared by.
    pub fn key(&self) -> CodeKey {
        fold(&self.0)
    }

    /// Whether letters of different scripts stand side by side, as in a Cyrillic С before "looney1".
    ///
    /// Latin beside Chinese, Japanese or Korean is no mix: people there write so, and nothing looks alike (UTS 39,
    /// "highly restrictive").
    pub fn mixes_scripts(&self) -> bool {
        if self.0.is_ascii() || self.0.as_str().is_single_script() {
            return false;
        }
        let latin = AugmentedScriptSet::for_char('a');
        let mut others = AugmentedScriptSet::default();
        for script in self.0.chars().map(AugmentedScriptSet::for_char).filter(|script| *script != latin) {
            others.intersect_with(script);
        }
        !(others.hanb || others.jpan || others.kore)
    }
}

impl TryFrom<&str> for CouponCode {
    type Error = InvalidCode;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let code = text.trim();
        if let Some(first) = code.chars().next().filter(|first| FORMULA_STARTS.contains(first)) {
            return Err(InvalidCode::Formula(first));
        }
        check(code)?;
        Ok(Self(code.to_owned()))
    }
}

/// Names one advocate in one campaign: 1 to 64 visible characters, kept as spelled, found without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct ReferralCode(String);

impl ReferralCode {
    /// Mints a code of [`MINTED_CODE_CHARS`] characters that people can read out to each other. Not checked for
    /// being taken: at 40 bits that is rare, and the unique constraint sees it.
    pub fn generate(rng: &mut impl Rng) -> Self {
        Self((0..MINTED_CODE_CHARS).map(|_| ALPHABET[rng.random_range(0..ALPHABET.len())]).collect())
    }

    /// The code as spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form it is compared by.
    pub fn key(&self) -> CodeKey {
        fold(&self.0)
    }
}

impl TryFrom<&str> for ReferralCode {
    type Error = InvalidCode;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let code = text.trim();
        check(code)?;
        Ok(Self(code.to_owned()))
    }
}

/// An issued coupon's code also names its advocate. The rules for coupons are the stricter ones, so this cannot fail.
impl From<CouponCode> for ReferralCode {
    fn from(coupon: CouponCode) -> Self {
        Self(coupon.0)
    }
}

/// A code exactly as an order carried it: at most 255 characters, perhaps none, perhaps nonsense.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct RecordedCode(String);

/// Why a text cannot even be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecordedCode {
    #[error("The code is too long. Send at most {RECORDED_CODE_CHARS_MAX} characters.")]
    TooLong,
    #[error("The code contains the character U+0000, which cannot be stored. Remove it.")]
    Nul,
}

impl RecordedCode {
    /// The text as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form it is compared by; `None` when it is blank and so names nothing.
    pub fn key(&self) -> Option<CodeKey> {
        let key = fold(&self.0);
        (!key.0.is_empty()).then_some(key)
    }
}

impl TryFrom<String> for RecordedCode {
    type Error = InvalidRecordedCode;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.contains('\0') {
            return Err(InvalidRecordedCode::Nul);
        }
        if text.chars().nth(RECORDED_CODE_CHARS_MAX).is_some() {
            return Err(InvalidRecordedCode::TooLong);
        }
        Ok(Self(text))
    }
}

/// Whether every character of `text` can be seen, so that it may be shown in a report as it is.
pub fn is_visible(text: &str) -> bool {
    text.chars().all(|c| fault_of(c).is_none())
}

fn check(code: &str) -> Result<(), InvalidCode> {
    if code.is_empty() {
        return Err(InvalidCode::Empty);
    }
    if code.chars().nth(CODE_CHARS_MAX).is_some() {
        return Err(InvalidCode::TooLong);
    }
    if let Some(fault) = code.chars().find_map(fault_of) {
        return Err(fault);
    }
    // On paper and on a web page several spaces look like one, so nobody could type such a code.
    if code.contains("  ") {
        return Err(InvalidCode::RepeatedSpace);
    }
    Ok(())
}

fn fault_of(c: char) -> Option<InvalidCode> {
    if c == ' ' || c.is_ascii_graphic() {
        return None; // nearly all there is
    }
    match c.general_category() {
        GeneralCategory::Control => Some(InvalidCode::Control(c)),
        GeneralCategory::Format
        | GeneralCategory::SpaceSeparator
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator => Some(InvalidCode::Invisible(c)),
        GeneralCategory::PrivateUse | GeneralCategory::Unassigned | GeneralCategory::Surrogate => {
            Some(InvalidCode::Unassigned(c))
        }
        _ if is_blank(c) => Some(InvalidCode::Invisible(c)),
        _ => None,
    }
}

/// Letters, marks and symbols by category, yet nothing to see: Hangul fillers, variation selectors, the empty
/// Braille pattern and the like. Unicode's list of ignorables lacks the Braille one.
fn is_blank(c: char) -> bool {
    c == '\u{2800}' || c.identifier_type() == Some(IdentifierType::Default_Ignorable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn coupons_are_kept_as_spelled() {
        for (text, kept) in [
            ("Clooney1", "Clooney1"),
            (" 00123\t", "00123"),
            ("SUMMER SALE", "SUMMER SALE"),
            ("5\"-OFF!", "5\"-OFF!"),
            ("10%", "10%"),
            ("ÉTÉ", "ÉTÉ"),
            ("ＡＢＣ", "ＡＢＣ"),
            ("СКИДКА", "СКИДКА"),
            ("🎁1", "🎁1"),
        ] {
            assert_eq!(CouponCode::try_from(text).unwrap().as_str(), kept);
        }
        assert!(CouponCode::try_from("é".repeat(64).as_str()).is_ok());
    }

    #[test]
    fn coupons_nobody_could_type_are_refused() {
        assert_eq!(CouponCode::try_from(" \u{a0}").unwrap_err(), InvalidCode::Empty);
        assert_eq!(CouponCode::try_from("é".repeat(65).as_str()).unwrap_err(), InvalidCode::TooLong);
        assert_eq!(CouponCode::try_from("A  1").unwrap_err(), InvalidCode::RepeatedSpace);
        for first in ['=', '@', '+', '-', '＝'] {
            let text = format!(" {first}cmd|'/c calc'!A1");
            assert_eq!(CouponCode::try_from(text.as_str()).unwrap_err(), InvalidCode::Formula(first));
        }
        for c in "\0\t\n\r\u{1b}\u{7f}\u{85}".chars() {
            assert_eq!(CouponCode::try_from(format!("A{c}1").as_str()).unwrap_err(), InvalidCode::Control(c));
        }
        let invisible = "\u{a0}\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{1680}\u{17b4}\u{180e}\u{180f}\u{2000}\u{200b}\
             \u{200d}\u{200e}\u{2028}\u{2029}\u{202e}\u{202f}\u{205f}\u{2060}\u{2066}\u{2800}\u{3000}\u{3164}\
             \u{fe00}\u{fe0f}\u{feff}\u{ffa0}\u{e0001}\u{e0041}\u{e0100}";
        for c in invisible.chars() {
            assert_eq!(CouponCode::try_from(format!("A{c}1").as_str()).unwrap_err(), InvalidCode::Invisible(c));
        }
        for c in "\u{e000}\u{378}\u{fffe}\u{10ffff}".chars() {
            assert_eq!(CouponCode::try_from(format!("A{c}1").as_str()).unwrap_err(), InvalidCode::Unassigned(c));
        }
    }

    #[test]
    fn messages_name_the_code_point() {
        let fault = CouponCode::try_from("A\u{200b}1").unwrap_err();
        assert!(fault.to_string().contains("U+200B"), "{fault}");
    }

    #[test]
    fn scripts_that_look_alike_do_not_mix() {
        let mixes = |text: &str| CouponCode::try_from(text).unwrap().mixes_scripts();
        for mixed in ["Сlooney1", "SALΕ10", "ЅAVE", "a\u{585}", "さеа"] {
            assert!(mixes(mixed), "{mixed}");
        }
        for pure in ["Clooney1", "СКИДКА-10", "ÉTÉ", "ＡＢＣ10", "夏SALE", "さくら桜SAKURA", "세일SALE", "10%", "🎁"]
        {
            assert!(!mixes(pure), "{pure}");
        }
    }

    #[test]
    fn folding_touches_ascii_only() {
        for (text, key) in [(" AbC ", "abc"), ("STRAßE", "straße"), ("İI", "İi"), ("\u{212a}", "\u{212a}"), ("", "")]
        {
            assert_eq!(fold(text).as_str(), key);
        }
    }

    #[test]
    fn referral_codes_may_start_like_a_formula_but_not_hide() {
        assert_eq!(ReferralCode::try_from(" +1up").unwrap().as_str(), "+1up");
        assert_eq!(ReferralCode::try_from("").unwrap_err(), InvalidCode::Empty);
        assert_eq!(ReferralCode::try_from("a\u{2060}b").unwrap_err(), InvalidCode::Invisible('\u{2060}'));
    }

    #[test]
    fn recorded_codes_are_kept_exactly() {
        let recorded = |text: &str| RecordedCode::try_from(text.to_owned());
        assert_eq!(recorded(" A1\n").unwrap().as_str(), " A1\n");
        assert_eq!(recorded(" A1\n").unwrap().key(), Some(fold("a1")));
        assert_eq!(recorded(" \t").unwrap().key(), None);
        assert!(recorded(&"é".repeat(255)).is_ok());
        assert_eq!(recorded(&"é".repeat(256)).unwrap_err(), InvalidRecordedCode::TooLong);
        assert_eq!(recorded("A\0").unwrap_err(), InvalidRecordedCode::Nul);
    }

    /// Holds the promise that these types can stand in `query_as!` columns and in arrays.
    #[test]
    fn codes_are_text_to_postgres() {
        fn array_name<T: sqlx::postgres::PgHasArrayType>() -> String {
            T::array_type_info().to_string()
        }
        for name in [
            array_name::<CodeKey>(),
            array_name::<CouponCode>(),
            array_name::<ReferralCode>(),
            array_name::<RecordedCode>(),
        ] {
            assert_eq!(name, "TEXT[]");
        }
    }

    proptest! {
        #[test]
        fn minted_codes_have_no_look_alikes(seed: u64) {
            use rand::SeedableRng;
            let code = ReferralCode::generate(&mut rand::rngs::StdRng::seed_from_u64(seed));
            prop_assert_eq!(code.as_str().len(), MINTED_CODE_CHARS);
            prop_assert!(!code.as_str().contains(['i', 'l', 'o', 'u']));
            prop_assert_eq!(code.key(), CodeKey(code.as_str().to_owned()));
            prop_assert_eq!(ReferralCode::try_from(code.as_str()), Ok(code));
        }

        #[test]
        fn folding_is_idempotent(text: String) {
            let key = fold(&text);
            prop_assert_eq!(fold(key.as_str()), key);
        }

        #[test]
        fn a_valid_code_is_visible_and_stays_as_it_is(text in "\\PC{0,70}") {
            if let Ok(code) = CouponCode::try_from(text.as_str()) {
                prop_assert!(is_visible(code.as_str()));
                prop_assert_eq!(text.trim(), code.as_str());
                prop_assert_eq!(CouponCode::try_from(code.as_str()), Ok(code));
            }
        }
    }
}
