//! Every SQL text of the crate is prepared on both engines: a text that one of them refuses fails here, and so does a
//! statement that these tests cannot find.

use crate::support::source::{self, SourceFile};
use crate::support::statements::{self, Statement, is_statement};
use crate::support::{Engine, TestDb};
use grantor::storage::{Conn, Store};
use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _};

/// Where a text that is made at run time may reach a database, and why that is no injection.
const MADE_AT_RUN_TIME: &[(&str, &str)] = &[(
    "src/storage/migrate.rs",
    "CREATE SCHEMA takes no parameters; the name is of the program or of the configuration's alphabet",
)];

on_both_engines! {
    async fn every_statement_is_understood(engine: Engine) {
        let db = TestDb::new(engine).await;
        let statements = all().into_iter().filter(|statement| is_for(engine, statement));
        let (mut count, mut refused) = (0, Vec::new());
        for statement in statements {
            count += 1;
            // A statement belongs to the main database or to the audit store; its tables say which.
            let Err(main) = prepare(&db.main, &statement.text).await else {
                continue;
            };
            if let Err(audit) = prepare(&db.audit, &statement.text).await {
                let Statement { place, name, text } = statement;
                refused.push(format!("{place} {name}\n  {text}\n  main: {main}\n  audit: {audit}"));
            }
        }
        assert!(count > 0, "no statement was found");
        assert!(refused.is_empty(), "{engine:?} refuses:\n{}", refused.join("\n"));
    }
}

#[test]
fn every_statement_is_a_constant() {
    let made_at_run_time = |file: &&SourceFile| MADE_AT_RUN_TIME.iter().any(|(path, _)| *path == file.path);
    let unreadable: Vec<_> = source::files()
        .iter()
        .filter(|file| !made_at_run_time(file))
        .flat_map(|file| statements::of(file).1)
        .collect();
    assert!(unreadable.is_empty(), "\n{}", unreadable.join("\n"));
}

#[test]
fn a_text_for_one_engine_says_so_in_its_name() {
    // on!(db, |conn, sql = (SQL_POSTGRES, SQL_SQLITE)| …)
    for file in source::files() {
        for (index, token) in file.tokens.iter().enumerate() {
            let is_choice = token.is_word("sql")
                && file.tokens.get(index + 1).is_some_and(|token| token.is_mark('='))
                && file.tokens.get(index + 2).is_some_and(|token| token.is_mark('('));
            if !is_choice {
                continue;
            }
            let names: Vec<_> = [index + 3, index + 5]
                .iter()
                .filter_map(|&at| file.tokens.get(at)?.word())
                .collect();
            let place = format!("{}:{}", file.path, token.line);
            let [postgres, sqlite] = names.as_slice() else {
                panic!("{place}: give both texts as constants");
            };
            assert!(
                postgres.contains("POSTGRES") && sqlite.contains("SQLITE"),
                "{place}: name the constants …POSTGRES… and …SQLITE…, in this order"
            );
        }
    }
}

#[test]
fn no_statement_is_made_at_run_time() {
    for file in source::files() {
        let is_listed = MADE_AT_RUN_TIME.iter().any(|(path, _)| *path == file.path);
        let uses = file.tokens.iter().find(|token| token.is_word("AssertSqlSafe"));
        if let Some(token) = uses.filter(|_| !is_listed) {
            panic!("{}:{}: SQL is a constant with parameters", file.path, token.line);
        }
        assert!(
            uses.is_some() || !is_listed,
            "{} makes no SQL at run time any more: take it off the list",
            file.path
        );
    }
}

#[test]
fn statements_are_read_as_the_compiler_reads_them() {
    let file = SourceFile {
        path: "src/storage/x.rs".into(),
        lines: 9,
        tokens: source::tokens(
            r#"macro_rules! columns { () => { "a, b" }; }
            macro_rules! live { ($now:literal) => { concat!(" AND c > ", $now, " ") }; }
            const ONE: &str = "SELECT a \
                FROM x";
            const TWO: &str = concat!("UPDATE x SET a = 1 WHERE b = $1", live!("$2"), "RETURNING ", columns!());
            const TEXT: &str = "not a statement";
            fn f() { sqlx::query("DELETE FROM x"); }
            const UNKNOWN: &str = other!();"#,
        ),
    };
    let (found, unreadable) = statements::of(&file);
    let texts: Vec<_> = found.iter().map(|statement| statement.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "SELECT a FROM x",
            "UPDATE x SET a = 1 WHERE b = $1 AND c > $2 RETURNING a, b"
        ]
    );
    assert_eq!(unreadable.len(), 2, "{unreadable:?}");
    assert!(is_statement("INSERT INTO x VALUES (1)"));
    assert!(!is_statement("SELECTION of"));
}

fn all() -> Vec<Statement> {
    source::files()
        .iter()
        .flat_map(|file| statements::of(file).0)
        .collect()
}

fn is_for(engine: Engine, statement: &Statement) -> bool {
    match engine {
        Engine::Sqlite => !statement.name.contains("POSTGRES"),
        Engine::Postgres => !statement.name.contains("SQLITE"),
    }
}

async fn prepare(store: &Store, text: &str) -> Result<(), String> {
    let sql = AssertSqlSafe(text.to_owned()).into_sql_str();
    let prepared = match store.read().await.map_err(|fault| fault.to_string())? {
        Conn::Postgres(mut conn, _) => conn.prepare(sql).await.map(drop),
        Conn::Sqlite(mut conn, _) => conn.prepare(sql).await.map(drop),
    };
    prepared.map_err(|error| error.to_string())
}
