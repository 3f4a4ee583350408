//! Colours: few, and never the only carrier of a meaning.

use comfy_table::Color;

/// What a text is to be taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Needs attention.
    Bad,
    /// May need attention.
    Careful,
    /// All is well.
    Good,
    /// Less important.
    Faint,
    /// A heading.
    Strong,
    /// As it is.
    Plain,
}

impl Style {
    /// The colour of a table's cell.
    pub(crate) fn color(self) -> Option<Color> {
        match self {
            Self::Bad => Some(Color::Red),
            Self::Careful => Some(Color::Yellow),
            Self::Good => Some(Color::Green),
            Self::Faint => Some(Color::DarkGrey),
            Self::Strong | Self::Plain => None,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Bad => "1;31",
            Self::Careful => "33",
            Self::Good => "32",
            Self::Faint => "2",
            Self::Strong => "1",
            Self::Plain => "0",
        }
    }
}

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    /// `text` in `style`, or as it is.
    pub(crate) fn on(self, style: Style, text: &str) -> String {
        if self.0 && style != Style::Plain {
            format!("\u{1b}[{}m{text}\u{1b}[0m", style.code())
        } else {
            text.to_owned()
        }
    }
}
