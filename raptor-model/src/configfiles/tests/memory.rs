//! INI files over several starts.

use super::{P, edits};
use crate::configfiles::{Memory, apply};
use serde_json::json;

/// A file on a host, and the memory of it.
struct File {
    text: String,
    memory: Memory,
}

impl File {
    fn shipped(text: &str) -> Self {
        Self { text: text.into(), memory: Memory::new(false) }
    }

    /// A start with these values; the memory is stored and loaded again.
    fn start(&mut self, pairs: &[(&str, &str)]) -> &str {
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (*key, json!(value))).collect();
        let memory = self.memory.file("a.ini", !self.text.is_empty());
        let edited = apply(P::Ini, self.text.as_bytes(), &edits(&pairs), memory).unwrap();
        self.text = String::from_utf8(edited).unwrap();
        self.memory = serde_json::from_str(&serde_json::to_string(&self.memory).unwrap()).unwrap();
        &self.text
    }
}

#[test]
fn a_value_leaves_no_tail_behind_at_the_next_start() {
    let mut file = File::shipped("[Host Settings]\nServerName=\"x\"\nPassword=\"y\"\n");
    let (name, password) = ("[Host Settings].ServerName", "[Host Settings].Password");
    let begun = file.start(&[(name, "Best # 1 server"), (password, "old ;secret")]);
    assert_eq!(begun, "[Host Settings]\nServerName=Best # 1 server\nPassword=old ;secret\n");
    let then = file.start(&[(name, "Calm"), (password, "new")]);
    assert_eq!(then, "[Host Settings]\nServerName=Calm\nPassword=new\n");
    // To a beginning of itself, and back.
    file.start(&[(name, "A ;b # c"), (password, "old ;secret")]);
    assert_eq!(
        file.start(&[(name, "A"), (password, "old")]),
        "[Host Settings]\nServerName=A\nPassword=old\n"
    );
}

#[test]
fn a_comment_that_the_file_was_shipped_with_stays() {
    let mut file = File::shipped("[a]\nport = 1 ; the port\nname=x\t# who\n");
    assert_eq!(file.start(&[("a.port", "2"), ("a.name", "y")]), "[a]\nport = 2 ; the port\nname=y\t# who\n");
    assert_eq!(file.start(&[("a.port", "3"), ("a.name", "y")]), "[a]\nport = 3 ; the port\nname=y\t# who\n");
    // Also where the first start had nothing to change.
    let mut file = File::shipped("[a]\nport=1 ; the port\n");
    file.start(&[("a.port", "1")]);
    assert_eq!(file.start(&[("a.port", "2")]), "[a]\nport=2 ; the port\n");
}

#[test]
fn a_comment_that_a_person_puts_behind_a_written_value_stays() {
    let mut file = File::shipped("port=1\nname=x\n");
    file.start(&[("port", "2"), ("name", "a ;b")]);
    file.text = "port=2 ; mine\nname=a ;b\n".into();
    assert_eq!(file.start(&[("port", "2"), ("name", "a ;b")]), "port=2 ; mine\nname=a ;b\n");
    assert_eq!(file.start(&[("port", "3"), ("name", "c")]), "port=3 ; mine\nname=c\n");
}

#[test]
fn an_older_file_that_was_put_back_leaves_no_tail() {
    let mut file = File::shipped("name=x\n");
    let old = file.start(&[("name", "Server # 1 fun")]).to_owned();
    file.start(&[("name", "Calm")]);
    file.text = old;
    assert_eq!(file.start(&[("name", "Other")]), "name=Other\n");
}

#[test]
fn where_nothing_is_remembered_a_new_value_replaces_all_and_a_present_one_nothing() {
    let mut file =
        File { text: "password=old ;secret\nport=1 ; the port\n".into(), memory: Memory::new(true) };
    assert_eq!(file.start(&[("password", "new"), ("port", "1")]), "password=new\nport=1 ; the port\n");
    assert_eq!(file.start(&[("password", "new"), ("port", "2")]), "password=new\nport=2\n");
    // A file that is made anew is known from then on.
    file.text.clear();
    file.start(&[("port", "1")]);
    file.text = "port = 1\nmap = a ; first\n".into();
    assert_eq!(file.start(&[("port", "1"), ("map", "b")]), "port = 1\nmap = b ; first\n");
}

#[test]
fn what_is_in_quotes_is_no_comment() {
    let mut file = File::shipped("name=\"a ; b\" ; who\n");
    assert_eq!(file.start(&[("name", "\"c # d\"")]), "name=\"c # d\" ; who\n");
    assert_eq!(file.start(&[("name", "e")]), "name=e ; who\n");
}

#[test]
fn of_doubled_keys_and_sections_the_one_that_counts_is_set() {
    assert_eq!(File::shipped("port=1\nport=2\n").start(&[("port", "9")]), "port=9\nport=9\n");
    let twice = "[a]\nport=1\n[b]\nx=1\n[a] ; again\nport = 2\n";
    assert_eq!(
        File::shipped(twice).start(&[("a.port", "9"), ("a.new", "1")]),
        "[a]\nport=9\nnew=1\n[b]\nx=1\n[a] ; again\nport = 9\n"
    );
}

#[test]
fn colons_part_keys_and_new_keys_come_in_the_spacing_of_the_file() {
    assert_eq!(
        File::shipped("[mysqld]\nport: 3306\nbind: ::1\n")
            .start(&[("mysqld.port", "3307"), ("mysqld.user", "x")]),
        "[mysqld]\nport: 3307\nbind: ::1\nuser: x\n"
    );
    assert_eq!(File::shipped("a=1\nb=2\n").start(&[("c", "3")]), "a=1\nb=2\nc=3\n");
    assert_eq!(File::shipped("a = 1\nb = 2\n").start(&[("c", "3")]), "a = 1\nb = 2\nc = 3\n");
    assert_eq!(File::shipped("a\t=\t 1\n").start(&[("a", "3")]), "a\t=\t 3\n");
    assert_eq!(
        File::shipped("Class:Sub=1\nurl=http://x\n").start(&[("Class", "3")]),
        "Class:Sub=1\nurl=http://x\nClass=3\n"
    );
    assert_eq!(File::shipped("port:1\n").start(&[("port", "a=b")]), "port:a=b\n");
}
