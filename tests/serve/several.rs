//! Several studies behind one server, and hints in its clients' words.

use super::{Server, psql};
use crate::query::study;

fn of_two(test: &str) -> (Server, impl Fn(&str) -> Option<String> + '_) {
    let (first, second) = (study::small(), study::small());
    study::add_critic(&second, 0.0);
    let copy = second.path.with_file_name("other.redb");
    std::fs::copy(&second.path, &copy).unwrap();
    let server = Server::of(&first.path, &[copy.to_str().unwrap()]);
    let url = server.url();
    let ask = move |command: &str| {
        // Both live as long as the server.
        let _ = (&first, &second);
        let (code, stdout, stderr) = psql(&url, &["-At", "-v", "ON_ERROR_STOP=1", "-c", command], test)?;
        assert_eq!(code, 0, "{command}: {stderr}");
        Some(stdout)
    };
    (server, ask)
}

#[test]
fn several_studies_are_schemas_of_one_server_and_their_tables_unions() {
    let (server, ask) = of_two("several_studies_are_schemas_of_one_server_and_their_tables_unions");
    assert!(server.said[0].contains("small.redb as small") && server.said[0].contains("other.redb as other"));
    let counted = "SELECT study, count(*) FROM models GROUP BY study ORDER BY study";
    let Some(found) = ask(counted) else { return };
    assert_eq!(found, "other|5\nsmall|4\n");
    assert_eq!(ask("SELECT count(*) FROM other.models").unwrap(), "5\n");
    let of_view = "SELECT study, count(*) FROM model_privacy GROUP BY study ORDER BY study";
    assert_eq!(ask(of_view).unwrap(), found);
    assert_eq!(ask("SELECT count(DISTINCT study) FROM queries.model_guarantees").unwrap(), "2\n");
    assert_eq!(ask("SELECT count(DISTINCT study) FROM table3()").unwrap(), ask("SELECT 2").unwrap());
    assert!(ask("COPY models TO STDOUT").unwrap().starts_with("small\t"));
    for (command, wanted) in [
        ("\\dn", "other|"),
        ("\\dn+", "tables and views of the study other alone"),
        ("\\dt other.*", "other|models|table"),
        ("\\dv small.*", "small|model_privacy|view"),
        ("\\d models", "study|text||not null|"),
        ("\\d other.models", "model_id|bigint||not null|"),
        ("\\d+ other.models", "id of the model"),
        ("\\d+ models", "study that the row is of"),
    ] {
        let found = ask(command).unwrap();
        assert!(found.contains(wanted), "{command}: {wanted} in {found}");
    }
    let schemas = "SELECT DISTINCT table_schema FROM information_schema.columns WHERE table_name = 'models' ORDER BY 1";
    assert_eq!(ask(schemas).unwrap(), "other\npublic\nsmall\n");
    assert_eq!(ask("SELECT 'other.models'::regclass").unwrap(), "other.models\n");
}

#[test]
fn hints_are_in_the_words_of_the_client() {
    let test = "hints_are_in_the_words_of_the_client";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    for (sql, wanted) in [
        ("PIVOT models ON role USING count(*)", "\\crosstabview"),
        ("SELECT 1 FROM entirely_unknown_relation", "`\\d` in psql"),
        ("DELETE FROM models", "\\copy (SELECT ...) TO 'answer.csv' CSV HEADER"),
    ] {
        let Some((code, _, stderr)) = psql(&server.url(), &["-c", sql], test) else { return };
        assert!(code != 0 && stderr.contains("HINT:") && stderr.contains(wanted), "{sql}: {stderr}");
        assert!(!stderr.contains("--") && !stderr.contains("`."), "{sql}: {stderr}");
    }
    let secret = study.path.with_file_name("secret.csv");
    std::fs::write(&secret, "a\n1\n").unwrap();
    let attach = format!("ATTACH '{}' AS secret", secret.display());
    let (code, _, stderr) = psql(&server.url(), &["-c", &attach], test).unwrap();
    assert!(code != 0 && stderr.contains("only reads"), "{stderr}");
}

#[test]
fn keys_are_told_to_tools_that_draw_them() {
    let (server, ask) = of_two("keys_are_told_to_tools_that_draw_them");
    let of_epochs = "SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint \
                     WHERE conrelid = 'small.epochs'::regclass ORDER BY conname";
    let Some(found) = ask(of_epochs) else { return };
    let wanted = "epochs_model_id_fkey|f|FOREIGN KEY (model_id) REFERENCES small.models(model_id)\n\
                  epochs_pkey|p|PRIMARY KEY (model_id, epoch)\n";
    assert_eq!(found, wanted);
    let united =
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'epochs'::regclass AND contype = 'f'";
    assert_eq!(ask(united).unwrap(), "FOREIGN KEY (study, model_id) REFERENCES models(study, model_id)\n");
    let columns = "SELECT column_name, ordinal_position FROM information_schema.key_column_usage \
                   WHERE constraint_name = 'epochs_pkey' AND table_schema = 'public' ORDER BY 2";
    assert_eq!(ask(columns).unwrap(), "study|1\nmodel_id|2\nepoch|3\n");
    let targets = "SELECT unique_constraint_name FROM information_schema.referential_constraints \
                   WHERE constraint_schema = 'small' AND constraint_name = 'epochs_model_id_fkey'";
    assert_eq!(ask(targets).unwrap(), "models_pkey\n");
    let shown = |command: &str| psql(&server.url(), &["-c", command], "keys").unwrap().1;
    assert!(shown("\\d small.epochs").contains("FOREIGN KEY (model_id) REFERENCES small.models(model_id)"));
    assert!(shown("\\d small.models").contains("TABLE \"small.epochs\" CONSTRAINT"));
    // What cannot be planned over keys is answered as if there were none.
    let beyond = "SELECT c.relname, ARRAY(SELECT generate_subscripts(con.conkey, 1) FROM pg_constraint con \
                  WHERE con.conrelid = c.oid) FROM pg_class c WHERE c.relname = 'epochs'";
    assert!(ask(beyond).unwrap().contains("epochs|{}"));
}
