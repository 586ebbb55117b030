//! The SQL shell in a real terminal: tmux types into it and reads the screen. Skips where there is no tmux.

use crate::common::Finish;
use crate::query::study;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Long enough for a busy machine; a screen that is right ends the wait at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal of 100 columns and 30 lines in which a shell runs.
struct Terminal {
    /// tmux's socket: a server of its own, so that no other session is touched.
    socket: String,
}

impl Terminal {
    /// Runs a command; `None` where there is no tmux, with a line that says so.
    fn running(command: &str, folder: &Path, test: &str) -> Option<Self> {
        // A new name for each: a server that is still ending would be asked for the next session.
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let name = format!("tmux{}", STARTED.fetch_add(1, Ordering::Relaxed));
        let terminal = Self { socket: folder.join(name).to_string_lossy().into_owned() };
        // Ctrl-C also reaches `sh`, which would end with its command then.
        let line = format!("trap : INT; {command}; echo ended with $?; cat");
        if Command::new("tmux").arg("-V").finish().is_err() {
            crate::common::skip("tmux", format_args!("{test}: no tmux here"));
            return None;
        }
        let started = terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-s",
            "test",
            "-x",
            "100",
            "-y",
            "30",
            "sh",
            "-c",
            &line,
        ]);
        started.expect("tmux starts a session");
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new("tmux");
        command.args(["-S", &self.socket]).args(arguments).env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        let output = command.finish().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-t", "test"]).unwrap_or_default()
    }

    /// Presses keys: names as tmux knows them (`Tab`, `Up`, `C-c`).
    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys", "-t", "test"], keys].concat()).expect("the keys are sent");
    }

    fn type_text(&self, text: &str) {
        // A semicolon at the end would end tmux's own command.
        let text = text.strip_suffix(';').map_or(text.to_owned(), |rest| format!("{rest}\\;"));
        self.tmux(&["send-keys", "-t", "test", "-l", &text]).expect("the text is sent");
    }

    /// Types a line and Enter on an empty screen, once there is a prompt: as people do.
    fn enter(&self, line: &str) {
        self.wait("expected a prompt", |screen| screen.trim_end().ends_with("syntrace>"));
        self.press(&["C-l"]);
        self.type_text(line);
        self.press(&["Enter"]);
    }

    /// Waits until the screen is as wanted; gives it.
    fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(started.elapsed() < PATIENCE, "{what}; the screen is\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for a text, and for the prompt below it.
    fn answer(&self, text: &str) -> String {
        self.wait(&format!("expected `{text}` and a prompt"), |screen| {
            screen.contains(text) && screen.trim_end().ends_with("syntrace>")
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn shell(study: &Path, folder: &Path, more: &str) -> String {
    let tool = env!("CARGO_BIN_EXE_syntrace");
    format!("env XDG_STATE_HOME={0} {more} {tool} sql {1}", folder.display(), study.display())
}

#[test]
fn lines_are_edited_completed_and_remembered() {
    let test = "lines_are_edited_completed_and_remembered";
    let study = study::small();
    let folder = tempfile::tempdir().unwrap();
    let command = shell(&study.path, folder.path(), "");
    let Some(terminal) = Terminal::running(&command, folder.path(), test) else { return };
    terminal.answer("syntrace>");
    terminal.type_text("SELECT count(*) AS n FROM attack_sc");
    terminal.press(&["Tab"]);
    terminal.wait("Tab completes a table", |screen| screen.contains("FROM attack_scores"));
    terminal.type_text(" WHERE exp");
    terminal.press(&["C-w", "C-u"]);
    terminal.wait("the line is cleared", |screen| !screen.contains("attack_scores"));
    for (begun, whole) in [
        ("SELECT empirical_ep", "empirical_epsilon"),
        ("SELECT * FROM model_priv", "model_privacy"),
        (".query study_ov", "study_overview"),
        ("SELECT epsilon_end", "epsilon_end_to_end"),
        (".exam", ".examples"),
    ] {
        terminal.type_text(begun);
        terminal.press(&["Tab"]);
        terminal.wait("Tab completes", |screen| screen.contains(whole));
        terminal.press(&["C-u"]);
    }
    terminal.enter("SELECT 40 +");
    terminal.wait("a statement goes on", |screen| screen.trim_end().ends_with("...>"));
    terminal.type_text("2 AS fortytwo;");
    terminal.press(&["Enter"]);
    terminal.answer("1 row");
    terminal.press(&["C-l", "Up"]);
    terminal.wait("Up gives the last statement", |screen| screen.contains("AS fortytwo"));
    terminal.press(&["C-c"]);
    terminal.wait("Ctrl-C leaves the line", |screen| screen.trim_end().ends_with("syntrace>"));
    terminal.press(&["C-d"]);
    terminal.wait("Ctrl-D leaves", |screen| screen.contains("ended with 0"));
    assert!(folder.path().join("syntrace/sql_history").exists());
    drop(terminal);
    let Some(again) = Terminal::running(&command, folder.path(), test) else { return };
    again.answer("syntrace>");
    again.press(&["Up"]);
    again.wait("the next shell remembers", |screen| screen.contains("AS fortytwo"));
}

#[test]
fn commands_show_names_schemas_and_rows_in_every_form() {
    let test = "commands_show_names_schemas_and_rows_in_every_form";
    let study = study::small();
    let folder = tempfile::tempdir().unwrap();
    let command = shell(&study.path, folder.path(), "");
    let Some(terminal) = Terminal::running(&command, folder.path(), test) else { return };
    terminal.answer("syntrace>");
    terminal.enter("\\dt");
    terminal.answer("paper_takeaways");
    terminal.enter(".views");
    terminal.answer(syntrace::query::views().last().unwrap().name);
    terminal.enter(".queries");
    terminal.answer("one_trace");
    terminal.enter("\\d roc");
    terminal.answer("CREATE TABLE roc");
    terminal.enter(".timer on");
    terminal.enter("\\x");
    terminal.enter("SELECT 1 AS one, 'b' AS two;");
    let screen = terminal.answer("1 row, ");
    assert!(screen.contains("one | 1\ntwo | b"), "{screen}");
    terminal.enter("\\x");
    terminal.enter("SELECT 1 AS one, 'b' AS two;");
    let screen = terminal.answer("\u{2502}");
    assert!(screen.contains("\u{2502} one \u{2502} two \u{2502}"), "{screen}");
    terminal.enter("SELECT nme FROM models;");
    let screen = terminal.answer("did you mean `name`?");
    assert!(screen.contains("SELECT nme FROM models") && screen.contains('^'), "{screen}");
    terminal.enter(".pivot epsilon");
    terminal.enter("SELECT class, epsilon, count(*) AS n FROM models GROUP BY 1, 2 ORDER BY 1, 2;");
    terminal.answer("4.0");
    terminal.enter("\\q");
    terminal.wait("\\q leaves", |screen| screen.contains("ended with 0"));
}

#[test]
fn tall_answers_go_through_the_pager_and_small_ones_do_not() {
    let test = "tall_answers_go_through_the_pager_and_small_ones_do_not";
    if Command::new("less").arg("--version").finish().is_err() {
        crate::common::skip("less", format_args!("{test}: no less here"));
        return;
    }
    let study = study::small();
    let folder = tempfile::tempdir().unwrap();
    let tall = "SELECT value AS number FROM generate_series(1, 5000);";
    let command = shell(&study.path, folder.path(), "PAGER=");
    let Some(terminal) = Terminal::running(&command, folder.path(), test) else { return };
    terminal.answer("syntrace>");
    terminal.enter(tall);
    let screen = terminal.wait("less waits at the first page", |screen| screen.trim_end().ends_with(':'));
    assert!(screen.contains(" 20 ") && !screen.contains("5000"), "{screen}");
    terminal.press(&["G"]);
    terminal.wait("less goes to the end", |screen| screen.contains("5000") && screen.contains("(END)"));
    terminal.press(&["q"]);
    terminal.answer("5000 rows");
    terminal.enter("SELECT 6 * 7 AS answer;");
    terminal.answer("42");
    terminal.enter(".pager off");
    terminal.enter(tall);
    terminal.answer("5000 rows");
    terminal.press(&["C-d"]);
    terminal.wait("the shell ends", |screen| screen.contains("ended with 0"));
    drop(terminal);
    // A pager of the user's choice.
    let command = shell(&study.path, folder.path(), "PAGER='wc -l'");
    let Some(terminal) = Terminal::running(&command, folder.path(), test) else { return };
    terminal.answer("syntrace>");
    terminal.enter(tall);
    terminal.answer("5004");
}

#[test]
fn ctrl_c_ends_the_query_and_not_the_shell() {
    let test = "ctrl_c_ends_the_query_and_not_the_shell";
    let study = study::small();
    let folder = tempfile::tempdir().unwrap();
    let command = shell(&study.path, folder.path(), "");
    let Some(terminal) = Terminal::running(&command, folder.path(), test) else { return };
    terminal.answer("syntrace>");
    for _ in 0..2 {
        terminal
            .enter("SELECT count(*) FROM generate_series(1, 10000000) a CROSS JOIN generate_series(1, 10000000) b;");
        std::thread::sleep(Duration::from_millis(1500));
        terminal.press(&["C-c"]);
        terminal.answer("error: stopped");
    }
    terminal.enter("SELECT 6 * 7 AS answer;");
    terminal.answer("42");
    terminal.type_text("SELECT half a line");
    terminal.press(&["C-c"]);
    terminal.enter("SELECT 17 AS next;");
    terminal.answer("17");
    terminal.press(&["C-d"]);
    terminal.wait("Ctrl-D leaves", |screen| screen.contains("ended with 0"));
}
