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
