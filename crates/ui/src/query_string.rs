//! The part of an address after `?`: what a page is asked for. Links of a page are its own with something changed.

use form_urlencoded::{Serializer, parse};

/// Names and values in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct QueryString(Vec<(String, String)>);

impl QueryString {
    /// Reads what stands after `?`. Fields of a form that were left empty are not asked for.
    pub fn parse(text: Option<&str>) -> Self {
        let pairs = parse(text.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All names and values.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Values of parameters: without the names of this program, which begin with `_`.
    pub fn parameters(&self) -> Self {
        Self(self.0.iter().filter(|(known, _)| !known.starts_with('_')).cloned().collect())
    }

    /// All values of a name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The same with these values for a name, in order.
    #[must_use]
    pub fn with_all(&self, name: &str, values: impl IntoIterator<Item = String>) -> Self {
        let mut changed = self.without(name);
        changed.0.extend(values.into_iter().map(|value| (name.to_owned(), value)));
        changed
    }

    /// The same without a name.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(known, _)| known != name).cloned().collect())
    }

    /// The same with one value for a name.
    #[must_use]
    pub fn with(&self, name: &str, value: impl Into<String>) -> Self {
        let mut changed = self.without(name);
        changed.0.push((name.to_owned(), value.into()));
        changed
    }

    /// The address of a path with it.
    pub fn after(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        format!("{path}?{}", Serializer::new(String::new()).extend_pairs(&self.0).finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_change_in_one_value_and_stay_encoded() {
        let query = QueryString::parse(Some("class=a%26b&_page=2&empty="));
        assert_eq!(query.get("class"), Some("a&b"));
        assert_eq!(query.with("_page", "3").after("/table/x"), "/table/x?class=a%26b&_page=3");
        assert_eq!(query.without("class").without("_page").after("/x"), "/x");
    }
}
