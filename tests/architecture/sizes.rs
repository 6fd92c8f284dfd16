//! Files and functions that have outgrown a reader.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Block, ImplItemFn, ItemFn, Signature, TraitItemFn};

use crate::sources::Source;

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

pub fn check(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            complaints.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}", source.path));
        }
        let mut reader = Reader { path: &source.path, complaints: &mut complaints };
        reader.visit_file(&source.syntax);
    }
    complaints
}

struct Reader<'a> {
    path: &'a str,
    complaints: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// From the signature to the closing brace; comments and attributes above do not count.
    fn measure(&mut self, signature: &Signature, block: &Block) {
        let line = |span: Span| span.start().line;
        let lines = block.brace_token.span.close().end().line + 1 - line(signature.span());
        if lines > FUNCTION_LINES_MAX {
            let (path, name) = (self.path, &signature.ident);
            let place = line(signature.span());
            self.complaints.push(format!("{path}:{place}: {name} has {lines} lines, at most {FUNCTION_LINES_MAX}"));
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.measure(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.measure(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.measure(&function.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, function);
    }
}
