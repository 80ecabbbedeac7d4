//! Links between documents.

use std::path::Path;

use crate::markdown::Document;

/// The links that lead nowhere. Those to other places are not followed.
pub(crate) fn wrong(document: &Document, root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for (line, target) in &document.links {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (file, anchor) =
            target.split_once('#').map_or((target.as_str(), None), |(file, anchor)| (file, Some(anchor)));
        let folder = root.join(&document.name);
        let path = folder.parent().unwrap_or(root).join(file);
        if !file.is_empty() && !path.exists() {
            found.push(document.at(*line, format_args!("the link leads nowhere: {target}")));
            continue;
        }
        let Some(anchor) = anchor else { continue };
        let known = if file.is_empty() {
            document.anchors.clone()
        } else {
            Document::new(file, &std::fs::read_to_string(&path).unwrap_or_default()).anchors
        };
        if !known.iter().any(|known| known == anchor) {
            found.push(document.at(*line, format_args!("no heading is linked to by {target}")));
        }
    }
    found
}
