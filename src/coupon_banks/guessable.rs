//! Warns of codes that strangers can guess: numbered ones, and ones with too little chance in them. Refuses nothing.

use std::collections::HashSet;

/// How many codes of a load are looked at.
pub const SAMPLE_MAX: usize = 1_000;
/// Fewer codes than this are chosen by name, not generated.
const SAMPLE_MIN: usize = 50;
/// Generated codes should have 40 bits: a million of them are then found by one guess in a million. A small sample shows
/// less chance than there is, so the warning comes later.
const BITS_MIN: f64 = 32.0;

/// What the merchant should know about codes like these, in the order of their file.
pub fn warnings(codes: &[String]) -> Vec<String> {
    if codes.len() < SAMPLE_MIN {
        return Vec::new();
    }
    if is_numbered(codes) {
        return vec![
            "The codes are numbered one after the other: whoever has one knows the others. Generate random ones."
                .to_owned(),
        ];
    }
    let bits = chance_bits(codes);
    if bits < BITS_MIN {
        return vec![format!(
            "The codes hold about {bits:.0} bits of chance each and can be guessed. Use at least 8 random letters and digits."
        )];
    }
    Vec::new()
}

/// Whether most codes follow their neighbour by one.
fn is_numbered(codes: &[String]) -> bool {
    let numbers: Vec<Option<u64>> = codes
        .iter()
        .map(|code| {
            let digits = code.len() - code.bytes().rev().take_while(u8::is_ascii_digit).count();
            code.get(digits..).and_then(|digits| digits.parse().ok())
        })
        .collect();
    let steps =
        numbers.windows(2).filter(|pair| matches!(pair, [Some(one), Some(next)] if one.abs_diff(*next) == 1)).count();
    steps * 2 > codes.len()
}

/// How many bits of chance a code seems to hold: the characters seen at each place, counted from the end.
fn chance_bits(codes: &[String]) -> f64 {
    let longest = codes.iter().map(|code| code.chars().count()).max().unwrap_or(0);
    (0..longest)
        .map(|place| {
            let seen: HashSet<Option<char>> = codes.iter().map(|code| code.chars().rev().nth(place)).collect();
            #[expect(clippy::cast_precision_loss, reason = "at most a thousand characters")]
            let kinds = seen.len() as f64;
            kinds.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::codes::ReferralCode;

    #[test]
    fn numbered_and_short_codes_are_warned_of() {
        let numbered: Vec<String> = (100_001..100_200).map(|n| format!("ride{n}")).collect();
        assert!(warnings(&numbered)[0].contains("numbered"));
        let short: Vec<String> = (0..200_u32).map(|n| format!("save{:03}", n * 37 % 1_000)).collect();
        assert!(warnings(&short)[0].contains("guessed"));
    }

    #[test]
    fn random_codes_and_chosen_ones_are_not() {
        let random: Vec<String> =
            (0..200).map(|_| ReferralCode::generate(&mut rand::rng()).as_str().to_owned()).collect();
        assert_eq!(warnings(&random), Vec::<String>::new());
        assert_eq!(warnings(&["clooney1".to_owned(), "clooney2".to_owned()]), Vec::<String>::new());
    }
}
