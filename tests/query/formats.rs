//! Output formats: what is written, digit for digit, and that the binary ones come back.

use super::{OPTIONS, study};
use std::sync::Arc;
use syntrace::query::{Format, Session, write_answer};

const SQL: &str = "SELECT 1 AS n, 0.12345678 AS x, 'a,\"b' AS t, CAST(NULL AS DOUBLE) AS missing \
                   UNION ALL SELECT 20, 3.0, 'c|d', 1e-7 ORDER BY n";

pub fn written(format: Format, sql: &str) -> Vec<u8> {
    let study = study::small();
    let session = Session::open(Arc::new(study.store().snapshot().unwrap()), OPTIONS).unwrap();
    let answer = session.sql(sql).unwrap();
    let schema = answer.schema();
    let mut out = Vec::new();
    write_answer(format, &schema, answer, &mut out).unwrap();
    out
}

fn text(format: Format, sql: &str) -> String {
    String::from_utf8(written(format, sql)).unwrap()
}

#[test]
fn text_formats_keep_every_digit() {
    assert_eq!(text(Format::Csv, SQL), "n,x,t,missing\n1,0.12345678,\"a,\"\"b\",\n20,3.0,c|d,1e-7\n");
    assert_eq!(text(Format::Tsv, SQL), "n\tx\tt\tmissing\n1\t0.12345678\ta,\"b\t\n20\t3.0\tc|d\t1e-7\n");
    assert_eq!(
        text(Format::Jsonl, SQL),
        "{\"n\":1,\"x\":0.12345678,\"t\":\"a,\\\"b\",\"missing\":null}\n{\"n\":20,\"x\":3.0,\"t\":\"c|d\",\"missing\":1.0e-7}\n"
    );
    let parsed: serde_json::Value = serde_json::from_str(&text(Format::Json, SQL)).unwrap();
    assert_eq!(parsed[1]["x"], 3.0);
    assert_eq!(parsed.as_array().map(Vec::len), Some(2));
}

#[test]
fn reading_formats_round_and_align() {
    assert_eq!(
        text(Format::Markdown, SQL),
        "| n | x | t | missing |\n| ---: | ---: | --- | ---: |\n| 1 | 0.1235 | a,\"b | NULL |\n| 20 | 3 | c\\|d | 1e-7 |\n"
    );
    let table = text(Format::Table, SQL);
    let plain: String = table.chars().map(|one| if one.is_ascii() { one } else { '#' }).collect();
    let rule = "#".repeat(32);
    let expected = [
        &rule,
        "#  n #      x # t    # missing #",
        &rule,
        "#  1 # 0.1235 # a,\"b #    NULL #",
        "# 20 #      3 # c|d  #    1e-7 #",
        &rule,
    ];
    assert_eq!(plain.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn nothing_found_is_still_a_table_and_an_empty_array() {
    let sql = "SELECT model_id FROM models WHERE generator = 'none of these'";
    assert_eq!(text(Format::Csv, sql), "model_id\n");
    assert_eq!(text(Format::Json, sql).trim(), "[]");
    assert_eq!(text(Format::Jsonl, sql), "");
    assert_eq!(text(Format::Table, sql).lines().count(), 4);
}

#[test]
fn lists_and_bytes_have_a_text() {
    let sql = "SELECT vector, data FROM attributes JOIN packets ON packets.trace_id = attributes.trace_id \
               WHERE attributes.trace_id = 1000 AND role = 'shadow' AND position = 0 AND NOT synthetic";
    let sql = sql.replace("role", "attributes.role");
    assert_eq!(
        text(Format::Csv, &sql),
        "vector,data\n\"[1000.0, 1001.0, 1002.0]\",7061636b65742030206f662074726163652031303030\n"
    );
}

/// One row of everything that formats write in their own way.
const ODD: &str = "SELECT 'inf'::double AS far, 'nan'::double AS none, arrow_cast('-inf'::double, 'Float32') AS low, \
                   ['inf'::double, NULL, 0.123456] AS list, [['a,\"b'], []] AS deep, \
                   named_struct('x', 'nan'::double, 'y', 'z') AS pair, map(['k'], [1.5]) AS named, \
                   [arrow_cast('az', 'Binary')] AS bytes, CAST(NULL AS BIGINT) AS missing";

#[test]
fn what_is_not_finite_nested_or_null_has_one_text_in_each_format() {
    let header = "far,none,low,list,deep,pair,named,bytes,missing\n";
    let exact = "Infinity,NaN,-Infinity,\"[Infinity, null, 0.123456]\",\"[[\"\"a,\\\"\"b\"\"], []]\",\
                 \"{\"\"x\"\": NaN, \"\"y\"\": \"\"z\"\"}\",\"{\"\"k\"\": 1.5}\",\"[\"\"617a\"\"]\",\n";
    assert_eq!(text(Format::Csv, ODD), format!("{header}{exact}"));
    let tsv = text(Format::Tsv, ODD);
    assert!(tsv.contains("Infinity\tNaN\t-Infinity\t[Infinity, null, 0.123456]\t"), "{tsv}");
    let json = "{\"far\":\"Infinity\",\"none\":\"NaN\",\"low\":\"-Infinity\",\"list\":[\"Infinity\",null,0.123456],\"deep\":[[\"a,\\\"b\"],[]],\
                \"pair\":{\"x\":\"NaN\",\"y\":\"z\"},\"named\":{\"k\":1.5},\"bytes\":[\"617a\"],\"missing\":null}\n";
    assert_eq!(text(Format::Jsonl, ODD), json);
    let parsed: serde_json::Value = serde_json::from_str(&text(Format::Json, ODD)).unwrap();
    assert_eq!(parsed[0], serde_json::from_str::<serde_json::Value>(json).unwrap());
    let readable = "| Infinity | NaN | -Infinity | [Infinity, NULL, 0.1235] | [[a,\"b], []] | {x: NaN, y: z} | {k: 1.5} | [617a] | NULL |";
    assert_eq!(text(Format::Markdown, ODD).lines().nth(2), Some(readable));
    assert!(text(Format::Table, ODD).contains("[Infinity, NULL, 0.1235]"));
    assert!(text(Format::Expanded, ODD).contains("list    | [Infinity, NULL, 0.1235]\n"));
    for format in [Format::Parquet, Format::Arrow] {
        assert!(!written(format, ODD).is_empty());
    }
}

/// JavaScript, jq and Grafana read numbers as doubles: 2^53 + 1 is none.
#[test]
fn json_has_numbers_that_every_reader_gets_as_they_are() {
    let sql = "SELECT CAST(5 AS BIGINT) AS model_id, CAST(5 AS BIGINT) AS steps, 9007199254740993 AS large, \
               -9007199254740991 AS small, [9007199254740993] AS list, sum(9007199254740993) AS total, 1.5 AS epsilon";
    let expected = "{\"model_id\":\"5\",\"steps\":5,\"large\":\"9007199254740993\",\"small\":-9007199254740991,\
                    \"list\":[\"9007199254740993\"],\"total\":\"9007199254740993\",\"epsilon\":1.5}\n";
    assert_eq!(text(Format::Jsonl, sql), expected);
    let infinite = "SELECT epsilon, epsilon_end_to_end FROM models WHERE name LIKE '%ubuntu%'";
    assert_eq!(text(Format::Jsonl, infinite), "{\"epsilon\":0.5,\"epsilon_end_to_end\":\"Infinity\"}\n");
}

/// A study comes from strangers: its text must not steer the terminal that shows it.
#[test]
fn control_characters_reach_programs_and_not_terminals() {
    let sql = "SELECT concat('a', chr(27), '[2J', chr(13), 'b') AS t";
    for format in [Format::Table, Format::Expanded, Format::Markdown] {
        let shown = text(format, sql);
        assert!(shown.contains("a\\x1b[2J\\rb") && !shown.contains('\u{1b}'), "{shown:?}");
    }
    assert_eq!(text(Format::Jsonl, sql), "{\"t\":\"a\\u001b[2J\\rb\"}\n");
    assert_eq!(text(Format::Csv, sql), "t\n\"a\u{1b}[2J\rb\"\n");
}

#[test]
fn parquet_and_arrow_come_back_with_the_same_rows() {
    let sql = "SELECT name, epsilon, steps FROM models ORDER BY model_id";
    let arrow = written(Format::Arrow, sql);
    let reader = arrow::ipc::reader::FileReader::try_new(std::io::Cursor::new(arrow), None).unwrap();
    let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 4);
    let parquet = written(Format::Parquet, sql);
    assert_eq!((&parquet[..4], &parquet[parquet.len() - 4..]), (b"PAR1".as_slice(), b"PAR1".as_slice()));
}
