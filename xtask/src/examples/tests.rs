use super::*;

fn example(line: usize, command: &str, output: &str, code: i32) -> Example {
    Example { line, command: command.to_owned(), output: output.to_owned(), code }
}

fn printed(code: i32, text: &str) -> Printed {
    Printed { code: Some(code), text: text.to_owned() }
}

#[test]
fn commands_and_their_output_are_told_apart() {
    let text = "text\n```console\n$ pvcheck a\nout 1\nout 2\n$ pvcheck b\n```\n$ no\n```rust\n$ no\n```\n";
    let expected = [example(3, "pvcheck a", "out 1\nout 2\n", 0), example(6, "pvcheck b", "", 0)];
    assert_eq!(examples(text), expected);
}

#[test]
fn the_closing_line_names_the_exit_code_and_is_no_output() {
    let text = "```console\n$ pvcheck a\nout\n(exit code 4)\n$ pvcheck b\n(exit code 1)\n```\n";
    assert_eq!(examples(text), [example(2, "pvcheck a", "out\n", 4), example(5, "pvcheck b", "", 1)]);
}

#[test]
fn what_only_resembles_an_exit_code_is_output() {
    for line in ["(exit code x)", "exit code 1", "(exit code 1) and more", " (exit code 1)"] {
        let text = format!("```console\n$ pvcheck a\n{line}\n```\n");
        assert_eq!(examples(&text), [example(2, "pvcheck a", &format!("{line}\n"), 0)]);
    }
}

#[test]
fn only_commands_on_the_embedded_engine_are_run() {
    let text = "```console\n$ pvcheck audit\n$ docker ps\n$ pvcheck --engine embedded audit\n```\n";
    assert_eq!(runnable(text), [example(4, "pvcheck --engine embedded audit", "", 0)]);
}

#[test]
fn a_page_without_console_blocks_has_no_examples() {
    assert_eq!(examples("# Title\n\n    $ pvcheck a\n\n```sh\n$ pvcheck b\n```\n"), []);
}

#[test]
fn an_example_holds_when_text_and_code_are_those_of_the_page() {
    let same = difference("p", example(1, "c", "a\nb\n", 1), printed(1, "a\nb\n\n"));
    assert_eq!(same, None, "trailing blank lines do not show");
}

#[test]
fn other_text_is_a_difference() {
    let found = difference("p", example(1, "c", "a\n", 0), printed(0, "a \nb\n"));
    assert!(found.is_some());
}

#[test]
fn another_exit_code_is_a_difference_even_where_the_text_is_free() {
    assert_eq!(difference("p", example(1, "c", "", 0), printed(0, "anything")), None);
    assert!(difference("p", example(1, "c", "", 0), printed(3, "anything")).is_some());
    let killed = Printed { code: None, text: String::new() };
    assert!(difference("p", example(1, "c", "", 0), killed).is_some(), "a signal is never an exit code");
}

#[test]
fn a_difference_names_the_place_and_both_sides() {
    let found = difference("docs/a.md", example(7, "pvcheck x", "was\n", 0), printed(1, "is\n"));
    let text = found.map(|m| m.to_string()).unwrap_or_default();
    assert_eq!(
        text,
        "docs/a.md:7: `pvcheck x` ended with exit code 1 and printed\nis\ninstead of exit code 0 and\nwas"
    );
}

#[test]
fn the_summary_counts_examples_and_the_pages_that_have_some() {
    let counts = [("README.md".to_owned(), 3), ("docs/a.md".to_owned(), 0), ("docs/b.md".to_owned(), 2)];
    assert_eq!(summary(&counts), "5 examples of 2 pages hold");
}

#[test]
fn pages_are_the_readme_and_then_docs_by_name() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir_all(folder.path().join("docs/upstream"))?;
    for name in ["docs/b.md", "docs/a.md", "docs/data.json", "docs/upstream/c.md"] {
        std::fs::write(folder.path().join(name), "")?;
    }
    let expected = ["README.md", "docs/a.md", "docs/b.md"].map(|name| folder.path().join(name));
    assert_eq!(pages(folder.path())?, expected);
    Ok(())
}

#[test]
fn blessing_replaces_what_differs_and_nothing_else() {
    let page = "a\n```console\n$ pvcheck --engine embedded x\nold\nlonger\n(exit code 2)\n$ other\nkept\n\
                $ pvcheck --engine embedded y\nsame\n$ pvcheck --engine embedded z\n```\nb\n";
    let prints = [printed(1, "new\n"), printed(0, "same\n"), printed(0, "free text\n")];
    let done: Vec<_> = runnable(page).into_iter().zip(prints).collect();
    let expected = "a\n```console\n$ pvcheck --engine embedded x\nnew\n(exit code 1)\n$ other\nkept\n\
                    $ pvcheck --engine embedded y\nsame\n$ pvcheck --engine embedded z\n```\nb\n";
    assert_eq!(blessed(page, &done), expected);
}

#[test]
fn a_blessed_page_holds() {
    let page = "```console\n$ pvcheck --engine embedded x\nold\n$ pvcheck --engine embedded y\nold\n```\n";
    let prints = [printed(4, "new 1\nnew 2\n"), printed(0, "new 3\n")];
    let done: Vec<_> = runnable(page).into_iter().zip(prints.clone()).collect();
    let again = runnable(&blessed(page, &done)).into_iter().zip(prints);
    assert!(again.into_iter().all(|(example, printed)| difference("p", example, printed).is_none()));
}
