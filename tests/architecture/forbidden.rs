//! What is never written in the program (house.md, 6; style.md, "Do not").

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, ExprMethodCall, ExprPath, ItemFn, ItemMod, Macro};

use crate::sources::Source;

/// Names that say nothing about what is inside.
const VAGUE_NAMES: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "misc", "shared", "stuff"];

pub fn check(sources: &[Source]) -> Vec<String> {
    let for_tests: BTreeSet<String> = sources.iter().flat_map(test_files).collect();
    let mut complaints = Vec::new();
    for source in sources {
        let mut reader =
            Reader { path: &source.path, in_tests: for_tests.contains(&source.path), complaints: Vec::new() };
        reader.check_file(source);
        reader.visit_file(&source.syntax);
        complaints.extend(reader.complaints);
    }
    complaints
}

struct Reader<'a> {
    path: &'a str,
    in_tests: bool,
    complaints: Vec<String>,
}

impl Reader<'_> {
    fn complain(&mut self, what: &str) {
        self.complaints.push(format!("{}: {what}", self.path));
    }

    fn check_file(&mut self, source: &Source) {
        if !source.text.starts_with("//!") {
            self.complain("does not begin with //! and what it is for");
        }
        if source.module().iter().any(|name| VAGUE_NAMES.contains(name)) {
            self.complain("has a name that says nothing");
        }
        for text in literals(source.tokens.clone()) {
            if selects_all(&text) {
                self.complain(&format!("SQL names its columns, never *: {text}"));
            }
        }
    }

    fn check_method(&mut self, name: &str) {
        match name {
            "unwrap" | "expect" if !self.in_tests => self.complain(&format!(".{name}() outside tests")),
            "route" if self.path != "src/router.rs" => self.complain(".route( outside the router"),
            _ => {}
        }
    }

    fn check_path(&mut self, segments: &[String]) {
        let reads_clock = match segments {
            [.., owner, last] => (owner == "SystemTime" && last == "now") || last == "now_utc" || last == "now_local",
            _ => false,
        };
        if reads_clock && self.path != "src/types/clock.rs" {
            self.complain("reads the wall clock: now is an argument");
        }
    }

    /// Macros hide their calls from the parser.
    fn check_tokens(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, tree) in trees.iter().enumerate() {
            if let TokenTree::Group(group) = tree {
                self.check_tokens(group.stream());
            }
            let (TokenTree::Punct(dot), Some(TokenTree::Ident(name))) = (tree, trees.get(index + 1)) else { continue };
            if dot.as_char() == '.' && matches!(trees.get(index + 2), Some(TokenTree::Group(_))) {
                self.check_method(&name.to_string());
            }
        }
    }

    fn inside(&mut self, attributes: &[Attribute], visit: impl FnOnce(&mut Self)) {
        let before = self.in_tests;
        self.in_tests |= attributes.iter().any(is_for_tests);
        visit(self);
        self.in_tests = before;
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.inside(&item.attrs, |reader| syn::visit::visit_item_mod(reader, item));
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.inside(&item.attrs, |reader| syn::visit::visit_item_fn(reader, item));
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        self.check_method(&call.method.to_string());
        syn::visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        let segments: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.check_path(&segments);
        syn::visit::visit_expr_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.check_tokens(called.tokens.clone());
    }
}

/// `#[cfg(test)]`, `#[test]`, `#[tokio::test]`.
fn is_for_tests(attribute: &Attribute) -> bool {
    let is_cfg_test = attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Ident>().is_ok_and(|argument| argument == "test");
    is_cfg_test || attribute.path().segments.last().is_some_and(|segment| segment.ident == "test")
}

/// The files that `#[cfg(test)] mod name;` in this one leads to.
fn test_files(source: &Source) -> Vec<String> {
    let module = source.module().join("/");
    let directory = if module.is_empty() { "src".to_owned() } else { format!("src/{module}") };
    let items = source.syntax.items.iter();
    items
        .filter_map(|item| match item {
            syn::Item::Mod(item) if item.content.is_none() && item.attrs.iter().any(is_for_tests) => Some(&item.ident),
            _ => None,
        })
        .flat_map(|name| [format!("{directory}/{name}.rs"), format!("{directory}/{name}/mod.rs")])
        .collect()
}

/// Every string of a file but those of doc comments.
fn literals(tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    for tree in tokens {
        match tree {
            TokenTree::Literal(literal) => found.push(literal.to_string()),
            TokenTree::Group(group) if !is_doc(&group) => found.extend(literals(group.stream())),
            _ => {}
        }
    }
    found
}

fn is_doc(group: &proc_macro2::Group) -> bool {
    let first = group.stream().into_iter().next();
    group.delimiter() == Delimiter::Bracket && matches!(first, Some(TokenTree::Ident(name)) if name == "doc")
}

/// Whether a text is SQL that asks for all columns. A product has a name or a number before its star.
fn selects_all(text: &str) -> bool {
    let words = text.to_lowercase().replace(['\\', '"', '#'], " ").replace("\\n", " ");
    let words: Vec<&str> = words.split_whitespace().collect();
    let is_sql = words.iter().any(|word| matches!(*word, "select" | "returning"));
    let after = |pair: &[&str]| matches!(pair[0], "select" | "returning" | "distinct") && pair[1].starts_with('*');
    let qualified = |word: &&str| word.contains(".*");
    is_sql && (words.windows(2).any(after) || words.iter().any(qualified))
}
