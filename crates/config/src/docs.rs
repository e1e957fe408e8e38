//! Doc comments as readers outside of rustdoc see them.

/// The text without links to Rust items: ``[`TcpServer`]`` is `` `TcpServer` ``. Links to pages
/// stay.
pub(crate) fn without_item_links(docs: &str) -> String {
    let mut text = String::with_capacity(docs.len());
    let mut rest = docs;
    while let Some(start) = rest.find('[') {
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        match item_link(rest) {
            Some((label, length)) => {
                text.push_str(label);
                rest = &rest[length..];
            }
            None => {
                text.push('[');
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
    text
}

/// The label of a link to an item that `text` starts with, and the length of the link.
fn item_link(text: &str) -> Option<(&str, usize)> {
    let end = text.find(']')?;
    let label = &text[1..end];
    match text[end + 1..].strip_prefix('(') {
        Some(target) => {
            let close = target.find(')')?;
            let is_page = target[..close].contains('/') || target[..close].starts_with('#');
            (!is_page && !label.is_empty()).then_some((label, end + 2 + close + 1))
        }
        // Without a target only code is a link: neither `[1, 2]` nor `[text]` is a link.
        None => {
            let is_code = label.len() > 2 && label.starts_with('`') && label.ends_with('`');
            (is_code && label.matches('`').count() == 2).then_some((label, end + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_items_become_their_labels() {
        let plain = |docs: &str| without_item_links(docs);
        assert_eq!(
            plain("A [`TcpServer`], see [it](crate::Server)."),
            "A `TcpServer`, see it."
        );
        assert_eq!(
            plain("[page](https://a.b/c) and [`x`](Self::x)"),
            "[page](https://a.b/c) and `x`"
        );
    }

    #[test]
    fn what_is_no_link_stays() {
        for docs in [
            "`[1, 2]`",
            "[text",
            "a [b] c",
            "[`a`",
            "[]",
            "`{ all = [...] }`",
            "[`a` or `b`]",
            "größe [中",
        ] {
            assert_eq!(without_item_links(docs), docs);
        }
    }
}
