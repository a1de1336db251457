//! Prepares every statement of the store on both databases. This finds columns that one of them does not have, and syntax that
//! it does not know, without a test that runs the statement. The statements are read from the sources; one that can't be read
//! is a failure.

use crate::world::{World, on_both};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

/// Number of calls per file whose text is composed at run time, with the tests that run them.
const PUT_TOGETHER: [(&str, usize); 3] = [
    // `ports.rs` and `allocations.rs` of these tests pass lists of ids and of ports.
    ("allocations.rs", 2),
    // Every filter and order of a list: `containers.rs` and `seeing.rs` of these tests.
    ("container_list.rs", 2),
    // The number of bytes by which SQLite's file grows: every test with a file on disk.
    ("reserve.rs", 1),
];

/// The functions of sqlx that take a statement.
const TAKE_SQL: [&str; 4] = ["query", "query_as", "query_scalar", "raw_sql"];

/// The databases that a statement is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum For {
    Both,
    Sqlite,
    Postgres,
    /// Decided elsewhere, where this test does not look: at least one of them has to accept it.
    Either,
}

struct Statement {
    file: String,
    text: String,
    on: For,
}

/// One file of the store.
struct File {
    name: String,
    macros: HashMap<String, (Vec<String>, TokenStream)>,
    constants: HashMap<String, TokenStream>,
}

#[tokio::test]
async fn every_statement_of_the_store_is_prepared_on_both_databases() {
    on_both(|world| async move {
        let (statements, put_together) = all();
        assert!(statements.len() > 150, "only {} statements were found", statements.len());
        assert_eq!(
            put_together,
            PUT_TOGETHER.map(|(file, count)| (file.to_owned(), count)).into(),
            "each call that takes no text from the source needs a test that runs it"
        );
        let sqlite = world.url.starts_with("sqlite");
        let mut wrong = Vec::new();
        for statement in &statements {
            let refused = prepare(&world, &statement.text).await;
            let meant = match statement.on {
                For::Both => true,
                For::Sqlite => sqlite,
                For::Postgres => !sqlite,
                For::Either => {
                    refused.is_err() && !PREPARED_ELSEWHERE.contains(&(statement.file.as_str(), sqlite))
                }
            };
            if let (true, Err(why)) = (meant, refused) {
                wrong.push(format!("{} ({:?}): {why}\n{}", statement.file, statement.on, statement.text));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    })
    .await;
}

/// Files whose statements are for one database only, unless they are in a choice between both: name, and whether it is SQLite
/// that does not know them.
const PREPARED_ELSEWHERE: [(&str, bool); 5] = [
    ("claims.rs", true),
    ("open.rs", true),
    ("migration.rs", true),
    ("keys.rs", true),
    ("reserve.rs", false),
];

async fn prepare(world: &World, text: &str) -> Result<(), sqlx::Error> {
    let text = AssertSqlSafe(text.to_owned()).into_sql_str();
    if world.url.starts_with("sqlite") {
        let pool = sqlx::SqlitePool::connect(&world.url).await?;
        let mut connection = pool.acquire().await?;
        return (&mut *connection).prepare(text).await.map(drop);
    }
    let pool = sqlx::PgPool::connect(&world.url).await?;
    let mut connection = pool.acquire().await?;
    match (&mut *connection).prepare(text).await {
        // Everything else is right, and the types of parameters come with their values.
        Err(sqlx::Error::Database(error))
            if matches!(error.code().as_deref(), Some("42P08" | "42P18" | "42725")) =>
        {
            Ok(())
        }
        other => other.map(drop),
    }
}

/// Every statement in the sources, and the number of calls per file with a composed text.
fn all() -> (Vec<Statement>, BTreeMap<String, usize>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../raptor-store/src");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (mut statements, mut put_together) = (Vec::new(), BTreeMap::new());
    for path in paths {
        let source: TokenStream = fs::read_to_string(&path).unwrap().parse().unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut file = File { name, macros: HashMap::new(), constants: HashMap::new() };
        file.note(&source);
        let mut found = Found { statements: &mut statements, put_together: 0 };
        file.walk(&source, For::Either, &source, &mut found);
        if found.put_together > 0 {
            put_together.insert(file.name, found.put_together);
        }
    }
    (statements, put_together)
}

struct Found<'f> {
    statements: &'f mut Vec<Statement>,
    put_together: usize,
}

fn trees(stream: &TokenStream) -> Vec<TokenTree> {
    stream.clone().into_iter().collect()
}

fn is(tree: Option<&TokenTree>, text: &str) -> bool {
    tree.is_some_and(|tree| !matches!(tree, TokenTree::Group(_)) && tree.to_string() == text)
}

fn group(tree: Option<&TokenTree>) -> Option<&Group> {
    match tree {
        Some(TokenTree::Group(group)) => Some(group),
        _ => None,
    }
}

fn split(stream: &TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    for tree in trees(stream) {
        match tree.to_string().as_str() {
            "," => parts.push(TokenStream::new()),
            _ => parts.last_mut().unwrap().extend([tree]),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

impl File {
    /// Records the macros and constants that statements are composed of.
    fn note(&mut self, stream: &TokenStream) {
        let trees = trees(stream);
        for (at, tree) in trees.iter().enumerate() {
            if is(Some(tree), "macro_rules") {
                let rule = self::trees(&group(trees.get(at + 3)).unwrap().stream());
                let parameters = self::trees(&group(rule.first()).unwrap().stream());
                let named = parameters.iter().enumerate().filter(|(_, part)| is(Some(part), "$"));
                let named = named.map(|(at, _)| parameters[at + 1].to_string()).collect();
                let body = group(rule.get(3)).unwrap().stream();
                self.macros.insert(trees[at + 2].to_string(), (named, body));
            }
            if is(Some(tree), "const") {
                let value = trees[at..].iter().skip_while(|tree| !is(Some(tree), "=")).skip(1);
                let value = value.take_while(|tree| !is(Some(tree), ";")).cloned().collect();
                self.constants.insert(trees[at + 1].to_string(), value);
            }
            if let TokenTree::Group(group) = tree {
                self.note(&group.stream());
            }
        }
    }

    /// Finds every call that takes a statement. `around` is the surrounding block, with the `let`s that the call can refer to.
    fn walk(&self, stream: &TokenStream, on: For, around: &TokenStream, found: &mut Found<'_>) {
        let trees = trees(stream);
        let mut here = on;
        for (at, tree) in trees.iter().enumerate() {
            let follows_sqlx = at >= 3 && is(trees.get(at - 3), "sqlx") && is(trees.get(at - 1), ":");
            let called =
                |at: usize| group(trees.get(at)).is_some_and(|it| it.delimiter() == Delimiter::Parenthesis);
            match tree {
                TokenTree::Ident(name) if TAKE_SQL.iter().any(|takes| name == takes) && follows_sqlx => {
                    // `query_as::<_, Row>(…)`
                    let argument = trees[at + 1..].iter().find_map(|tree| group(Some(tree))).unwrap();
                    let texts = self.texts(&argument.stream(), around, found);
                    let file = &self.name;
                    found.statements.extend(texts.into_iter().map(|text| Statement {
                        file: file.clone(),
                        text,
                        on: here,
                    }));
                }
                TokenTree::Ident(name) if name.to_string().starts_with("query") || name == "QueryBuilder" => {
                    let call =
                        called(at + 1) && !is(at.checked_sub(1).and_then(|before| trees.get(before)), ".");
                    assert!(
                        !(call || is(trees.get(at + 1), ":") && is(trees.get(at + 2), ":")),
                        "{}: write sqlx:: before {name}",
                        self.name
                    );
                }
                // A choice between both databases.
                TokenTree::Ident(name)
                    if (name == "Sqlite" || name == "Postgres") && group(trees.get(at + 1)).is_some() =>
                {
                    here = if name == "Sqlite" { For::Sqlite } else { For::Postgres };
                }
                TokenTree::Ident(name) if name == "fn" => here = on,
                TokenTree::Group(inside) => {
                    let tests = at >= 2 && is(trees.get(at - 2), "mod") && is(trees.get(at - 1), "tests");
                    let both = at >= 2 && is(trees.get(at - 2), "on") && is(trees.get(at - 1), "!");
                    let function = inside.delimiter() == Delimiter::Brace && on == For::Either;
                    let inner = inside.stream();
                    if !tests {
                        let around = if function { &inner } else { around };
                        self.walk(&inner, if both { For::Both } else { here }, around, found);
                    }
                }
                _ => {}
            }
        }
    }

    /// The possible texts of an argument.
    fn texts(&self, argument: &TokenStream, around: &TokenStream, found: &mut Found<'_>) -> Vec<String> {
        let parts = split(argument);
        let [argument] = parts.as_slice() else { panic!("{}: more than a text: {argument}", self.name) };
        if argument.to_string().contains("AssertSqlSafe") {
            found.put_together += 1;
            return Vec::new();
        }
        if let Some(text) = self.text(argument) {
            return vec![text];
        }
        // A variable with one of several texts.
        let around = self::trees(around);
        let name = argument.to_string();
        let bound = around
            .iter()
            .enumerate()
            .find(|(at, tree)| is(Some(tree), "let") && is(around.get(at + 1), &name));
        let (at, _) = bound.unwrap_or_else(|| panic!("{}: no text is found for {name}", self.name));
        let value = around[at + 3..].iter().take_while(|tree| !is(Some(tree), ";")).cloned().collect();
        let mut texts = Vec::new();
        literals(&value, &mut texts);
        assert!(!texts.is_empty(), "{}: no text is found for {name}", self.name);
        texts
    }

    /// The text of an expression, if it is known.
    fn text(&self, tokens: &TokenStream) -> Option<String> {
        let trees = trees(tokens);
        match trees.as_slice() {
            [TokenTree::Literal(literal)] => unquoted(&literal.to_string()),
            [TokenTree::Ident(name)] => self.text(self.constants.get(&name.to_string())?),
            [TokenTree::Ident(name), mark, TokenTree::Group(given)] if is(Some(mark), "!") => {
                let given = split(&given.stream());
                if name == "concat" {
                    return given.iter().map(|part| self.text(part)).collect();
                }
                let (parameters, body) = self.macros.get(&name.to_string())?;
                let given: HashMap<_, _> = parameters.iter().cloned().zip(given).collect();
                self.text(&filled(body, &given))
            }
            _ => None,
        }
    }
}

/// A macro's body with its arguments filled in.
fn filled(body: &TokenStream, given: &HashMap<String, TokenStream>) -> TokenStream {
    let mut out = TokenStream::new();
    let mut trees = trees(body).into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Punct(mark) if mark.as_char() == '$' => {
                let name = trees.next().unwrap().to_string();
                out.extend(given[&name].clone());
            }
            TokenTree::Group(inside) => {
                out.extend([TokenTree::Group(Group::new(
                    inside.delimiter(),
                    filled(&inside.stream(), given),
                ))]);
            }
            other => out.extend([other]),
        }
    }
    out
}

fn literals(tokens: &TokenStream, into: &mut Vec<String>) {
    for tree in trees(tokens) {
        match tree {
            TokenTree::Literal(literal) => into.extend(unquoted(&literal.to_string())),
            TokenTree::Group(inside) => literals(&inside.stream(), into),
            _ => {}
        }
    }
}

/// The value of a Rust string literal.
fn unquoted(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::new();
    let mut chars = inner.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next()? {
            'n' => out.push('\n'),
            // An escaped line break, which removes the spaces at the start of the next line.
            '\n' => while chars.next_if(|next| next.is_whitespace()).is_some() {},
            other => out.push(other),
        }
    }
    Some(out)
}
