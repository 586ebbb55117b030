//! The page: text, tables, style. Everything that is not a constant of this file is escaped.

use crate::query::Rendered;
use std::fmt::Write;

/// Text as HTML shows it.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// An answer as a table; says so where there is nothing.
pub(super) fn table(rendered: &Rendered) -> String {
    if rendered.rows.is_empty() {
        return "<p class=\"nothing\">Nothing of this is in the study.</p>\n".to_owned();
    }
    let class = |index: usize| if rendered.numeric.get(index) == Some(&true) { " class=\"n\"" } else { "" };
    let mut text = String::from("<div class=\"wide\"><table>\n<thead><tr>");
    for (index, name) in rendered.header.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(text, "<th{}>{}</th>", class(index), escape(name));
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for row in &rendered.rows {
        text.push_str("<tr>");
        for (index, cell) in row.iter().enumerate() {
            let shown = match cell.as_str() {
                "NULL" => "<span class=\"null\">-</span>".to_owned(),
                "Infinity" => "&infin;".to_owned(),
                other => escape(other),
            };
            let _ = write!(text, "<td{}>{shown}</td>", class(index));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table></div>\n");
    text
}

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--soft:#5b6570;--line:#d5dae0;--shade:#f4f6f8;\
--s0:#0b62a4;--s1:#c2410c;--s2:#15803d;--s3:#7e22ce;--s4:#a16207;--s5:#be185d;--s6:#0f766e;--s7:#4b5563}\
@media(prefers-color-scheme:dark){:root{--back:#14171a;--text:#e6e9ec;--soft:#9aa5b1;--line:#343b43;--shade:#1d2126;\
--s0:#5aa9e6;--s1:#fb923c;--s2:#4ade80;--s3:#c084fc;--s4:#facc15;--s5:#f472b6;--s6:#2dd4bf;--s7:#9ca3af}}\
body{margin:2rem auto;max-width:72rem;padding:0 1rem;background:var(--back);color:var(--text);\
font:16px/1.5 system-ui,sans-serif}\
h1{margin-bottom:.25rem}h2{margin:2rem 0 .25rem}code{background:var(--shade);padding:.1em .3em;border-radius:3px;\
font-size:.85em}\
.question,.nothing,.null{color:var(--soft)}.question{margin:.25rem 0 .75rem}.wide{overflow-x:auto}\
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}\
th,td{padding:.25rem .75rem .25rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;\
white-space:pre-wrap}th{white-space:nowrap;color:var(--soft);font-weight:600}.n{text-align:right}\
details{margin:1rem 0}summary{cursor:pointer;font-weight:600}\
svg{display:block;width:100%;max-width:56rem;height:auto;margin:.5rem 0 1rem}\
svg text{fill:var(--text);font:12px system-ui,sans-serif}svg .soft{fill:var(--soft)}svg .grid{stroke:var(--line)}\
svg .reference{stroke:var(--soft);stroke-dasharray:5 4}";

/// The whole page.
pub(super) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{body}<footer class=\"question\">syntrace {}</footer>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_study_cannot_become_markup() {
        let rendered = Rendered {
            header: vec!["<b>".to_owned()],
            numeric: vec![false],
            rows: vec![vec!["\"><script>alert('x')</script>&".to_owned()]],
        };
        let text = table(&rendered);
        assert!(!text.contains("<script") && !text.contains("<b>"), "{text}");
        assert!(text.contains("&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;"), "{text}");
    }
}
