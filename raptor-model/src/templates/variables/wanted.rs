//! What rules allow, as sentences for people with the reason for programs.

use super::notation::Rule;
use crate::sentence::Sentence;

/// The error for a missing value.
#[must_use]
pub fn needed() -> Sentence {
    Sentence::from("A value is needed.").because("required")
}

/// What `rule` allows, for a value that does not meet it. `unit` is what rules about sizes count: "characters", or nothing where
/// they are about the number itself.
pub(super) fn wanted(rule: &Rule, unit: &'static str) -> Sentence {
    match rule {
        Rule::Required | Rule::Free | Rule::Unknown(_) => needed(),
        Rule::Min(_)
        | Rule::Max(_)
        | Rule::Greater(..)
        | Rule::Less(..)
        | Rule::Between(..)
        | Rule::Size(_)
        | Rule::Digits(..)
        | Rule::MultipleOf(_) => size(rule, unit),
        Rule::In(values) => list("Use one of", values).because("one_of"),
        Rule::NotIn(values) => list("Don't use any of", values).because("none_of"),
        Rule::EndsWith(ends, true) => list("End it with one of", ends).because("ends_with"),
        Rule::EndsWith(ends, false) => list("Don't end it with one of", ends).because("ends_not_with"),
        Rule::StartsWith(starts, true) => list("Begin it with one of", starts).because("begins_with"),
        Rule::StartsWith(starts, false) => {
            list("Don't begin it with one of", starts).because("begins_not_with")
        }
        Rule::Regex(pattern, true) => {
            Sentence::from(format!("This does not fit the pattern {}.", pattern.written))
                .because("pattern")
                .with("pattern", pattern.written.as_str())
        }
        Rule::Regex(pattern, false) => {
            Sentence::from(format!("This fits the pattern {}, which is not allowed.", pattern.written))
                .because("pattern_refused")
                .with("pattern", pattern.written.as_str())
        }
        Rule::Numeric => Sentence::from("Use a number.").because("number"),
        Rule::Integer => Sentence::from("Use a whole number.").because("integer"),
        Rule::Boolean => Sentence::from("Use 1 or 0.").because("boolean"),
        Rule::Accepted => Sentence::from("Use 1 to accept.").because("accepted"),
        Rule::Alpha => Sentence::from("Use letters only.").because("letters"),
        Rule::AlphaNum => Sentence::from("Use letters and digits only.").because("letters_digits"),
        Rule::AlphaDash => Sentence::from("Use letters, digits, dashes and underscores only.")
            .because("letters_digits_dashes"),
        Rule::Case(true) => Sentence::from("Use capital letters.").because("capitals"),
        Rule::Case(false) => Sentence::from("Use small letters.").because("small_letters"),
        Rule::Url => Sentence::from("Use an address like https://example.com.").because("web_address"),
        Rule::Email => Sentence::from("Use an e-mail address.").because("email"),
        Rule::Ip => Sentence::from("Use an IP address.").because("ip_address"),
        Rule::Json => Sentence::from("Use JSON.").because("json"),
        Rule::Uuid => Sentence::from("Use a UUID.").because("uuid"),
    }
}

/// What a rule about a size or a number allows.
fn size(rule: &Rule, unit: &'static str) -> Sentence {
    let counted = |text: String| {
        let parted = if unit.is_empty() { "" } else { " " };
        Sentence::from(format!("{text}{parted}{unit}.")).with("unit", unit)
    };
    match rule {
        Rule::Min(min) => {
            counted(format!("Use at least {min}")).because("at_least").with("min", min.as_str())
        }
        Rule::Max(max) => counted(format!("Use at most {max}")).because("at_most").with("max", max.as_str()),
        Rule::Greater(bound, _) => {
            counted(format!("Use more than {bound}")).because("more_than").with("min", bound.as_str())
        }
        Rule::Less(bound, _) => {
            counted(format!("Use less than {bound}")).because("less_than").with("max", bound.as_str())
        }
        Rule::Between(min, max) => counted(format!("Use {min} to {max}"))
            .because("between")
            .with("min", min.as_str())
            .with("max", max.as_str()),
        Rule::Size(exact) => {
            counted(format!("Use exactly {exact}")).because("exactly").with("size", exact.as_str())
        }
        Rule::Digits(min, max) if min == max => {
            Sentence::from(format!("Use {min} digits.")).because("digits").with("min", *min)
        }
        Rule::Digits(min, max) => Sentence::from(format!("Use {min} to {max} digits."))
            .because("digits_between")
            .with("min", *min)
            .with("max", *max),
        Rule::MultipleOf(of) => {
            Sentence::from(format!("Use a multiple of {of}.")).because("multiple").with("of", of.as_str())
        }
        _ => needed(),
    }
}

/// A sentence that ends with values to choose from, or to avoid.
fn list(text: &str, values: &[String]) -> Sentence {
    let values = values.join(", ");
    Sentence::from(format!("{text}: {values}.")).with("values", values)
}
