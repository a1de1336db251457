//! Our chains in the table `nat`: computing the changes that put them into effect.

use super::rules::Names;
use std::{collections::BTreeSet, fmt::Write};

/// The prefixes of our chains' names, followed by the daemon's mark.
const KINDS: [&str; 3] = ["RAPTOR-FROM-", "RAPTOR-NEAR-", "RAPTOR-BACK-"];

/// The desired state of a chain.
pub(super) struct Chain {
    pub(super) name: String,
    /// The rule that jumps to it, without its target.
    pub(super) entrance: String,
    /// Its rules in the format of `iptables-save`; if empty, the chain is not needed.
    pub(super) rules: Vec<String>,
}

/// The changes to the table, given in the format of `iptables-save`, that put `wanted` into effect. `used`: whether the daemon
/// with this mark has any bridge.
pub(super) fn change(saved: &str, names: &Names, wanted: &[Chain], used: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    for chain in chains(saved) {
        let own = wanted.iter().find(|wanted| wanted.name == chain);
        let needed = match own {
            Some(own) => !own.rules.is_empty(),
            None => mark(&chain).is_some_and(|mark| Names::of(mark) != *names && used(mark)),
        };
        if !needed {
            text.push_str(&removal(saved, &chain));
        }
    }
    for Chain { name, entrance, rules } in wanted.iter().filter(|chain| !chain.rules.is_empty()) {
        let begin = format!("-A {name} ");
        let there: BTreeSet<&str> = saved.lines().filter(|line| line.starts_with(&begin)).collect();
        if there != rules.iter().map(String::as_str).collect() {
            let _ = writeln!(text, ":{name} - [0:0]\n{}", rules.join("\n"));
        }
        let jump = format!("{entrance} -j {name}");
        if !saved.lines().any(|line| line.strip_prefix("-A ") == Some(&jump)) {
            let _ = writeln!(text, "-I {jump}");
        }
    }
    text
}

/// The lines that remove the chains of all daemons.
pub(super) fn removal_of_all(saved: &str) -> String {
    chains(saved).iter().map(|chain| removal(saved, chain)).collect()
}

fn mark(chain: &str) -> Option<&str> {
    KINDS.iter().find_map(|kind| chain.strip_prefix(kind))
}

fn chains(saved: &str) -> BTreeSet<String> {
    let names = saved.lines().filter_map(|line| line.strip_prefix(':')?.split(' ').next());
    names.filter(|name| mark(name).is_some()).map(str::to_owned).collect()
}

fn removal(saved: &str, chain: &str) -> String {
    let leads = format!(" -j {chain}");
    let rules =
        saved.lines().filter_map(|line| line.strip_prefix("-A ")).filter(|rule| rule.ends_with(&leads));
    let mut text: String = rules.map(|rule| format!("-D {rule}\n")).collect();
    let _ = writeln!(text, "-F {chain}\n-X {chain}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str =
        "-A RAPTOR-FROM-abc12 -s 10.216.0.8/29 ! -o rpabc1200000001 -j SNAT --to-source 203.0.113.7";

    fn wanted(rules: &[&str]) -> [Chain; 1] {
        [Chain {
            name: "RAPTOR-FROM-abc12".into(),
            entrance: "POSTROUTING".into(),
            rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
        }]
    }

    #[test]
    fn a_chain_is_put_in_once_and_stays_until_something_differs() {
        let names = Names::of("abc12");
        let first = change("*nat\n", &names, &wanted(&[RULE]), |_| true);
        assert_eq!(
            first,
            format!(":RAPTOR-FROM-abc12 - [0:0]\n{RULE}\n-I POSTROUTING -j RAPTOR-FROM-abc12\n")
        );
        let saved =
            format!("*nat\n:RAPTOR-FROM-abc12 - [0:0]\n-A POSTROUTING -j RAPTOR-FROM-abc12\n{RULE}\n");
        assert_eq!(change(&saved, &names, &wanted(&[RULE]), |_| true), "");
        let other = saved.replace("203.0.113.7", "203.0.113.8");
        assert!(change(&other, &names, &wanted(&[RULE]), |_| true).contains(RULE));
        let bypassed = saved.replace("-A POSTROUTING -j RAPTOR-FROM-abc12\n", "");
        assert_eq!(
            change(&bypassed, &names, &wanted(&[RULE]), |_| true),
            "-I POSTROUTING -j RAPTOR-FROM-abc12\n"
        );
    }

    #[test]
    fn what_is_needed_no_more_goes_and_what_is_not_ours_stays() {
        let saved = "*nat\n:RAPTOR-FROM-abc12 - [0:0]\n:RAPTOR-FROM-old00 - [0:0]\n:RAPTOR-NEAR-new00 - [0:0]\n\
            -A POSTROUTING -j RAPTOR-FROM-abc12\n-A POSTROUTING -j RAPTOR-FROM-old00\n-A POSTROUTING -o eth0 -j MASQUERADE\n";
        let text = change(saved, &Names::of("abc12"), &wanted(&[]), |mark| mark == "new00");
        assert_eq!(
            text,
            "-D POSTROUTING -j RAPTOR-FROM-abc12\n-F RAPTOR-FROM-abc12\n-X RAPTOR-FROM-abc12\n\
             -D POSTROUTING -j RAPTOR-FROM-old00\n-F RAPTOR-FROM-old00\n-X RAPTOR-FROM-old00\n"
        );
        assert_eq!(removal_of_all(saved).matches("-X ").count(), 3);
    }
}
