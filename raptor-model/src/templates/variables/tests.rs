use super::*;

fn ok(rules: &str, value: &str) -> bool {
    Rules::parse(rules).check(value).is_ok()
}

#[test]
fn bounds_are_about_numbers_only_where_a_number_is_asked_for() {
    assert!(ok("required|integer|max:20", "20") && !ok("required|integer|max:20", "21"));
    assert!(ok("required|string|max:3", "999") && !ok("required|string|max:3", "9999"));
    assert!(ok("numeric|between:1024,65535", "25565") && !ok("numeric|between:1024,65535", "80"));
}

#[test]
fn an_empty_value_is_refused_only_where_one_is_needed() {
    assert!(!ok("required|string", "") && ok("nullable|integer", "") && ok("string|max:5", ""));
    assert!(ok("required|in:,beta", ""));
}

#[test]
fn patterns_have_phps_delimiters() {
    assert!(
        ok(r"required|regex:/^([\w\d._-]+)(\.jar)$/", "server.jar")
            && !ok(r"required|regex:/^([\w\d._-]+)(\.jar)$/", "a b.jar")
    );
    assert!(ok("regex:([a-z-0-9]+$)", "abc"));
    assert!(ok(r"regex:/^(?:true)?(?:false)?\b/i", "TRUE"));
    assert!(ok("regex:/^(?!x)y/", "y") && !ok("regex:/^(?!x)./", "x"));
}

#[test]
fn names_are_read_without_regard_to_case_and_what_is_unknown_constrains_nothing() {
    assert!(ok("Nullable||present|foo:bar|alphanum", "ab1") && !ok("alphanum", "a b"));
}

#[test]
fn a_bar_in_a_pattern_does_not_end_it() {
    let rules = "required|regex:/^(a|b)$/i|max:5";
    assert!(ok(rules, "A") && !ok(rules, "c") && Rules::parse(rules).unknown().next().is_none());
    assert!(ok("string|regex:/^(x|y)$/", "y") && !ok("string|regex:/^(x|y)$/", "z"));
    assert!(ok("regex:([a-z-0-9]+$)|max:3", "abc") && !ok("regex:([a-z-0-9]+$)|max:3", "abcd"));
}

#[test]
fn values_are_taken_as_laravel_takes_them() {
    assert!(ok("boolean", "1") && ok("bool", "0") && !ok("boolean", "true"));
    assert!(ok("integer", " 7 ") && !ok("integer", "007") && !ok("integer", "1.0") && ok("integer", "-0"));
    assert!(ok("numeric", "1e5") && !ok("numeric", "inf") && !ok("numeric", "0x1"));
    assert!(!ok("required|string", "  ") && ok("nullable:string|url", ""));
    assert!(ok("url", "https://a.b/c") && !ok("url", "a:b") && !ok("url", "example.com"));
    assert!(ok("integer|gt:0", "1") && !ok("integer|gt:0", "0"));
    assert!(ok("digits_between:1,3", "12") && !ok("digits:3", "12") && ok("size:2", "ab"));
    assert!(ok("in: A,B", " A") && !ok("in: A,B", "A") && ok("in:gta:iii,x", "gta:iii"));
    assert!(ok("not_in:a,b", "c") && !ok("not_regex:/^x/", "xy") && ok("ends_with:.jar,.zip", "a.zip"));
    assert!(ok("alpha_dash", "a-b_é") && !ok("alpha_dash", "a b"));
}

#[test]
fn commas_in_quotes_do_not_part_values() {
    for value in ["x", "y", "a,b"] {
        assert!(ok(r#"in:x,y,"a,b""#, value), "{value}");
    }
    assert!(
        !ok(r#"in:x,y,"a,b""#, "a") && !ok(r#"not_in:"a,b",c"#, "a,b") && ok(r#"in:"a ""b""",c"#, r#"a "b""#)
    );
    let VariableInput::Select { options } = Rules::parse(r#"in:x, "a,b",c"#).input() else {
        panic!("no choice")
    };
    assert_eq!(options, ["x", "a,b", "c"]);
    // A quote that is not closed, and one in the middle.
    assert!(ok(r#"in:"a,b"#, "a,b") && ok(r#"in:5",6""#, r#"5""#));
}

#[test]
fn a_pattern_that_is_refused_is_said_as_such() {
    let said = |rules: &str, value: &str| Rules::parse(rules).check(value).unwrap_err().to_string();
    assert_eq!(said("not_regex:/[;|]/", "a;b"), "This fits the pattern [;|], which is not allowed.");
    assert_eq!(said(r"regex:/^\w+$/", "a b"), r"This does not fit the pattern ^\w+$.");
}

#[test]
fn classes_of_characters_are_ascii_unless_the_pattern_says_u() {
    assert!(!ok(r"regex:/^[\w.-]*$/", "ääää") && ok(r"regex:/^[\w.-]*$/", "a_1.x-y"));
    assert!(
        !ok(r"regex:/^(?:true)?(?:false)?\b/", "日本語") && ok(r"regex:/^(?:true)?(?:false)?\b/", "true")
    );
    assert!(!ok(r"regex:/^\d+$/", "٣") && ok(r"regex:/^\d+$/", "3") && ok(r"regex:/^\D+$/", "٣"));
    assert!(ok(r"regex:/^[\w.-]*$/u", "ääää") && ok(r"regex:/^\W+$/", "ä") && ok(r"regex:/^[^\W]+$/", "a"));
    // What has a meaning of its own for us and none there.
    assert!(
        ok(r"regex:/^[[\]&~]+$/", "[&&~~]")
            && ok(r"regex:/^[]a]+$/", "]a")
            && ok(r"regex:/^[[:alpha:]_]+$/", "a_")
    );
    assert!(ok(r"regex:/^a\Bb\h\S$/", "ab c"));
    // A dash behind a class stands for itself.
    for (pattern, good, bad) in [
        (r"regex:/^[\w-.]+$/", "a_1-b.c", "a b"),
        (r"regex:/^[\d-_]+$/", "1-2_3", "a"),
        (r"regex:/^[\s-.]+$/", " - .", "!"),
        (r"regex:/^[\h-.]+$/", " - .", "!"),
    ] {
        assert!(ok(pattern, good) && !ok(pattern, bad), "{pattern}");
    }
}

#[test]
fn values_lose_the_blanks_around_them() {
    let trimmed = |rules: &str, value: &'static str| Rules::parse(rules).trimmed(value).to_owned();
    assert_eq!(trimmed("required|integer|between:1,10", "5\n"), "5");
    assert_eq!(trimmed("string", " a b \r\n"), "a b");
    assert_eq!(trimmed("in:a,b", "b "), "b");
    assert_eq!(trimmed("string", "\u{feff}\u{200b}key\u{a0}"), "key");
    // A choice that has a blank itself.
    assert_eq!(trimmed("in: A,B", " A"), " A");
}

#[test]
fn the_input_fits_the_rules() {
    assert_eq!(
        Rules::parse("required|in:true,false").input(),
        VariableInput::Toggle { on: "true".into(), off: "false".into() }
    );
    assert_eq!(
        Rules::parse("required|boolean").input(),
        VariableInput::Toggle { on: "1".into(), off: "0".into() }
    );
    assert_eq!(
        Rules::parse("in:a,b,c").input(),
        VariableInput::Select { options: vec!["a".into(), "b".into(), "c".into()] }
    );
    assert_eq!(
        Rules::parse("integer|between:1,9").input(),
        VariableInput::Number { min: Some(1.0), max: Some(9.0), integer: true }
    );
    assert_eq!(
        Rules::parse("string|max:20").input(),
        VariableInput::Text { min_length: None, max_length: Some(20) }
    );
}
