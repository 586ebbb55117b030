//! Addresses of a page: those of this server begin with `/`, in attributes that only templates and charts write.

/// Attributes with an address.
const ATTRIBUTES: [&str; 3] = [" href", " src", " action"];

/// How an address of this server begins in an attribute.
const START: &str = "=\"/";

/// The page with `change` of each address of this server; without the attribute where that is `None`.
pub(crate) fn with_addresses(page: &str, mut change: impl FnMut(&str) -> Option<String>) -> String {
    let (mut changed, mut rest) = (String::with_capacity(page.len()), page);
    while let Some((before, after)) = rest.split_once(START) {
        let attribute = ATTRIBUTES.iter().find(|attribute| before.ends_with(**attribute));
        let (Some(attribute), Some((address, end))) = (attribute, after.split_once('"')) else {
            changed.push_str(before);
            changed.push_str(START);
            rest = after;
            continue;
        };
        match change(&plain(&format!("/{address}"))) {
            Some(other) => changed.push_str(&format!("{before}=\"{}\"", escaped(&other))),
            None => changed.push_str(&before[..before.len() - attribute.len()]),
        }
        rest = end;
    }
    changed.push_str(rest);
    changed
}

/// An address without the escapes of HTML.
fn plain(address: &str) -> String {
    let others = [("&#34;", "\""), ("&quot;", "\""), ("&#39;", "'"), ("&apos;", "'"), ("&lt;", "<"), ("&#60;", "<")];
    // Ampersands last, or a text that holds an escape would be read twice.
    let last = [("&gt;", ">"), ("&#62;", ">"), ("&amp;", "&"), ("&#38;", "&")];
    others
        .into_iter()
        .chain(last)
        .fold(address.to_owned(), |address, (escape, character)| address.replace(escape, character))
}

fn escaped(address: &str) -> String {
    address.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_server_change_and_all_else_stays() {
        let page = r#"<a href="/x?a=1&amp;b=2">x</a> href=&#34;/no&#34; <a href="data:,">y</a><img src="/i"><form action="/f">"#;
        let mut seen = Vec::new();
        let found = with_addresses(page, |address| {
            seen.push(address.to_owned());
            (address != "/i").then(|| format!("p{address}"))
        });
        assert_eq!(seen, ["/x?a=1&b=2", "/i", "/f"]);
        let expected =
            r#"<a href="p/x?a=1&amp;b=2">x</a> href=&#34;/no&#34; <a href="data:,">y</a><img><form action="p/f">"#;
        assert_eq!(found, expected);
    }
}
