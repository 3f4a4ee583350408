//! Patterns for names of workers and tasks, as Python's `fnmatch` has them.

/// Whether the whole of `text` fits `pattern`: `*` is any text, `?` any one character, `[abc]`, `[a-z]` and `[!abc]` one
/// of some. Takes time at most the product of both lengths.
pub fn glob(pattern: &str, text: &str) -> bool {
    let pattern = parts(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stood, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Part::Any) => {
                star = Some((p, t));
                p += 1;
            }
            Some(part) if part.fits(text[t]) => {
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
    pattern[p..].iter().all(|part| matches!(part, Part::Any))
}

enum Part {
    Any,
    One,
    Char(char),
    Set { inverted: bool, ranges: Vec<(char, char)> },
}

impl Part {
    fn fits(&self, c: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Char(own) => *own == c,
            Self::Set { inverted, ranges } => ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *inverted,
        }
    }
}

fn parts(pattern: &str) -> Vec<Part> {
    let chars: Vec<char> = pattern.chars().collect();
    // Behind the last `]` no set ends: looking for its end again and again would take the square of the length.
    let last = chars.iter().rposition(|c| *c == ']').unwrap_or(0);
    let (mut parts, mut at) = (Vec::new(), 0);
    while let Some(&c) = chars.get(at) {
        at += 1;
        parts.push(match c {
            '*' => Part::Any,
            '?' => Part::One,
            '[' => match chars.get(at..=last).and_then(set) {
                Some((set, length)) => {
                    at += length;
                    set
                }
                None => Part::Char('['),
            },
            c => Part::Char(c),
        });
    }
    parts
}

/// What stands behind a `[`, and its length with the `]`; `None` where there is no `]`. `rest` ends with the last one.
fn set(rest: &[char]) -> Option<(Part, usize)> {
    let inverted = rest.first() == Some(&'!');
    let start = usize::from(inverted);
    // A `]` that comes first means itself.
    let end = start + 1 + rest.get(start + 1..)?.iter().position(|c| *c == ']')?;
    let (mut ranges, mut at) = (Vec::new(), start);
    while at < end {
        if at + 2 < end && rest[at + 1] == '-' {
            ranges.push((rest[at], rest[at + 2]));
            at += 3;
        } else {
            ranges.push((rest[at], rest[at]));
            at += 1;
        }
    }
    Some((Part::Set { inverted, ranges }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::glob;

    /// As `fnmatch.fnmatchcase` of Python 3.11 says.
    #[test]
    fn patterns_mean_what_they_mean_in_python() {
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
            ("celery@*", "celery@host", true),
            ("celery@*", "queue@host", false),
            ("*@host?", "queue@host1", true),
            ("*@host?", "queue@host", false),
            ("w[12]@*", "w2@host", true),
            ("w[!12]@*", "w2@host", false),
            ("w[a-c]", "wb", true),
            ("w[]]", "w]", true),
            ("w[x", "w[x", true),
            ("w[]", "w[]", true),
            ("**", "", true),
            ("[]", "[]", true),
            ("[!]", "[!]", true),
            ("a]b[", "a]b[", true),
            ("[]][", "][", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern:?} on {text:?}");
        }
        assert!(!glob(&"*a".repeat(200), &format!("{}b", "a".repeat(2000))));
        let open = "[".repeat(1 << 20);
        assert!(glob(&open, &open), "a megabyte of sets that never end");
    }
}
