//! Passwords that attackers try first.

/// About 11,700 passwords of eight characters or more, in lower case, sorted: those among the 30,000 most frequent ones of
/// zxcvbn
/// 3.1.1 (MIT, see `common.LICENSE`), default passwords of software, and obvious ones for this software.
const LIST: &str = include_str!("common.txt");

/// Whether attackers are likely to try `password` first: it is on the list, possibly with upper-case letters or followed by
/// some digits and symbols, or it is a repeated character or a sequence of neighbours in the alphabet.
pub(super) fn is_common(password: &str) -> bool {
    let password = password.to_lowercase();
    let listed = |word: &str| LIST.lines().any(|line| line == word);
    let stem = password.trim_end_matches(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation());
    let stem_of_all =
        |stem: &str| ["admin", "letmein", "qwerty", "raptor", "welcome"].contains(&stem) || listed(stem);
    let behind = password.len() - stem.len();
    listed(&password) || (behind <= 5 && stem_of_all(stem)) || is_row(&password)
}

/// Whether each character differs from the previous one by the same step of -1, 0 or 1: `aaaaaaaa`, `23456789`, `hgfedcba`.
fn is_row(password: &str) -> bool {
    let codes: Vec<i64> = password.chars().map(|c| i64::from(u32::from(c))).collect();
    let steps: Vec<i64> = codes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let Some(first) = steps.first() else { return true };
    (-1..=1).contains(first) && steps.iter().all(|step| step == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_tries_first_is_known_and_a_phrase_is_not() {
        for common in [
            "password",
            "Password1!",
            "12345678",
            "QWERTY123",
            "letmein1",
            "admin123",
            "Admin2026!",
            "Minecraft",
            "aaaaaaaaaa",
            "23456789",
            "hgfedcba",
            "iloveyou2",
            "trustno1",
            "starwars",
            "Maverick99!",
            "1q2w3e4r5t",
            "ncc1701e",
            "passw0rd1",
        ] {
            assert!(is_common(common), "{common}");
        }
        for good in [
            "correct horse",
            "a better one",
            "battery staple",
            "Xk9-tQ!z",
            "passwordless bread",
            "qwer of my own",
        ] {
            assert!(!is_common(good), "{good}");
        }
    }

    #[test]
    fn the_list_is_sorted_and_holds_nothing_that_is_too_short_anyway() {
        let lines: Vec<&str> = LIST.lines().collect();
        assert!(lines.is_sorted());
        assert!(lines.iter().all(|line| line.len() >= 8 && *line == line.to_lowercase()));
    }
}
