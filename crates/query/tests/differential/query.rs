//! Queries drawn at random, in the SQL that DataFusion and DuckDB both read, with one right answer: every limit is over
//! a total order, every literal has a type, and no arithmetic leaves its type but where a query is about that.

/// xorshift64*: small, seeded, the same on every machine.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end.max(1)
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// True in `times` of ten throws.
    fn often(&mut self, times: usize) -> bool {
        self.below(10) < times
    }
}

/// Type of an expression.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Int,
    Real,
    Text,
    Flag,
}

/// A table, its alias, and its columns that both systems read alike.
struct Table {
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
}

use Kind::{Flag, Int, Real, Text};

const TABLES: &[Table] = &[
    Table {
        name: "models",
        columns: &[
            ("model_id", Int),
            ("class_id", Int),
            ("split_id", Int),
            ("steps", Int),
            ("shadow", Int),
            ("class", Text),
            ("role", Text),
            ("accountant", Text),
            ("epsilon", Real),
            ("epsilon_end_to_end", Real),
            ("noise_multiplier", Real),
        ],
    },
    Table {
        name: "packets",
        columns: &[
            ("trace_id", Int),
            ("model_id", Int),
            ("position", Int),
            ("ip_length", Int),
            ("ttl", Int),
            ("generator", Text),
            ("class", Text),
            ("epsilon", Real),
            ("synthetic", Flag),
        ],
    },
    Table {
        name: "attributes",
        columns: &[
            ("model_id", Int),
            ("trace_id", Int),
            ("shadow", Int),
            ("role", Text),
            ("class", Text),
            ("epsilon", Real),
            ("loss", Real),
            ("member", Flag),
        ],
    },
    Table {
        name: "epochs",
        columns: &[
            ("model_id", Int),
            ("epoch", Int),
            ("step", Int),
            ("class", Text),
            ("epsilon", Real),
            ("member_loss", Real),
            ("held_out_loss", Real),
        ],
    },
    Table {
        name: "attack_scores",
        columns: &[
            ("attack_id", Int),
            ("model_id", Int),
            ("trace_id", Int),
            ("class", Text),
            ("epsilon", Real),
            ("member", Flag),
        ],
    },
    Table {
        name: "splits",
        columns: &[("split_id", Int), ("trace_id", Int), ("class", Text), ("role", Text), ("shadow", Int)],
    },
    // Made by each query: many NULLs, many duplicates.
    Table { name: "few", columns: &[("a", Int), ("b", Int), ("x", Real), ("t", Text), ("f", Flag)] },
];

/// Columns that a query can use: name with alias, type.
type Scope = Vec<(String, Kind)>;

const FEW: &str = "few(a, b, x, t, f) AS (SELECT CAST(a AS BIGINT), CAST(b AS INT), CAST(x AS DOUBLE), \
    CAST(t AS VARCHAR), CAST(f AS BOOLEAN) FROM (VALUES (100, 1, 0.5, 'windows', true), (100, 1, 0.5, 'windows', true), \
    (101, NULL, NULL, 'ubuntu', false), (NULL, 2, 1.5, NULL, NULL), (NULL, NULL, NULL, NULL, NULL), \
    (0, 0, 0.0, '', false), (1000, 2, 4.0, 'windows', NULL), (101, 3, -1.0, 'mac', true)) v(a, b, x, t, f))";

/// What a query is about, for the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    Rows,
    Groups,
    Windows,
    Sets,
    Distinct,
    Joined,
    Edges,
}

pub struct Query {
    pub shape: Shape,
    pub sql: String,
    /// Its rows have one order.
    pub is_ordered: bool,
}

pub struct Writer {
    dice: Dice,
    aliases: usize,
}

impl Writer {
    pub fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), aliases: 0 }
    }

    pub fn query(&mut self) -> Query {
        self.aliases = 0;
        let (shape, body) = match self.dice.below(15) {
            0..3 => (Shape::Rows, self.rows()),
            3..6 => (Shape::Groups, self.groups()),
            6..8 => (Shape::Windows, self.windows()),
            8 => (Shape::Sets, self.sets()),
            9..11 => (Shape::Distinct, self.distinct()),
            11..14 => (Shape::Joined, self.joined()),
            _ => return Query { shape: Shape::Edges, sql: self.edges(), is_ordered: false },
        };
        Query { shape, sql: format!("WITH {FEW} {body}"), is_ordered: shape == Shape::Joined }
    }

    fn table(&mut self) -> (String, Scope) {
        let table = &TABLES[self.dice.below(TABLES.len())];
        self.aliases += 1;
        let alias = format!("t{}", self.aliases);
        let scope = table.columns.iter().map(|(name, kind)| (format!("{alias}.{name}"), *kind)).collect();
        (format!("{} {alias}", table.name), scope)
    }

    /// One table, or two or three joined.
    fn from(&mut self) -> (String, Scope) {
        let (mut text, mut scope) = self.table();
        let joins = self.dice.one(&[0, 0, 1, 1, 2]);
        for _ in 0..joins {
            let (other, columns) = self.table();
            let left = self.column(&scope, Int);
            let right = self.column(&columns, Int);
            let (Some(left), Some(right)) = (left, right) else { continue };
            let join = self.dice.one(&["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
            scope.extend(columns);
            // Rows of a full join that meet nothing are those of hash joins only: the condition is one equality.
            let more = match join != "FULL JOIN" && self.dice.often(3) {
                true => format!(" AND {}", self.simple(&scope)),
                false => String::new(),
            };
            text = format!("{text} {join} {other} ON {left} = {right}{more}");
        }
        (text, scope)
    }

    fn column(&mut self, scope: &Scope, kind: Kind) -> Option<String> {
        let fitting: Vec<&String> = scope.iter().filter(|(_, found)| *found == kind).map(|(name, _)| name).collect();
        (!fitting.is_empty()).then(|| fitting[self.dice.below(fitting.len())].clone())
    }

    fn kind(&mut self) -> Kind {
        self.dice.one(&[Int, Int, Int, Real, Text, Flag])
    }

    fn literal(&mut self, kind: Kind) -> String {
        if self.dice.often(1) {
            let name = match kind {
                Int => "BIGINT",
                Real => "DOUBLE",
                Text => "VARCHAR",
                Flag => "BOOLEAN",
            };
            return format!("CAST(NULL AS {name})");
        }
        match kind {
            Int => format!("CAST({} AS BIGINT)", self.dice.one(&[0, 1, 2, 3, 40, 60, 100, 101, 1000, 1002, -1])),
            Real => format!("CAST({} AS DOUBLE)", self.dice.one(&["0.5", "4.0", "1.5", "0.0", "2.0", "-1.0"])),
            Text => format!("'{}'", self.dice.one(&["windows", "ubuntu", "target", "shadow", "netssm", "", "rdp"])),
            Flag => self.dice.one(&["true", "false"]).to_owned(),
        }
    }

    /// A value of a type; numbers stay small.
    fn value(&mut self, scope: &Scope, kind: Kind, depth: usize) -> String {
        let column = self.column(scope, kind);
        let plain = match column {
            Some(column) if !self.dice.often(2) => column,
            _ => self.literal(kind),
        };
        if depth == 0 || self.dice.often(5) {
            return plain;
        }
        let mut deeper = |kind| self.value(scope, kind, depth - 1);
        match kind {
            Int => {
                let (left, right) = (deeper(Int), deeper(Int));
                let condition = self.simple(scope);
                match self.dice.below(6) {
                    0 => format!("(CAST({left} AS BIGINT) + {right})"),
                    1 => format!("(CAST({left} AS BIGINT) - {right})"),
                    2 => format!("coalesce({left}, {right})"),
                    3 => format!("CASE WHEN {condition} THEN {left} ELSE {right} END"),
                    4 => self.scalar(scope),
                    _ => format!("nullif({left}, {right})"),
                }
            }
            Real => {
                let (left, right) = (deeper(Real), deeper(Real));
                match self.dice.below(3) {
                    0 => format!("({left} * 0.5 + 1.0)")
                        .replace("0.5", "CAST(0.5 AS DOUBLE)")
                        .replace("1.0", "CAST(1.0 AS DOUBLE)"),
                    1 => format!("coalesce({left}, {right})"),
                    _ => format!("-({left})"),
                }
            }
            Text => {
                let (left, right) = (deeper(Text), deeper(Text));
                match self.dice.below(3) {
                    0 => format!("upper({left})"),
                    1 => format!("coalesce({left}, {right})"),
                    _ => format!("({left} || '-' || {right})"),
                }
            }
            Flag => format!("({})", self.condition(scope, depth - 1)),
        }
    }

    /// A condition on columns alone.
    fn simple(&mut self, scope: &Scope) -> String {
        let kind = self.kind();
        let left = self.column(scope, kind).unwrap_or_else(|| self.literal(kind));
        let right = self.literal(kind);
        match self.dice.below(6) {
            0 => format!("{left} IS NULL"),
            1 => format!("{left} IS NOT NULL"),
            2 => format!("({left} IS DISTINCT FROM {right})"),
            _ => format!("{left} {} {right}", self.dice.one(&["=", "<>", "<", ">", "<=", ">="])),
        }
    }

    fn condition(&mut self, scope: &Scope, depth: usize) -> String {
        if depth == 0 {
            return self.simple(scope);
        }
        match self.dice.below(10) {
            0 | 1 => format!("({} AND {})", self.condition(scope, depth - 1), self.condition(scope, depth - 1)),
            2 => format!("({} OR {})", self.condition(scope, depth - 1), self.condition(scope, depth - 1)),
            3 => format!("NOT ({})", self.condition(scope, depth - 1)),
            4 => {
                let kind = self.dice.one(&[Int, Text]);
                let value = self.value(scope, kind, 1);
                let list: Vec<String> = (0..3).map(|_| self.literal(kind)).collect();
                let not = self.dice.one(&["", "NOT "]);
                format!("{value} {not}IN ({})", list.join(", "))
            }
            5 => {
                let value = self.value(scope, Int, 1);
                format!("{value} BETWEEN {} AND {}", self.literal(Int), self.literal(Int))
            }
            6 | 7 => self.in_subquery(scope),
            8 => self.exists(scope),
            _ => {
                let kind = self.kind();
                let (left, right) = (self.value(scope, kind, 1), self.value(scope, kind, 1));
                format!("{left} {} {right}", self.dice.one(&["=", "<>", "<", ">="]))
            }
        }
    }

    /// `IN` and `NOT IN` of a constant, a column or an expression, correlated or not.
    fn in_subquery(&mut self, scope: &Scope) -> String {
        let (from, columns) = self.table();
        let kind = self.dice.one(&[Int, Int, Text]);
        let value = if self.dice.often(3) { self.literal(kind) } else { self.value(scope, kind, 1) };
        // Of a value that is a subquery, a correlated IN is refused, in words that say little.
        let value = if value.contains("SELECT") { self.literal(kind) } else { value };
        let Some(column) = self.column(&columns, kind) else { return self.simple(scope) };
        let mut conditions = Vec::new();
        if self.dice.often(5)
            && let (Some(inner), Some(outer)) = (self.column(&columns, Int), self.column(scope, Int))
        {
            conditions.push(format!("{inner} {} {outer}", self.dice.one(&["=", "=", "<", ">"])));
        }
        if self.dice.often(4) {
            conditions.push(self.simple(&columns));
        }
        let condition =
            if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let not = self.dice.one(&["", "NOT ", "NOT "]);
        format!("{value} {not}IN (SELECT {column} FROM {from}{condition})")
    }

    fn exists(&mut self, scope: &Scope) -> String {
        let (from, columns) = self.table();
        let Some(inner) = self.column(&columns, Int) else { return self.simple(scope) };
        let outer = self.value(scope, Int, 0);
        let more = self.simple(&columns);
        let not = self.dice.one(&["", "NOT "]);
        format!("{not}EXISTS (SELECT 1 FROM {from} WHERE {inner} = {outer} AND {more})")
    }

    /// One value of a subquery, which may have no row.
    fn scalar(&mut self, scope: &Scope) -> String {
        let (from, columns) = self.table();
        let (Some(inner), Some(value)) = (self.column(&columns, Int), self.column(&columns, Int)) else {
            return self.literal(Int);
        };
        let outer = self.value(scope, Int, 0);
        let call = self.dice.one(&["max", "min", "count"]);
        let having = self.dice.one(&["", "", " HAVING count(*) > 1"]);
        format!("coalesce((SELECT {call}({value}) FROM {from} WHERE {inner} = {outer}{having}), CAST(-7 AS BIGINT))")
    }

    fn filter(&mut self, scope: &Scope) -> String {
        if self.dice.often(7) { format!(" WHERE {}", self.condition(scope, 2)) } else { String::new() }
    }

    /// `ORDER BY` all columns of an answer.
    fn ordered(&mut self, columns: usize) -> String {
        let order: Vec<String> = (1..=columns)
            .map(|place| {
                let way = self.dice.one(&["ASC NULLS FIRST", "ASC NULLS LAST", "DESC NULLS FIRST", "DESC NULLS LAST"]);
                format!("{place} {way}")
            })
            .collect();
        format!(" ORDER BY {}", order.join(", "))
    }

    /// `ORDER BY` all columns of an answer and a limit, or nothing.
    fn limited(&mut self, columns: usize) -> String {
        if !self.dice.often(4) {
            return String::new();
        }
        let order = self.ordered(columns);
        let offset = if self.dice.often(3) { format!(" OFFSET {}", self.dice.below(4)) } else { String::new() };
        format!("{order} LIMIT {}{offset}", self.dice.one(&[1, 2, 3, 5, 10, 100]))
    }

    fn items(&mut self, scope: &Scope, count: usize) -> Vec<String> {
        (0..count)
            .map(|place| {
                let kind = self.kind();
                format!("{} AS c{place}", self.value(scope, kind, 2))
            })
            .collect()
    }

    fn rows(&mut self) -> String {
        let (from, scope) = self.from();
        let count = 1 + self.dice.below(3);
        let items = self.items(&scope, count);
        let filter = self.filter(&scope);
        let distinct = if self.dice.often(3) { "DISTINCT " } else { "" };
        format!("SELECT {distinct}{} FROM {from}{filter}{}", items.join(", "), self.limited(count))
    }

    fn aggregate(&mut self, scope: &Scope) -> String {
        let kind = self.dice.one(&[Int, Int, Real]);
        let value = self.value(scope, kind, 1);
        let filter = if self.dice.often(2) { format!(" FILTER (WHERE {})", self.simple(scope)) } else { String::new() };
        let call = match self.dice.below(8) {
            0 => "count(*)".to_owned(),
            1 => format!("count({value})"),
            2 => format!("count(DISTINCT {value})"),
            3 => format!("min({value})"),
            4 => format!("max({value})"),
            5 => format!("avg({value})"),
            6 if kind == Int => format!("sum(DISTINCT {value})"),
            _ => format!("sum({value})"),
        };
        format!("{call}{filter}")
    }

    fn groups(&mut self) -> String {
        let (from, scope) = self.from();
        let filter = self.filter(&scope);
        let keys = self.dice.below(3);
        let mut items: Vec<String> = (0..keys)
            .map(|_| {
                let kind = self.kind();
                self.column(&scope, kind).unwrap_or_else(|| "1".to_owned())
            })
            .collect();
        items.retain(|item| item != "1");
        let grouped = if items.is_empty() { String::new() } else { format!(" GROUP BY {}", items.join(", ")) };
        for _ in 0..=self.dice.below(3) {
            let aggregate = self.aggregate(&scope);
            items.push(aggregate);
        }
        let having = match self.dice.often(2) {
            true => format!(" HAVING count(*) > {}", self.dice.below(4)),
            false => String::new(),
        };
        let columns = items.len();
        let items: Vec<String> = items.iter().enumerate().map(|(place, item)| format!("{item} AS c{place}")).collect();
        format!("SELECT {} FROM {from}{filter}{grouped}{having}{}", items.join(", "), self.limited(columns))
    }

    fn windows(&mut self) -> String {
        let (from, scope) = self.from();
        let filter = self.filter(&scope);
        let count = 1 + self.dice.below(2);
        let mut items = self.items(&scope, count);
        for place in 0..=self.dice.below(2) {
            let kind = self.kind();
            let part = self.column(&scope, kind);
            let by = part.filter(|_| self.dice.often(8)).map(|column| format!("PARTITION BY {column}"));
            let order = self.column(&scope, Int).filter(|_| self.dice.often(4));
            let order = order.map(|column| format!("ORDER BY {column} NULLS FIRST"));
            let is_ordered = order.is_some();
            let over: Vec<String> = by.into_iter().chain(order).collect();
            let call = match self.dice.below(7) {
                0 if is_ordered => "rank()".to_owned(),
                1 if is_ordered => "dense_rank()".to_owned(),
                2 => "count(*)".to_owned(),
                3 => format!("min({})", self.value(&scope, Int, 1)),
                4 => format!("max({})", self.value(&scope, Real, 1)),
                5 => format!("avg({})", self.value(&scope, Int, 1)),
                _ => format!("sum({})", self.value(&scope, Int, 1)),
            };
            items.push(format!("{call} OVER ({}) AS w{place}", over.join(" ")));
        }
        let columns = items.len();
        let distinct = if self.dice.often(3) { "DISTINCT " } else { "" };
        format!("SELECT {distinct}{} FROM {from}{filter}{}", items.join(", "), self.limited(columns))
    }

    fn sets(&mut self) -> String {
        let count = 1 + self.dice.below(2);
        let kinds: Vec<Kind> = (0..count).map(|_| self.kind()).collect();
        let mut part = || {
            let (from, scope) = self.table();
            let items: Vec<String> = kinds
                .iter()
                .enumerate()
                .map(|(place, kind)| {
                    let value = self.value(&scope, *kind, 1);
                    // One type on both sides: DuckDB would widen where DataFusion does, but not always alike.
                    match kind {
                        Int => format!("CAST({value} AS BIGINT) AS c{place}"),
                        Real => format!("CAST({value} AS DOUBLE) AS c{place}"),
                        _ => format!("{value} AS c{place}"),
                    }
                })
                .collect();
            format!("SELECT {} FROM {from}{}", items.join(", "), self.filter(&scope))
        };
        let (left, right) = (part(), part());
        let operator = self.dice.one(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]);
        format!("SELECT * FROM ({left} {operator} {right}) s{}", self.limited(count))
    }

    /// `DISTINCT` with limits over unions and windows.
    fn distinct(&mut self) -> String {
        let (from, scope) = self.table();
        let kind = self.dice.one(&[Int, Text, Real]);
        let Some(column) = self.column(&scope, kind) else { return self.rows() };
        let way = self.dice.one(&["", "DESC "]);
        let limit = 1 + self.dice.below(6);
        let last = self.dice.one(&["NULLS FIRST", "NULLS LAST"]);
        match self.dice.below(4) {
            3 => {
                let order = format!("ORDER BY 1 {way}{last}");
                let (first, second) = (self.dice.below(3), self.dice.below(3));
                format!(
                    "SELECT x FROM (SELECT DISTINCT {column} AS x FROM {from} {order} LIMIT {} OFFSET {first}) s {order} \
                     LIMIT {limit} OFFSET {second}",
                    limit + 2
                )
            }
            0 => {
                let copies = vec!["SELECT x FROM s"; 2 + self.dice.below(4)].join(" UNION ALL ");
                let inner = limit + self.dice.below(3);
                let offset = self.dice.one(&["", " OFFSET 1", " OFFSET 2"]);
                format!(
                    ", s(x) AS (SELECT DISTINCT {column} FROM {from} ORDER BY 1 {way}{last} LIMIT {inner}), \
                     u AS ({copies}) SELECT DISTINCT x FROM u ORDER BY x {way}{last} LIMIT {limit}{offset}"
                )
            }
            1 => format!(
                "SELECT count(*) AS n FROM (SELECT DISTINCT {column} AS k, count(*) OVER (PARTITION BY {column}) AS n \
                 FROM {from} LIMIT {limit}) s"
            ),
            _ => format!(
                "SELECT {column} AS k, count(*) AS n FROM {from} GROUP BY {column} ORDER BY k {way}{last} LIMIT {limit}"
            ),
        }
    }

    /// Columns of whole numbers and texts, each with its type: what they are ordered by is the same everywhere.
    fn exact_columns(&mut self, scope: &Scope, most: usize) -> Vec<(String, Kind)> {
        let mut columns: Vec<(String, Kind)> = Vec::new();
        for _ in 0..1 + self.dice.below(most) {
            let kind = self.dice.one(&[Int, Int, Text]);
            let Some(column) = self.column(scope, kind) else { continue };
            if columns.iter().all(|(known, _)| *known != column) {
                columns.push((column, kind));
            }
        }
        columns
    }

    /// Groups of `from` as a relation; sometimes ordered, with a limit.
    fn grouped(&mut self, from: &str, scope: &Scope) -> (String, Scope) {
        let keys = self.exact_columns(scope, 2);
        let filter = if self.dice.often(3) { format!(" WHERE {}", self.simple(scope)) } else { String::new() };
        self.aliases += 1;
        let alias = format!("g{}", self.aliases);
        let mut items: Vec<String> =
            keys.iter().enumerate().map(|(place, (key, _))| format!("{key} AS k{place}")).collect();
        let mut columns: Scope =
            keys.iter().enumerate().map(|(place, (_, kind))| (format!("{alias}.k{place}"), *kind)).collect();
        items.push("count(*) AS n".to_owned());
        columns.push((format!("{alias}.n"), Int));
        if let Some(column) = self.column(scope, Int) {
            items.push(format!("max({column}) AS m"));
            columns.push((format!("{alias}.m"), Int));
        }
        let names: Vec<&str> = keys.iter().map(|(key, _)| key.as_str()).collect();
        let by = if names.is_empty() { String::new() } else { format!(" GROUP BY {}", names.join(", ")) };
        let order = match self.dice.often(3) {
            true => format!("{} LIMIT {}", self.ordered(items.len()), self.dice.one(&[3, 1000])),
            false => String::new(),
        };
        (format!("(SELECT {} FROM {from}{filter}{by}{order}) {alias}", items.join(", ")), columns)
    }

    /// Grouped rows joined with others, grouped once more or not; all columns ordered.
    fn joined(&mut self) -> String {
        let (table, scope) = self.table();
        let (left, mut scope) = self.grouped(&table, &scope);
        let (table, columns) = self.table();
        let (right, columns) = if self.dice.often(5) { self.grouped(&table, &columns) } else { (table, columns) };
        let join = self.dice.one(&["JOIN", "JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN"]);
        let (one, other) = (self.column(&scope, Int), self.column(&columns, Int));
        let (Some(one), Some(other)) = (one, other) else { return self.joined() };
        scope.extend(columns);
        let mut from = format!("{left} {join} {right} ON {one} = {other}");
        if self.dice.often(4) {
            (from, scope) = self.grouped(&from, &scope);
        }
        let keys = self.exact_columns(&scope, 3);
        let mut items: Vec<String> = keys.into_iter().map(|(column, _)| column).collect();
        let by = items.join(", ");
        let is_grouped = self.dice.often(5);
        if is_grouped {
            // A key may be left out of the answer.
            if items.len() > 1 && self.dice.often(3) {
                items.pop();
            }
        }
        if is_grouped || items.is_empty() {
            items.push("count(*)".to_owned());
        }
        let columns = items.len();
        let items: Vec<String> = items.iter().enumerate().map(|(place, item)| format!("{item} AS c{place}")).collect();
        let distinct = if self.dice.often(3) { "DISTINCT " } else { "" };
        let by = if is_grouped && !by.is_empty() { format!(" GROUP BY {by}") } else { String::new() };
        format!("SELECT {distinct}{} FROM {from}{by}{}", items.join(", "), self.ordered(columns))
    }

    /// Arithmetic where types end: one operation, all values of which fit or not.
    fn edges(&mut self) -> String {
        let (kind, most): (&str, i64) =
            self.dice.one(&[("SMALLINT", 32_767), ("INT", 2_147_483_647), ("BIGINT", 9_223_372_036_854_775_807)]);
        let near = |dice: &mut Dice| match dice.below(6) {
            0 => most,
            1 => -most,
            2 => most / 2,
            3 => most - dice.below(3) as i64,
            4 => dice.below(200) as i64 - 100,
            _ => (most as f64).sqrt() as i64 + dice.below(2) as i64,
        };
        let pairs: Vec<String> =
            (0..3).map(|_| format!("({}, {})", near(&mut self.dice), near(&mut self.dice))).collect();
        let values = format!(
            "(SELECT CAST(a AS {kind}) AS a, CAST(b AS {kind}) AS b FROM (VALUES {}) v(a, b)) e",
            pairs.join(", ")
        );
        let expression = match self.dice.below(10) {
            0 => "a + b".to_owned(),
            1 => "a - b".to_owned(),
            2 => "a * b".to_owned(),
            3 => "sum(a)".to_owned(),
            4 => "sum(a), sum(b)".to_owned(),
            5 => "max(a + b)".to_owned(),
            6 => "abs(a)".to_owned(),
            7 => format!("CAST(CAST(a AS DOUBLE) / 4 AS {kind})"),
            8 => format!("CAST(CAST(a AS DOUBLE) * 2 AS {kind})"),
            _ => format!("-a - CAST({} AS {kind})", self.dice.below(3)),
        };
        format!("SELECT {expression} FROM {values}")
    }
}
