//! Resolves an attack's table in a spec to a planned attack on one generator.

use super::planned::PlannedAttack;
use serde_json::{Map, Value};
use std::sync::Arc;
use syntrace_attack::attack::AttackKind;
use syntrace_base::error::{Error, Result, ResultExt, nearest};
use syntrace_base::record::{WHOLE, WithoutZero};
use syntrace_measure::audit::outside_scalars;
use syntrace_model::model::AnyGenerator;
use syntrace_spec::StageSpec;

/// Name of the attack that stands for the paper's attack on each generator.
const PUBLISHED: &str = "published";

/// What an attack's table says.
#[derive(Debug, Clone)]
pub(crate) struct AttackChoice {
    name: String,
    /// `None`: the paper's attack.
    kind: Option<AttackKind>,
    attribute: AttributeChoice,
    each: bool,
    /// Are its rows hosts?
    hosts: bool,
    generators: Option<Vec<String>>,
    options: Map<String, Value>,
}

#[derive(Debug, Clone)]
enum AttributeChoice {
    Default,
    One(String),
    PerGenerator(Map<String, Value>),
}

/// A generator as an attack sees it.
#[derive(Debug, Clone)]
pub(crate) struct Attacked<'a> {
    /// Its name in the study.
    pub name: &'a str,
    pub family: &'a str,
    /// Its attribute kinds, the default first.
    pub kinds: Vec<&'a str>,
    /// Were shadows trained on the target's traces?
    pub overlap: bool,
    /// Attribute kinds that an import declares as defined only up to a per-model constant.
    pub told: &'a [String],
}

impl Attacked<'_> {
    /// Which values of an attribute kind are defined only up to a per-model constant.
    fn without_zero(&self, kind: &str) -> WithoutZero {
        if self.told.iter().any(|told| told == kind) {
            return WithoutZero { loss: true, values: true };
        }
        WithoutZero::of(self.family, kind)
    }
}

impl AttackChoice {
    /// Reads a table: `kind`, `attribute`, `targets`, `unit`, `generators`; everything else are the attack's own
    /// options, which are checked here.
    pub fn parse(stage: &StageSpec) -> Result<Self> {
        Self::parse_table(stage).context(|| format!("[attack.{}]", stage.name))
    }

    fn parse_table(stage: &StageSpec) -> Result<Self> {
        let mut options = stage.options.clone();
        let kind = match options.remove("kind") {
            None => stage.name.clone(),
            Some(value) => text("kind", &value)?,
        };
        let kind = if kind == PUBLISHED { None } else { Some(AttackKind::from_name(&kind)?) };
        let attribute = match options.remove("attribute") {
            None => AttributeChoice::Default,
            Some(Value::Object(table)) => AttributeChoice::PerGenerator(table),
            Some(value) => AttributeChoice::One(text("attribute", &value)?),
        };
        let each = match options.remove("targets").map(|value| text("targets", &value)).transpose()?.as_deref() {
            None | Some("target") => false,
            Some("each") => true,
            Some(other) => {
                return Err(Error::user(format!("`targets` must be `target` or `each`, found `{other}`")));
            }
        };
        let hosts = match options.remove("unit").map(|value| text("unit", &value)).transpose()?.as_deref() {
            None | Some("trace") => false,
            Some("host") => true,
            Some(other) => return Err(Error::user(format!("`unit` must be `trace` or `host`, found `{other}`"))),
        };
        if hosts && kind.is_none_or(AttackKind::needs_references) {
            return Err(Error::user(
                "`unit = \"host\"` is for attacks that learn from attributes of one model at a time",
            )
            .hint("name one of them (`kind = \"random_forest\"`, `\"threshold\"`, `\"mlp\"`, `\"ocsvm\"`)"));
        }
        let generators = match options.remove("generators") {
            None => None,
            Some(Value::Array(names)) => {
                Some(names.iter().map(|name| text("generators", name)).collect::<Result<Vec<_>>>()?)
            }
            Some(other) => return Err(Error::user(format!("`generators` must be a list of names, found {other}"))),
        };
        let choice = Self { name: stage.name.clone(), kind, attribute, each, hosts, generators, options };
        match kind {
            Some(kind) => drop(kind.with(&choice.options, &[])?),
            None if choice.options.is_empty() => {}
            None => {
                return Err(Error::user("attack `published` takes no options")
                    .hint("name the kind of attack (`kind = \"mlp\"`) to change its options"));
            }
        }
        Ok(choice)
    }

    /// Fails where the table names a generator that does not exist, or an attribute kind that none has.
    pub fn check(&self, all: &[Attacked<'_>]) -> Result<()> {
        let names: Vec<&str> = all.iter().map(|generator| generator.name).collect();
        let kinds: Vec<&str> = all.iter().flat_map(|generator| &generator.kinds).copied().collect();
        let mut checked: Vec<(&str, &str, &[&str])> = Vec::new();
        for name in self.generators.iter().flatten() {
            checked.push(("generator", name, &names));
        }
        match &self.attribute {
            AttributeChoice::Default => {}
            AttributeChoice::One(kind) => checked.push(("attribute kind", kind, &kinds)),
            AttributeChoice::PerGenerator(table) => {
                for (name, kind) in table {
                    checked.push(("generator", name, &names));
                    checked.push(("attribute kind", kind.as_str().unwrap_or_default(), &kinds));
                }
            }
        }
        let missing = checked.into_iter().find(|(_, found, known)| !known.contains(found));
        if let Some((what, found, known)) = missing {
            let error = Error::user(format!("expected a {what} of {}, found `{found}`", known.join(", ")))
                .context(format!("[attack.{}]", self.name));
            return Err(match nearest(found, known) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            });
        }
        Ok(())
    }

    /// Is the generator one of those that the table asks for?
    pub fn concerns(&self, generator: &str) -> bool {
        self.generators.as_ref().is_none_or(|names| names.iter().any(|name| name == generator))
    }

    /// The attack on a generator, or why there is none.
    pub fn on(&self, generator: &Attacked<'_>) -> Result<std::result::Result<PlannedAttack, String>> {
        let skipped = |reason: String| Ok(Err(format!("no attack `{}` on {}: {reason}", self.name, generator.name)));
        let Some(first) = generator.kinds.first() else {
            return skipped("it has no attributes".to_owned());
        };
        // An import's family is unknown here: the default of the attack.
        let family = AnyGenerator::preset(generator.family).ok();
        let published = family.as_ref().and_then(|family| family.published_attack());
        let kind = match self.kind {
            Some(kind) => kind,
            None => published.map_or(Ok(AttackKind::Mlp), |(kind, _)| AttackKind::from_name(kind))?,
        };
        let wanted = match &self.attribute {
            AttributeChoice::One(wanted) => Some(wanted.as_str()),
            AttributeChoice::PerGenerator(table) => table.get(generator.name).and_then(Value::as_str),
            AttributeChoice::Default => None,
        };
        let attribute = match wanted {
            Some(wanted) => wanted,
            None => published
                .filter(|(of, attribute)| *of == kind.name() && generator.kinds.contains(attribute))
                .map_or(*first, |(_, attribute)| attribute),
        };
        if !generator.kinds.contains(&attribute) {
            return skipped(format!("it has no attribute kind `{attribute}` (it has {})", generator.kinds.join(", ")));
        }
        let mut scalars = outside_scalars(attribute);
        scalars.extend(family.iter().flat_map(|family| family.scalars(attribute)));
        if self.hosts {
            // they are of one trace
            scalars.clear();
        }
        let attack = kind.with(&self.options, &scalars).context(|| format!("[attack.{}]", self.name))?;
        let Some(attack) = attack else {
            let known: Vec<&str> = scalars.iter().map(|scalar| scalar.name).chain(["loss"]).collect();
            return skipped(format!("its `{attribute}` has no such statistic (it has {})", known.join(", ")));
        };
        if attack.needs_overlap() && !generator.overlap {
            return skipped("it needs shadows trained on the target's traces (`split.overlap = true`)".to_owned());
        }
        if attack.needs_references() && attribute.starts_with(WHOLE) {
            return skipped(format!(
                "it compares models on traces outside their splits, of which `{attribute}` is not kept"
            ));
        }
        // what the paper ran reads raw numbers
        let without_zero = if self.kind.is_some() { generator.without_zero(attribute) } else { WithoutZero::default() };
        if attack.refuses(without_zero) {
            return skipped(format!(
                "it needs probabilities, and the scores in `{attribute}` are defined only up to a constant"
            ));
        }
        let (name, attribute) = (self.name.clone(), attribute.to_owned());
        let (attack, each, hosts) = (Arc::new(attack), self.each, self.hosts);
        Ok(Ok(PlannedAttack { name, attack, attribute, each, hosts, without_zero }))
    }
}

fn text(key: &str, value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| Error::user(format!("`{key}` must be a text, found {value}")))
}
