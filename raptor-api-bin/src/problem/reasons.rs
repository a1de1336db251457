//! Why a field of the input is refused: `reason` among the values of a problem with the code `invalid`.

use super::codes::Code;

/// The reasons in alphabetical order, with the names of their values. A reason never changes its meaning, since programs depend on
/// it. A field that only programs send may be refused without one.
pub(crate) const REASONS: &[Code] = &[
    ("accepted", "It has to be 1, to accept", &[]),
    ("address", "It is neither an address nor a network", &[]),
    ("address_link_local", "The address is valid on one link only", &[]),
    ("address_not_allowed", "The daemon does not allow the address", &["addresses", "host", "ip"]),
    ("address_not_on_host", "The host does not have the address", &["addresses", "host", "ip"]),
    ("address_unusable", "Nothing can listen on the address", &[]),
    ("at_least", "It is less than `min`, in `unit`", &["min", "unit"]),
    ("at_most", "It is more than `max`, in `unit`", &["max", "unit"]),
    ("begins_not_with", "It begins with one of the refused texts", &["values"]),
    ("begins_with", "It begins with none of the allowed texts", &["values"]),
    ("between", "It is less than `min` or more than `max`, in `unit`", &["max", "min", "unit"]),
    ("boolean", "It is neither 1 nor 0", &[]),
    ("capitals", "It has small letters", &[]),
    ("console_encoding", "No console can have this encoding", &[]),
    ("cpu_limit", "It is not a share of processors that can be set", &[]),
    ("cpu_list", "It is not a list of processors", &[]),
    ("cursor", "It is not a cursor of this list", &[]),
    ("digits", "It does not have as many digits", &["min"]),
    ("digits_between", "It has too few or too many digits", &["max", "min"]),
    ("disk_limit", "It is not a size that can be set", &[]),
    ("email", "It is not an email address", &[]),
    ("encoding", "There is no such encoding", &[]),
    ("ends_not_with", "It ends with one of the refused texts", &["values"]),
    ("ends_with", "It ends with none of the allowed texts", &["values"]),
    ("exactly", "It is not exactly `size`, in `unit`", &["size", "unit"]),
    ("file_pattern", "It is not a pattern of files", &["pattern"]),
    ("file_pattern_line", "A pattern of files is too long or begins with `#`", &["max"]),
    ("files_hidden", "The caller does not see all files that would be shown", &[]),
    ("first_command", "It is the first of the named commands", &[]),
    ("host", "It is not a host by itself", &[]),
    ("host_address", "It is not an address that a host can have", &[]),
    ("image", "It is not the reference of an image", &[]),
    ("image_case", "The name of an image has capital letters", &["lower"]),
    ("image_listed", "The image is neither one of the template nor an allowed one", &[]),
    ("image_needed", "The template has no image, so one has to be chosen", &[]),
    ("image_of_template", "The image is not one of the template", &[]),
    ("image_pattern", "It is not a pattern of images", &["pattern"]),
    ("image_pattern_case", "A pattern of images has capital letters", &["pattern"]),
    ("image_pattern_host", "A pattern of images leaves the registry open", &["pattern"]),
    (
        "image_pattern_size",
        "A pattern of images is too long or has too many wildcards",
        &["max", "wildcards"],
    ),
    ("integer", "It is not a whole number", &[]),
    ("io_weight", "It is not a weight that can be set", &[]),
    ("ip_address", "It is not an IP address", &[]),
    ("json", "It is not JSON", &[]),
    ("key_kind", "Keys of this kind are not supported", &[]),
    ("key_line", "It is not one key on one line", &[]),
    ("key_short", "The key is too short to be safe", &[]),
    ("label_reserved", "Raptor sets labels of this name itself", &[]),
    ("labels", "There are too many labels, or one has a name that is not allowed", &["max"]),
    ("less_than", "It is not less than `max`, in `unit`", &["max", "unit"]),
    ("letters", "It has something else than letters", &[]),
    ("letters_digits", "It has something else than letters and digits", &[]),
    ("letters_digits_dashes", "It has something else than letters, digits, dashes and underscores", &[]),
    ("level", "Nobody can be given this level", &[]),
    ("link_expired", "The link is no longer valid", &[]),
    ("memory_limit", "It is not a size that can be set", &[]),
    ("more_than", "It is not more than `min`, in `unit`", &["min", "unit"]),
    ("mount_path", "It is not an absolute path without `..` and colons", &[]),
    ("mount_taken", "The path is used inside of containers already", &["path"]),
    ("multiple", "It is not a multiple", &["of"]),
    ("name_length", "The name is empty, too long, or has control characters", &["max"]),
    ("network_size", "The network has too many addresses", &["max"]),
    ("none_of", "It is one of the refused values", &["values"]),
    ("not_a_key", "It is not a public key", &[]),
    ("not_a_template", "It is not a template", &[]),
    ("not_utf8", "It is not UTF-8 text", &[]),
    ("number", "It is not a number", &[]),
    ("one_of", "It is none of the allowed values", &["values"]),
    ("own_network", "It is possible with a network of its own only", &[]),
    ("password_common", "The password is among the first that are guessed", &[]),
    ("password_length", "The password is too short or too long", &["max", "min"]),
    ("password_same", "It is the current password", &[]),
    ("password_wrong", "It is not the current password", &[]),
    ("path_inside", "The path is not inside of the container's folder", &[]),
    ("pattern", "It does not fit the pattern", &["pattern"]),
    ("pattern_refused", "It fits the pattern that is refused", &["pattern"]),
    ("permissions_needed", "At least one permission has to be chosen", &[]),
    ("picture", "It is not a picture as a `data:` URL", &[]),
    ("port", "It is not a port of 1 to 65535", &[]),
    ("ports", "It is not a list of ports and ranges", &["text"]),
    ("private_key", "It is a private key, not the public one", &[]),
    ("process_limit", "It is not a number of processes that can be set", &[]),
    ("range", "The number is too small or too large", &["max", "min"]),
    ("registry_host", "It is not the host of a registry", &[]),
    ("required", "There has to be a value", &[]),
    ("size_or_none", "The size is negative", &[]),
    ("small_letters", "It has capital letters", &[]),
    ("swap_limit", "It is not a size that can be set", &[]),
    ("template_file", "It can't be read as a template", &[]),
    ("template_parts", "The template has too many variables or files", &[]),
    ("template_size", "The file is too large for a template", &[]),
    ("template_version", "A newer version of Raptor wrote the template", &["version"]),
    ("timezone", "There is no such time zone", &[]),
    ("too_long", "It has too many characters", &["max"]),
    ("too_many", "There are too many of them", &["max"]),
    ("too_many_bytes", "It is empty or has too many bytes", &["max"]),
    ("unknown", "There is no such thing", &[]),
    ("unstorable", "It has a character that can't be stored", &[]),
    ("user_owns", "The user owns the container", &[]),
    ("user_unknown", "There is no such user", &[]),
    ("username", "It has characters that a user name can't have, or is too long", &["max"]),
    ("uuid", "It is not a UUID", &[]),
    ("variable_hidden", "A variable that the caller does not see needs a value", &[]),
    ("variable_locked", "Users may not change the variable", &[]),
    ("variable_name", "The variable's name has something else than letters, digits and underscores", &[]),
    ("variable_twice", "Two variables have the same name", &[]),
    ("variable_unknown", "The template has no such variable", &[]),
    ("variables", "Variables need other values", &["names"]),
    ("web_address", "It is not a web address", &[]),
    ("web_address_plain", "The web address is too long, or has a user name or password in it", &["max"]),
    ("web_page", "It is a web page, not the file itself", &[]),
    ("year", "The year can't be stored", &[]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::codes::tests::sources;
    use std::{collections::BTreeSet, path::Path};

    const BEFORE: &str = ".because(\"";

    fn texts() -> Vec<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut texts = Vec::new();
        for folder in ["raptor-model/src", "raptor-core/src", "raptor-api-bin/src"] {
            sources(&root.join(folder), &mut texts);
        }
        texts
    }

    /// What stands behind the parenthesis that ends the arguments at the beginning of `text`.
    fn behind_arguments(text: &str) -> &str {
        let mut depth = 1;
        let end = text.find(|c| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        end.map_or("", |end| &text[end + 1..])
    }

    /// The names of the values that are added right behind a reason.
    fn added(mut text: &str) -> Vec<&str> {
        let mut names = Vec::new();
        while let Some(arguments) = text.trim_start().strip_prefix(".with(") {
            names.extend(arguments.trim_start().strip_prefix('"').and_then(|name| name.split('"').next()));
            text = behind_arguments(arguments);
        }
        names
    }

    #[test]
    fn every_reason_in_the_sources_is_listed_with_its_values_and_every_listed_one_is_in_the_sources() {
        let texts = texts();
        assert!(REASONS.is_sorted_by_key(|(reason, ..)| *reason), "in alphabetical order");
        let mut found = BTreeSet::new();
        for text in &texts {
            for (at, _) in text.match_indices(BEFORE) {
                let (reason, rest) = text[at + BEFORE.len()..].split_once('"').unwrap();
                let listed = REASONS.iter().find(|(listed, ..)| *listed == reason);
                let (.., values) = listed.unwrap_or_else(|| panic!("{reason} is not listed"));
                for name in added(behind_arguments(rest)) {
                    assert!(values.contains(&name), "{reason}: {name} is not listed");
                }
                found.insert(reason);
            }
        }
        assert!(found.len() > 50, "reasons were found: {found:?}");
        for (reason, ..) in REASONS {
            let literal = format!("\"{reason}\"");
            assert!(
                texts.iter().any(|text| text.contains(&literal)),
                "{reason} is listed and not in the sources"
            );
        }
    }
}
