//! The program's sources, parsed.

use std::path::Path;

use proc_macro2::TokenStream;

/// One file.
pub struct Source {
    /// From the package's root, with slashes: `src/web/error.rs`.
    pub path: String,
    pub text: String,
    pub syntax: syn::File,
    pub tokens: TokenStream,
}

impl Source {
    pub fn parse(path: &str, text: &str) -> Self {
        let syntax = syn::parse_file(text).unwrap_or_else(|fault| panic!("{path}: {fault}"));
        let tokens = text.parse().unwrap_or_else(|fault| panic!("{path}: {fault}"));
        Self { path: path.to_owned(), text: text.to_owned(), syntax, tokens }
    }

    /// The module that the file is: `src/web/error.rs` is `web`, `error`; `lib.rs` and `main.rs` are none.
    pub fn module(&self) -> Vec<&str> {
        let path = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let path = path.strip_suffix(".rs").unwrap_or(path);
        let path = path.strip_suffix("/mod").unwrap_or(path);
        if matches!(path, "lib" | "main") { Vec::new() } else { path.split('/').collect() }
    }
}

/// Every Rust file below a directory of the package.
pub fn read_all(directory: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    let mut open = vec![root.join(directory)];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).unwrap_or_else(|fault| panic!("{}: {fault}", directory.display())) {
            let path = entry.unwrap_or_else(|fault| panic!("{}: {fault}", directory.display())).path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                sources.push(Source::parse(&name, &text));
            }
        }
    }
    assert!(!sources.is_empty(), "{directory} has sources");
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}
