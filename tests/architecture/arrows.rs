//! Who imports whom, read from every path that begins at the crate's root, and who may.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{ItemMod, ItemUse, Macro, UseTree};

use crate::sources::Source;

/// Each module and what it may import. Sideways arrows between features stand last in their line.
const TABLE: [(&str, &[&str]); 26] = [
    // floor 0
    ("types", &[]),
    // floor 1
    ("config", &["types"]),
    ("telemetry", &["types"]),
    ("db", &["types"]),
    ("lane", &["types"]),
    ("web", &["types", "config", "db", "lane"]),
    // floor 2: the outbox
    ("events", &["types", "db"]),
    // floor 3
    ("accounts", &["types", "config", "telemetry", "db", "web"]),
    ("campaigns", &["types", "config", "telemetry", "db", "web", "accounts"]),
    ("customers", &["types", "config", "telemetry", "db", "web", "accounts"]),
    // their lists show who holds a coupon
    ("coupon_banks", &["types", "config", "telemetry", "db", "web", "events", "accounts", "customers"]),
    // pure
    ("attribution", &["types"]),
    (
        "referral_codes",
        &[
            "types",
            "config",
            "telemetry",
            "db",
            "lane",
            "web",
            "events",
            "accounts",
            "campaigns",
            "customers",
            "coupon_banks",
        ],
    ),
    // what is owed; the conversions and orders it is owed for come to it as ids
    ("rewards", &["types", "config", "telemetry", "db", "web", "events", "accounts", "campaigns", "customers"]),
    (
        "conversions",
        &[
            "types",
            "config",
            "telemetry",
            "db",
            "lane",
            "web",
            "events",
            "accounts",
            "campaigns",
            "customers",
            "referral_codes",
            "attribution",
            "rewards",
        ],
    ),
    (
        "purchases",
        &[
            "types",
            "config",
            "telemetry",
            "db",
            "lane",
            "web",
            "events",
            "accounts",
            "campaigns",
            "customers",
            "coupon_banks",
            "referral_codes",
            "attribution",
            "rewards",
            "conversions",
        ],
    ),
    (
        "tracking",
        &[
            "types",
            "config",
            "telemetry",
            "db",
            "lane",
            "web",
            "accounts",
            "campaigns",
            "customers",
            "referral_codes",
            "purchases",
        ],
    ),
    // shows all that is behind a text
    (
        "lookup",
        &[
            "types",
            "config",
            "telemetry",
            "db",
            "web",
            "accounts",
            "customers",
            "coupon_banks",
            "referral_codes",
            "conversions",
            "purchases",
        ],
    ),
    // fills and empties all tables of an account, by statements of its own
    ("sandboxes", &["types", "db", "accounts"]),
    // tells of all that happened, in the words of those it happened to
    (
        "webhooks",
        &[
            "types",
            "config",
            "telemetry",
            "db",
            "web",
            "events",
            "accounts",
            "customers",
            "coupon_banks",
            "referral_codes",
            "rewards",
            "conversions",
            "purchases",
        ],
    ),
    // floor 4: what they assemble
    (
        "worker",
        &[
            "types",
            "config",
            "telemetry",
            "db",
            "lane",
            "web",
            "accounts",
            "campaigns",
            "customers",
            "coupon_banks",
            "attribution",
            "referral_codes",
            "rewards",
            "conversions",
            "purchases",
            "tracking",
            "webhooks",
        ],
    ),
    (
        "router",
        &[
            "types",
            "config",
            "telemetry",
            "db",
            "lane",
            "web",
            "accounts",
            "campaigns",
            "customers",
            "coupon_banks",
            "attribution",
            "referral_codes",
            "rewards",
            "conversions",
            "purchases",
            "tracking",
            "webhooks",
            "lookup",
            "worker",
        ],
    ),
    (
        "serve",
        &[
            "types",
            "config",
            "telemetry",
            "db",
            "lane",
            "web",
            "accounts",
            "campaigns",
            "customers",
            "coupon_banks",
            "attribution",
            "referral_codes",
            "rewards",
            "conversions",
            "purchases",
            "tracking",
            "webhooks",
            "router",
            "worker",
        ],
    ),
    (
        "cli",
        &[
            "types",
            "config",
            "telemetry",
            "db",
            "lane",
            "web",
            "events",
            "accounts",
            "campaigns",
            "customers",
            "coupon_banks",
            "attribution",
            "referral_codes",
            "rewards",
            "conversions",
            "purchases",
            "tracking",
            "sandboxes",
            "webhooks",
            "router",
            "serve",
        ],
    ),
    // the roots: the list of modules, and the command line
    ("lib", &[]),
    ("main", &["cli"]),
];

/// What stands at the crate's root itself, for anybody.
const ROOT_ITEMS: [&str; 2] = ["MIGRATOR", "OPENAPI"];

/// From a module to those it imports.
pub type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The arrows that are allowed.
pub fn table() -> Arrows {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    TABLE.iter().map(|(from, to)| ((*from).to_owned(), owned(to))).collect()
}

/// The arrows that the sources draw.
pub fn drawn(sources: &[Source]) -> Arrows {
    let mut arrows = Arrows::new();
    for source in sources {
        let module = source.module();
        let Some(from) = module.first() else { continue };
        arrows.entry((*from).to_owned()).or_default().extend(imports(source));
    }
    arrows
}

/// Complaints about arrows that are not in the table, file by file.
pub fn check(sources: &[Source]) -> Vec<String> {
    let table = table();
    let mut complaints = Vec::new();
    for source in sources {
        let module = source.module();
        let from = match module.first() {
            Some(from) => *from,
            None if source.path.ends_with("main.rs") => "main",
            // The map of the house may point at every room.
            None => continue,
        };
        let Some(may) = table.get(from) else {
            complaints.push(format!("{}: {from} is not in the table of arrows: give it a floor", source.path));
            continue;
        };
        let not_allowed = imports(source).into_iter().filter(|to| !may.contains(to));
        complaints.extend(not_allowed.map(|to| format!("{}: {from} may not import {to}", source.path)));
    }
    complaints
}

/// One line for each circle, beginning at its first module by name.
pub fn cycles(arrows: &Arrows) -> Vec<String> {
    let mut found = BTreeSet::new();
    for start in arrows.keys() {
        let mut paths = vec![vec![start]];
        while let Some(path) = paths.pop() {
            for next in path.last().and_then(|last| arrows.get(*last)).into_iter().flatten() {
                if next == start {
                    let names: Vec<&str> = path.iter().chain([&start]).map(|name| name.as_str()).collect();
                    found.insert(names.join(" -> "));
                } else if next > start && !path.contains(&next) {
                    paths.push(path.iter().copied().chain([next]).collect());
                }
            }
        }
    }
    found.into_iter().collect()
}

/// The other top modules that a file names.
fn imports(source: &Source) -> BTreeSet<String> {
    let module: Vec<String> = source.module().into_iter().map(str::to_owned).collect();
    let own = module.first().cloned();
    let mut reader = Reader { module, found: BTreeSet::new() };
    reader.visit_file(&source.syntax);
    reader.found.into_iter().filter(|to| Some(to) != own.as_ref() && !ROOT_ITEMS.contains(&to.as_str())).collect()
}

struct Reader {
    /// Where in the tree of modules the visit is.
    module: Vec<String>,
    found: BTreeSet<String>,
}

impl Reader {
    /// Notes where a path leads, if it leads to the crate's root or past it.
    fn note(&mut self, segments: &[String]) {
        let Some(first) = segments.first() else { return };
        let supers = segments.iter().take_while(|segment| *segment == "super").count();
        let below_root = match first.as_str() {
            "crate" | "goodword" => segments.get(1),
            "super" if supers >= self.module.len() => segments.get(supers),
            _ => None,
        };
        self.found.extend(below_root.cloned());
    }

    fn note_tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| before.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.note_tree(&path.tree, &with(&path.ident)),
            UseTree::Name(name) => self.note(&with(&name.ident)),
            UseTree::Rename(rename) => self.note(&with(&rename.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|item| self.note_tree(item, before)),
            UseTree::Glob(_) => self.note(before),
        }
    }

    /// Macros hide their paths from the parser: what looks like `crate::name` counts, in strings too.
    fn note_tokens(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, tree) in trees.iter().enumerate() {
            match tree {
                TokenTree::Group(group) => self.note_tokens(group.stream()),
                TokenTree::Ident(ident) if ident == "crate" => {
                    if let Some(TokenTree::Ident(name)) = trees.get(index + 3) {
                        self.found.insert(name.to_string());
                    }
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    let names = text.split("crate::").skip(1);
                    let name_of =
                        |rest: &str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned);
                    self.found.extend(names.filter_map(name_of));
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.note_tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.note(&segments);
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.note_tokens(called.tokens.clone());
        syn::visit::visit_macro(self, called);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        // Not in prose: a doc comment may point anywhere.
        if let (false, syn::Meta::List(list)) = (attribute.path().is_ident("doc"), &attribute.meta) {
            self.note_tokens(list.tokens.clone());
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        syn::visit::visit_item_mod(self, item);
        self.module.pop();
    }
}
