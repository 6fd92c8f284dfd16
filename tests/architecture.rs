//! The house as law: who may import whom, how big things may get, and what is never written (house.md, 2, 3 and 6;
//! ARCHITECTURE.md shows the same table). Each check is a function from sources to complaints, and is shown a planted
//! bug beside the real sources.

#[path = "architecture/arrows.rs"]
mod arrows;
#[path = "architecture/forbidden.rs"]
mod forbidden;
#[path = "architecture/sizes.rs"]
mod sizes;
#[path = "architecture/sources.rs"]
mod sources;

use sources::{Source, read_all};

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// The complaints that `check` has about one planted file.
fn planted(check: fn(&[Source]) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
    check(&[Source::parse(path, text)])
}

#[test]
fn modules_import_only_along_the_arrows() {
    assert_none(&arrows::check(&read_all("src")));
}

#[test]
fn an_arrow_that_is_not_in_the_table_is_seen_however_it_is_written() {
    let bugs = [
        ("src/types/ids.rs", "use crate::db;"),
        ("src/types/ids.rs", "use crate::{db, types::money};"),
        ("src/db/mod.rs", "use crate::{types, web::error::ApiError};"),
        ("src/coupon_banks/store.rs", "fn f(x: crate::purchases::Purchase) {}"),
        ("src/coupon_banks/store.rs", "fn f() { crate::referral_codes::issue(); }"),
        ("src/coupon_banks/mod.rs", "use super::purchases;"),
        ("src/coupon_banks/store.rs", "mod inner { use super::super::super::purchases; }"),
        ("src/web/state.rs", "fn f() { sqlx::query!(crate::accounts::SQL); }"),
        ("src/web/state.rs", "#[serde(with = \"crate::accounts::wire\")] struct S;"),
        ("src/purchases/mod.rs", "use crate::router;"),
        ("src/attribution/mod.rs", "use crate::web;"),
        ("src/purchases/mod.rs", "use crate::nosuchroom;"),
        ("src/nosuchroom.rs", "use crate::types;"),
    ];
    for (path, text) in bugs {
        assert_eq!(planted(arrows::check, path, text).len(), 1, "{path}: {text}");
    }
    let fine = [
        ("src/lib.rs", "pub mod purchases; use crate::purchases;"),
        ("src/purchases/store.rs", "use super::Purchase; use crate::purchases::x; use crate::types::ids; use self::y;"),
        ("src/purchases/mod.rs", "use crate::{MIGRATOR, OPENAPI}; use std::db; mod store { use super::super::types; }"),
        ("src/serve.rs", "use crate::router::router; use super::web;"),
    ];
    for (path, text) in fine {
        assert_none(&planted(arrows::check, path, text));
    }
}

#[test]
fn modules_do_not_import_each_other_in_a_circle() {
    assert_none(&arrows::cycles(&arrows::drawn(&read_all("src"))));
    assert_none(&arrows::cycles(&arrows::table()));
}

#[test]
fn a_circle_is_seen() {
    let ring = [
        Source::parse("src/a.rs", "use crate::b;"),
        Source::parse("src/b/mod.rs", "use crate::c;"),
        Source::parse("src/c.rs", "use crate::a::x;"),
        Source::parse("src/d.rs", "use crate::a;"),
    ];
    assert_eq!(arrows::cycles(&arrows::drawn(&ring)), ["a -> b -> c -> a"]);
    assert_none(&arrows::cycles(&arrows::drawn(&ring[1..])));
}

#[test]
fn files_and_functions_fit() {
    let mut sources = read_all("src");
    sources.extend(read_all("tests"));
    sources.extend(read_all("benches"));
    assert_none(&sizes::check(&sources));
}

#[test]
fn what_is_too_long_is_seen() {
    let lines = |count: usize| "\n".repeat(count);
    let bugs = [
        format!("//! x{}", lines(401)),
        format!("fn f() {{{}}}", lines(70)),
        format!("impl S {{ fn f() {{{}}} }}", lines(70)),
        format!("fn short() {{ mod inner {{ fn f() {{{}}} }} }}", lines(70)),
    ];
    for bug in bugs {
        assert!(!planted(sizes::check, "src/x.rs", &bug).is_empty(), "{bug}");
    }
    assert_none(&planted(sizes::check, "src/x.rs", &format!("fn f() {{{}}}{}", lines(69), lines(331))));
}

#[test]
fn what_is_forbidden_is_not_written() {
    assert_none(&forbidden::check(&read_all("src")));
}

#[test]
fn each_forbidden_thing_is_seen() {
    let bugs = [
        ("src/x/store.rs", "fn f() { query!(\"select * from coupons\"); }"),
        ("src/x/store.rs", "fn f() { query!(r#\"SELECT\n   *\n from coupons\"#); }"),
        ("src/x/store.rs", "const SQL: &str = \"insert into t values (1) returning *\";"),
        ("src/x/store.rs", "const SQL: &str = \"select c.code, r.* from c join r using (id)\";"),
        ("src/x.rs", "fn f() { g().unwrap(); }"),
        ("src/x.rs", "fn f() { g().expect(\"never\"); }"),
        ("src/x.rs", "mod tests { fn f() { g().unwrap(); } }"),
        ("src/x.rs", "fn f() { join!(g().unwrap()); }"),
        ("src/x/http.rs", "fn f() { Router::new().route(\"/x\", get(f)); }"),
        ("src/x.rs", "fn f() { OffsetDateTime::now_utc(); }"),
        ("src/x.rs", "use std::time::SystemTime; fn f() { SystemTime::now(); }"),
        ("src/x/utils.rs", ""),
        ("src/x/helpers/mod.rs", ""),
    ];
    for (path, text) in bugs {
        let text = format!("//! A module.\n{text}");
        assert_eq!(planted(forbidden::check, path, &text).len(), 1, "{path}: {text}");
    }
    for text in ["", "// x\n//! late", "use a;", "/// of an item\nfn f() {}"] {
        assert_eq!(planted(forbidden::check, "src/x.rs", text).len(), 1, "{text:?}");
    }
    let fine = [
        ("src/router.rs", "fn f() { Router::new().route(\"/x\", get(f)); }"),
        ("src/types/clock.rs", "fn f() { OffsetDateTime::now_utc(); }"),
        ("src/x.rs", "/// Never `select *`.\nconst SQL: &str = \"select count(*) from t where a * 2 = 4\";"),
        ("src/x.rs", "#[cfg(test)] mod tests { fn f() { g().unwrap(); } }"),
        ("src/x.rs", "#[test] fn f() { g().unwrap(); h!(g().expect(\"x\")); }"),
        ("src/x.rs", "fn f() { g().unwrap_or_default(); expect(x); Instant::now(); }"),
    ];
    for (path, text) in fine {
        assert_none(&planted(forbidden::check, path, &format!("//! A module.\n{text}")));
    }
    // A file that only its parent says is for tests.
    let family = [
        Source::parse("src/x.rs", "//! X.\n#[cfg(test)] mod tests;"),
        Source::parse("src/x/tests.rs", "//! Tests.\nfn f() { g().unwrap(); }"),
        Source::parse("src/y/mod.rs", "//! Y.\n#[cfg(test)] mod tests;"),
        Source::parse("src/y/tests.rs", "//! Tests.\nfn f() { g().unwrap(); }"),
    ];
    assert_none(&forbidden::check(&family));
    assert_eq!(forbidden::check(&family[1..2]).len(), 1);
}
