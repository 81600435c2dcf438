//! Pages, and what is in them.

use std::path::Path;
use std::path::PathBuf;

/// A page of documentation.
#[derive(Debug)]
pub struct Page {
    /// Its path in the repository.
    pub name: String,
    pub text: String,
}

/// A fenced block.
#[derive(Clone, Debug)]
pub struct Block {
    /// Page and line, for complaints.
    pub place: String,
    pub language: String,
    /// What the comment in front says.
    pub note: Option<String>,
    pub text: String,
}

impl Page {
    /// The page at `name`.
    pub fn named(name: &str) -> Self {
        let path = root().join(name);
        let text = std::fs::read_to_string(&path);
        Self {
            name: name.to_owned(),
            text: text.unwrap_or_else(|error| panic!("{name}: {error}")),
        }
    }

    /// Its blocks, without the indentation that they have as parts of a list.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut note = None;
        let mut open: Option<(usize, Block)> = None;
        for (number, line) in self.text.lines().enumerate() {
            let bare = line.trim_start();
            let fence = bare.strip_prefix("```");
            match (&mut open, fence) {
                (Some(_), Some(rest)) => {
                    assert!(rest.is_empty(), "{}:{}: {line}", self.name, number + 1);
                    blocks.extend(open.take().map(|(_, block)| block));
                }
                (Some((indent, block)), None) => {
                    let line = line.get(*indent..).unwrap_or_default();
                    block.text.extend([line, "\n"]);
                }
                (None, Some(language)) => {
                    let block = Block {
                        place: format!("{}:{}", self.name, number + 1),
                        language: language.to_owned(),
                        note: note.take(),
                        text: String::new(),
                    };
                    open = Some((line.len() - bare.len(), block));
                }
                (None, None) => {
                    let comment = bare.strip_prefix("<!-- test: ");
                    let comment = comment.and_then(|rest| rest.strip_suffix(" -->"));
                    if let Some(comment) = comment {
                        note = Some(comment.to_owned());
                    } else if !bare.is_empty() {
                        assert!(note.is_none(), "{}: a note without a block", self.name);
                    }
                }
            }
        }
        assert!(open.is_none(), "{}: a block without an end", self.name);
        blocks
    }

    /// Its lines outside of blocks, with their numbers.
    pub fn prose(&self) -> Vec<(usize, &str)> {
        let mut inside = false;
        let mut prose = Vec::new();
        for (number, line) in self.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                inside = !inside;
            } else if !inside {
                prose.push((number + 1, line));
            }
        }
        prose
    }
}

/// The README and all pages below `deploy` and `tests`.
pub fn pages() -> Vec<Page> {
    let mut found = vec![PathBuf::from("README.md")];
    let mut folders = vec![PathBuf::from("deploy"), PathBuf::from("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("text");
            let path = folder.join(&name);
            let foreign = name.starts_with('.') || name == "node_modules" || name == "target";
            if entry.file_type().expect("known").is_dir() {
                folders.extend((!foreign).then_some(path));
            } else if path.extension().is_some_and(|end| end == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 12, "{found:?}");
    let names = found.iter().map(|path| path.to_str().expect("text"));
    names.map(Page::named).collect()
}

/// All blocks of all pages.
pub fn blocks() -> Vec<Block> {
    pages().iter().flat_map(Page::blocks).collect()
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Writes a page anew with `BLESS=1`, and else holds it against `page`.
pub fn bless(name: &str, page: &str) {
    let file = root().join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, page).expect("written");
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        known == page,
        "{name}: run this test with BLESS=1 and look at the difference"
    );
}
