//! Patterns for task names: `*` is any text, `?` any one character, everything else itself.

/// Whether the whole of `text` fits `pattern`. Takes time at most the product of both lengths.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stood, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn star_and_question_mark_stand_for_text_and_character() {
        for (pattern, text, fits) in [
            ("mail.send", "mail.send", true),
            ("mail.send", "mail.sendall", false),
            ("mail.*", "mail.send", true),
            ("mail.*", "mail.", true),
            ("mail.*", "email.send", false),
            ("*send", "mail.send", true),
            ("*.s*d", "mail.send", true),
            ("m?il.*", "mail.send", true),
            ("?", "", false),
            ("*", "", true),
            ("**", "x", true),
            ("", "", true),
            ("", "x", false),
            ("*ab", "aab", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("größe.?", "größe.ß", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        assert!(!glob(&"*a".repeat(200), &format!("{}b", "a".repeat(2000))));
    }
}
