use proptest::prelude::*;

use super::*;

/// The words, with `;`, `|` or `&` where a command ends, and `>` before a file.
fn shown(text: &str) -> String {
    let tokens = tokens(text).list.into_iter().filter(|token| !matches!(token, Token::Document(_)));
    let shown = tokens.map(|token| match token {
        Token::Document(document) => document.text,
        Token::Word(word) => format!("{}{}", word.text, word.inner.concat()),
        Token::Target(word) => format!(">{}", word.text),
        Token::End(End::Background) => "&".to_owned(),
        Token::End(End::Piped) => "|".to_owned(),
        Token::End(End::Closed) => ")".to_owned(),
        Token::End(End::Opened) => "(".to_owned(),
        Token::End(End::And | End::Or | End::Plain) => ";".to_owned(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_word_stands_where_it_begins() {
    for text in ["\n$(a\nb)", "\n`a\nb`", "\n((a\nb))", "\n\"a\nb\"", "\n$(a\n"] {
        let lines = tokens(text).list.into_iter().filter_map(|token| match token {
            Token::Word(word) => Some(word.line),
            _ => None,
        });
        assert_eq!(lines.collect::<Vec<_>>(), [2], "{text}");
    }
}

#[test]
fn a_text_is_split_as_a_shell_does() {
    for (text, words) in [
        ("a  b;c", "a b ; c ;"),
        ("a 'b c' \"d $E\" f\\ g", "a b c d $E f g ;"),
        ("a | b || c && d & e", "a | b ; c ; d & e ;"),
        ("a # b\nc#d", "a ; c#d ;"),
        ("a >/dev/null 2>&1 <f", "a >/dev/null >1 >f ;"),
        ("a &>f", "a >f ;"),
        ("a \"$(b \"c)\")\" `d`", "a b \"c)\" d ;"),
        ("a ${B:-c d} $((1 + 2))", "a ${B:-c d}  ;"),
        ("a <<EOF b\nuntil x\nEOF\nc", "a b ; c ;"),
        ("a <<-'E'\n$(x)\n\tE\nc", "a ; c ;"),
        ("a \\\n b", "a b ;"),
        ("(a; b) && c", "( a ; b ) ; c ;"),
        ("a $'it\\'s' b", "a it's b ;"),
        ("((i < 5)) && a $((1 + $(b)))", "(( ; a b ;"),
        ("((a; b) && c)", "(( ;"),
        ("a <<E\n$(b) 'c\nE\nd", "a ; :b ; d ;"),
        ("A=(\n \"x y\"\n $(b c)\n)\nd", "A=b c ; d ;"),
        ("a ${B:-$(c d)}", "a ${B:-}c d ;"),
    ] {
        assert_eq!(shown(text), words, "{text}");
    }
}

#[test]
fn what_is_left_open_is_not_whole() {
    for text in [
        "((a; b) && c)",
        "a 'b",
        "a \"b",
        "a `b",
        "a $(b",
        "a ${b",
        "A=(b",
        "a <<E\nb\n",
        "let m=1<<8\na\n",
        "a $'b\\'",
    ] {
        assert!(!tokens(text).whole, "{text}");
    }
    for text in
        ["a 'b' \"c\" `d` $(e \")\") ${f}", "A=(b 'c)')", "a <<E\nb\nE", "IFS=$'\\'' a", "a $(echo \\')"]
    {
        assert!(tokens(text).whole, "{text}");
    }
}

#[test]
fn texts_in_texts_end_somewhere() {
    assert!(!tokens(&"A=(".repeat(100_000)).whole && !tokens(&"$((".repeat(100_000)).whole);
}

#[test]
fn each_word_knows_its_line() {
    let lines: Vec<usize> = tokens("a \\\nb\n\n'c\nd' e")
        .list
        .into_iter()
        .filter_map(|token| match token {
            Token::Word(word) => Some(word.line),
            _ => None,
        })
        .collect();
    assert_eq!(lines, [1, 2, 4, 5]);
}

proptest! {
    #[test]
    fn never_panics(text in any::<String>(), likely in "[a-z'\"$(){}<>|&;`\\\\\n# ]{0,60}") {
        prop_assert!(matches!(tokens(&text).list.last(), Some(Token::End(_))));
        tokens(&likely);
    }
}
