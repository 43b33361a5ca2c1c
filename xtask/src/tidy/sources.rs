//! The production sources: what stands under `src/` of a member, without what only tests compile.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, Expr, ImplItemFn, Item, ItemFn, ItemMod, Lit, Meta, Signature, Token, TraitItemFn,
};

use crate::failure::Failure;
use crate::workspace::Workspace;

/// A production file.
#[derive(Debug, Default)]
pub struct Source {
    /// Relative to the root, with `/`.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// Its lines, test modules left out.
    pub lines: usize,
    /// Its functions, test modules left out.
    pub functions: Vec<Function>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name alone, without type or module.
    pub name: String,
    /// The line of its signature, from 1.
    pub line: usize,
    /// From its signature to its closing brace.
    pub lines: usize,
}

/// Reads the production files of all members.
///
/// # Errors
/// A file that cannot be read or is not Rust.
pub fn load(workspace: &Workspace) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for member in &workspace.crates {
        let mut paths = Vec::new();
        collect(&workspace.root.join(&member.folder).join("src"), &mut paths)?;
        sources.extend(read(&workspace.root, paths)?);
    }
    Ok(sources)
}

/// All Rust files under `folder`, in order.
fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failure = |error| Failure::io(folder, &error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failure)? {
        entries.push(entry.map_err(failure)?.path());
    }
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

fn read(root: &Path, paths: Vec<PathBuf>) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    let mut for_tests = BTreeSet::new();
    for path in paths {
        let text = fs::read_to_string(&path).map_err(|error| Failure::io(&path, &error))?;
        let file = syn::parse_file(&text).map_err(|error| {
            Failure::failed(format!("{}:{}: {error}", path.display(), error.span().start().line))
        })?;
        test_modules(&file.items, &path, &children_of(&path), &mut for_tests);
        if !only_for_tests(&file.attrs) {
            let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            sources.push((path, measure(shown, text, &file)));
        }
    }
    let production =
        sources.into_iter().filter(|(path, _)| !path.ancestors().any(|part| for_tests.contains(part)));
    Ok(production.map(|(_, source)| source).collect())
}

/// The folder in which the modules of a file are looked for.
fn children_of(path: &Path) -> PathBuf {
    let own = path.file_stem().is_some_and(|stem| stem == "lib" || stem == "main" || stem == "mod");
    if own { path.parent().unwrap_or(path).to_owned() } else { path.with_extension("") }
}

/// Finds `#[cfg(test)] mod name;` and notes the files and folders that belong to it.
fn test_modules(items: &[Item], file: &Path, children: &Path, into: &mut BTreeSet<PathBuf>) {
    for item in items {
        let Item::Mod(module) = item else { continue };
        let name = module.ident.to_string();
        match &module.content {
            Some((_, inner)) if !only_for_tests(&module.attrs) => {
                test_modules(inner, file, &children.join(name), into);
            }
            None if only_for_tests(&module.attrs) => {
                if let Some(path) = path_attribute(&module.attrs) {
                    into.insert(file.with_file_name(path));
                } else {
                    into.insert(children.join(format!("{name}.rs")));
                    into.insert(children.join(name));
                }
            }
            _ => {}
        }
    }
}

/// The value of `#[path = "…"]`.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

/// Whether the attributes say that only tests compile this: `cfg(test)` or `cfg(all(test, …))`.
fn only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        attribute.parse_args::<Meta>().is_ok_and(|meta| match &meta {
            Meta::Path(path) => path.is_ident("test"),
            Meta::List(list) if list.path.is_ident("all") => list
                .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
                .is_ok_and(|parts| parts.iter().any(|part| part.path().is_ident("test"))),
            _ => false,
        })
    })
}

fn measure(path: String, text: String, file: &syn::File) -> Source {
    let in_tests: usize = file
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Mod(module) if module.content.is_some() && only_for_tests(&module.attrs) => {
                Some(lines_of(module))
            }
            _ => None,
        })
        .sum();
    let mut found = Functions(Vec::new());
    found.visit_file(file);
    Source { path, lines: text.lines().count() - in_tests, text, functions: found.0 }
}

fn lines_of(node: &impl Spanned) -> usize {
    node.span().end().line - node.span().start().line + 1
}

/// Walks a file and notes the functions that production compiles.
struct Functions(Vec<Function>);

impl Functions {
    fn note(&mut self, signature: &Signature, body: &Block) {
        let line = signature.span().start().line;
        let lines = body.span().end().line - line + 1;
        self.0.push(Function { name: signature.ident.to_string(), line, lines });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !only_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if !only_for_tests(&function.attrs) {
            self.note(&function.sig, &function.block);
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !only_for_tests(&function.attrs) {
            self.note(&function.sig, &function.block);
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.note(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests;
