//! `syntrace install`, `uninstall` and `complete`: the program, its libtorch, man pages and completions where they
//! belong. `make install` calls them; another user of the machine can run what they leave.
//!
//! The programs find libtorch by two places, see `build.rs`: `../lib/syntrace` beside them, and the folder that they
//! were built with, which may lie in somebody's home. Where libtorch is copied, the second is taken out.

use super::Cli;
use crate::error::{Error, Result, io_error};
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where libtorch goes, beneath the prefix; `build.rs` names the same folder.
const LIBRARIES: &str = "lib/syntrace";
/// The place beside the program, as it stands in the programs.
const RELATIVE: &[u8] = b"$ORIGIN/../lib/syntrace";

/// Print the completions of a shell
#[derive(Debug, Args)]
pub(super) struct CompleteArgs {
    /// bash, zsh, fish, ...
    shell: Shell,
}

/// Put the program, libtorch, man pages and completions under a prefix
#[derive(Debug, Args)]
pub(super) struct InstallArgs {
    /// Where they will be used: /usr/local
    prefix: PathBuf,
    /// Put in front of every path: for those who make packages
    #[arg(long, value_name = "DIR")]
    destdir: Option<PathBuf>,
    /// Leave libtorch where it is instead of copying it to PREFIX/lib/syntrace
    #[arg(long)]
    keep_libtorch: bool,
}

/// Remove what `install` put under a prefix
#[derive(Debug, Args)]
pub(super) struct UninstallArgs {
    /// The prefix
    prefix: PathBuf,
    /// Put in front of every path
    #[arg(long, value_name = "DIR")]
    destdir: Option<PathBuf>,
}

pub(super) fn complete(args: &CompleteArgs) -> Result<ExitCode> {
    super::stdout::print_text(&String::from_utf8_lossy(&completions(args.shell)))?;
    Ok(ExitCode::SUCCESS)
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "syntrace", &mut text);
    text
}

/// Man pages of the program and of every verb that is shown, as (file name, text).
fn pages() -> Result<Vec<(String, Vec<u8>)>> {
    fn add(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            add(verb, pages)?;
        }
        let page = clap_mangen::Man::new(command.clone());
        let mut text = Vec::new();
        page.render(&mut text).map_err(|error| Error::internal(format!("cannot write a man page: {error}")))?;
        pages.push((page.get_filename(), text));
        Ok(())
    }
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add(&command, &mut pages)?;
    Ok(pages)
}

/// All that is made and not copied, as (path beneath the prefix, content).
fn made() -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files: Vec<(PathBuf, Vec<u8>)> =
        pages()?.into_iter().map(|(name, text)| (Path::new("share/man/man1").join(name), text)).collect();
    for (shell, place) in [
        (Shell::Bash, "share/bash-completion/completions/syntrace"),
        (Shell::Zsh, "share/zsh/site-functions/_syntrace"),
        (Shell::Fish, "share/fish/vendor_completions.d/syntrace.fish"),
    ] {
        files.push((PathBuf::from(place), completions(shell)));
    }
    Ok(files)
}

/// The prefix as it is written to now.
fn root(prefix: &Path, destdir: Option<&Path>) -> Result<PathBuf> {
    if !prefix.is_absolute() {
        return Err(Error::user(format!("expected a prefix from the root on, found `{}`", prefix.display()))
            .hint("such as /usr/local"));
    }
    let inside = prefix.strip_prefix("/").unwrap_or(prefix);
    Ok(destdir.map_or_else(|| prefix.to_owned(), |destdir| destdir.join(inside)))
}

pub(super) fn install(args: &InstallArgs) -> Result<ExitCode> {
    let root = root(&args.prefix, args.destdir.as_deref())?;
    let here =
        std::env::current_exe().map_err(|error| Error::internal(format!("cannot find this program: {error}")))?;
    let built_with = option_env!("SYNTRACE_LIBTORCH_LIB").map(Path::new);
    let copied = built_with.filter(|_| !args.keep_libtorch);
    let mut programs = vec!["syntrace"];
    programs.extend(cfg!(feature = "torch").then_some("syntrace-torch"));
    for name in programs {
        let from = here.with_file_name(name);
        let mut bytes = std::fs::read(&from).map_err(|error| {
            io_error("read", &from, &error).hint("`syntrace` and `syntrace-torch` belong into one folder")
        })?;
        if let Some(folder) = copied {
            cut_run_path(&mut bytes, folder);
        }
        write(&root.join("bin").join(name), &bytes, 0o755)?;
    }
    if let Some(folder) = copied {
        for library in libraries(folder)? {
            let bytes = std::fs::read(&library).map_err(|error| io_error("read", &library, &error))?;
            let name = library.file_name().unwrap_or_default();
            write(&root.join(LIBRARIES).join(name), &bytes, 0o644)?;
        }
    } else if let Some(folder) = built_with {
        note!("libtorch stays in `{}`: every user of syntrace must be able to read it", folder.display());
    }
    for (path, content) in made()? {
        write(&root.join(path), &content, 0o644)?;
    }
    note!(
        "installed `{}`; `syntrace uninstall {}` removes it",
        root.join("bin/syntrace").display(),
        args.prefix.display()
    );
    Ok(ExitCode::SUCCESS)
}

pub(super) fn uninstall(args: &UninstallArgs) -> Result<ExitCode> {
    let root = root(&args.prefix, args.destdir.as_deref())?;
    let mut files: Vec<PathBuf> = vec!["bin/syntrace".into(), "bin/syntrace-torch".into()];
    files.extend(made()?.into_iter().map(|(path, _)| path));
    let mut removed = 0;
    for path in files.iter().map(|path| root.join(path)) {
        match std::fs::remove_file(&path) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("remove", &path, &error)),
        }
    }
    // Only this program writes into the folder.
    let folder = root.join(LIBRARIES);
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder).map_err(|error| io_error("remove", &folder, &error))?;
    }
    note!("removed {removed} files and libtorch from `{}`", root.display());
    Ok(ExitCode::SUCCESS)
}

/// The shared libraries of a folder; `libtorch.so` may be a text for the linker and is left out then.
fn libraries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| io_error("read the folder", folder, &error))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| io_error("read the folder", folder, &error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("lib") && name.contains(".so") && is_elf(&path) {
            found.push(path);
        }
    }
    found.sort();
    if !found.iter().any(|path| path.ends_with("libtorch_cpu.so")) {
        return Err(Error::user(format!("expected libtorch_cpu.so in `{}`, found none", folder.display()))
            .hint("build again: the libtorch that this program was built with is gone"));
    }
    Ok(found)
}

fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    std::fs::File::open(path).is_ok_and(|mut file| std::io::Read::read_exact(&mut file, &mut magic).is_ok())
        && magic == *b"\x7fELF"
}

/// Ends the run path of a program behind the place beside it: the folder that it was built with goes. In place, so
/// that nothing else in the file moves.
fn cut_run_path(program: &mut [u8], built_with: &Path) {
    let rest = [b":", built_with.as_os_str().as_encoded_bytes()].concat();
    let whole = [RELATIVE, &rest, b"\0"].concat();
    let mut from = 0;
    while let Some(at) = program[from..].windows(whole.len()).position(|window| window == whole) {
        let start = from + at + RELATIVE.len();
        program[start..start + rest.len()].fill(0);
        from = start;
    }
}

/// Writes a file for all users, beside its place first, so that a program that runs is replaced and not changed.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    make_folders(folder)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = std::fs::write(&beside, bytes)
        .and_then(|()| std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(mode)))
        .and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        io_error("write", path, &error)
    })
}

/// Makes folders that all users can enter, whatever the umask is; those that are there stay as they are.
fn make_folders(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folders(parent)?;
    }
    std::fs::create_dir(folder)
        .and_then(|()| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)))
        .map_err(|error| io_error("make the folder", folder, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_the_build_is_cut_out_of_the_run_path_and_nothing_else_changes() {
        let mut program = b"head\0$ORIGIN/../lib/syntrace:/home/a/lib\0tail /home/a/lib\0".to_vec();
        let length = program.len();
        cut_run_path(&mut program, Path::new("/home/a/lib"));
        assert_eq!(program, b"head\0$ORIGIN/../lib/syntrace\0\0\0\0\0\0\0\0\0\0\0\0\0tail /home/a/lib\0");
        assert_eq!(program.len(), length);
        let other = b"$ORIGIN/../lib/syntrace:/home/a/libs\0".to_vec();
        let mut same = other.clone();
        cut_run_path(&mut same, Path::new("/home/a/lib"));
        assert_eq!(same, other, "another folder that begins alike");
    }

    #[test]
    fn every_verb_has_a_page_and_none_that_is_hidden() {
        let names: Vec<String> = pages().expect("written").into_iter().map(|(name, _)| name).collect();
        for name in ["syntrace.1", "syntrace-run.1", "syntrace-export.1", "syntrace-export-pcap.1", "syntrace-sql.1"] {
            assert!(names.iter().any(|found| found == name), "{name} is not among {names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("install") || name.contains("help")), "{names:?}");
    }
}
