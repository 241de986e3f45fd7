//! How a tenant's pages look: its name, its logo and its colour.

use super::policy::Policy;
use crate::types::Malformed;
use ring::digest;
use std::fmt;
use url::Url;

/// Whose pages are called so unless they are called otherwise.
const DEFAULT_NAME: &str = "grantor";
/// Least contrast of text (WCAG 2.2, 1.4.3).
const LEGIBLE: f64 = 4.5;
/// The least light ground of links in the light scheme and the lightest in the dark one, with a margin.
const GROUNDS: [Color; 2] = [Color([0xec, 0xef, 0xf3]), Color([0x26, 0x2c, 0x34])];
const BLACK: Color = Color([0, 0, 0]);
const WHITE: Color = Color([255, 255, 255]);

/// A colour of sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color([u8; 3]);

impl Color {
    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed("must be a colour as #rrggbb");
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        let bytes = digits.and_then(|digits| hex::decode(digits).ok());
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(malformed)
    }

    /// This colour with so many hundredths of another one.
    fn mixed(self, other: Self, hundredths: u16) -> Self {
        let mix = |(own, other): (u8, u8)| {
            let sum = u16::from(own) * (100 - hundredths) + u16::from(other) * hundredths;
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        let ([r, g, b], [other_r, other_g, other_b]) = (self.0, other.0);
        Self([mix((r, other_r)), mix((g, other_g)), mix((b, other_b))])
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let [r, g, b] = self.0.map(|channel| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.040_45 {
                channel / 12.92
            } else {
                ((channel + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// Contrast ratio (WCAG 2.2): 1 to 21.
    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// The text colour that is legible on this one: one of black and white always is.
    fn ink(self) -> Self {
        if WHITE.contrast(self) >= LEGIBLE {
            WHITE
        } else {
            BLACK
        }
    }

    /// The colour next to this one, towards `end`, that is legible on a ground.
    fn legible_on(self, ground: Self, end: Self) -> Self {
        let steps = (0..=100).map(|hundredths| self.mixed(end, hundredths));
        let mut legible = steps.filter(|color| color.contrast(ground) >= LEGIBLE);
        legible.next().unwrap_or(end)
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", hex::encode(self.0))
    }
}

/// What a tenant's settings say about its pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    name: String,
    logo: Option<Url>,
    stylesheet: Option<Stylesheet>,
}

/// A stylesheet of a tenant's own, after the common one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stylesheet {
    text: String,
    version: String,
}

impl Default for Look {
    fn default() -> Self {
        Self::new(None, None, None)
    }
}

impl Look {
    /// The look of pages. What cannot be used is left out: a logo that is no web address, a colour that is none.
    pub fn new(name: Option<&str>, logo_uri: Option<&str>, accent_color: Option<&str>) -> Self {
        let logo = logo_uri.and_then(|uri| Url::parse(uri).ok());
        let accent = accent_color.and_then(|text| Color::parse(text).ok());
        Self {
            name: name.unwrap_or(DEFAULT_NAME).to_owned(),
            logo: logo.filter(|url| matches!(url.scheme(), "https" | "http")),
            stylesheet: accent.map(Stylesheet::of),
        }
    }

    /// How the service is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of its logo.
    pub fn logo(&self) -> Option<&str> {
        self.logo.as_ref().map(Url::as_str)
    }

    /// The origin of the logo, for policies.
    pub(super) fn logo_origin(&self) -> Option<String> {
        self.logo.as_ref().map(|logo| logo.origin().ascii_serialization())
    }

    /// The policy of pages that do nothing but show themselves.
    pub fn policy(&self) -> Policy<'static> {
        Policy {
            logo: self.logo_origin(),
            ..Policy::default()
        }
    }

    /// The stylesheet of its own, where it has one. Its path changes with it, so that it may be cached for ever.
    pub fn stylesheet(&self) -> Option<&str> {
        self.stylesheet.as_ref().map(|sheet| sheet.text.as_str())
    }

    /// What the path of that stylesheet is called after.
    pub fn version(&self) -> Option<&str> {
        self.stylesheet.as_ref().map(|sheet| sheet.version.as_str())
    }
}

impl Stylesheet {
    /// Buttons have the colour itself and the ink that is legible on it; links and edges the nearest colour that is legible
    /// on the page.
    fn of(accent: Color) -> Self {
        let ink = accent.ink();
        let hover = accent.mixed(if ink == WHITE { BLACK } else { WHITE }, 12);
        let [light, dark] = GROUNDS;
        let (in_light, in_dark) = (accent.legible_on(light, BLACK), accent.legible_on(dark, WHITE));
        let text = format!(
            ":root {{ --accent: {accent}; --accent-hover: {hover}; --accent-ink: {ink}; --accent-text: {in_light}; }}\n\
             @media (prefers-color-scheme: dark) {{ :root {{ --accent: {accent}; --accent-hover: {hover}; \
             --accent-ink: {ink}; --accent-text: {in_dark}; }} }}\n"
        );
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let version = hex::encode(hash.as_ref().get(..8).unwrap_or_default());
        Self { text, version }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_colour_is_six_digits() {
        assert_eq!(Color::parse("#1F57c3").unwrap().to_string(), "#1f57c3");
        for bad in ["", "#", "#fff", "1f57c3", "#1f57c3ff", "#1f57cg", "red", "#ä1f57"] {
            assert!(Color::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((WHITE.contrast(BLACK) - 21.0).abs() < 1e-9);
        let grey = Color::parse("#767676").unwrap();
        assert!((grey.contrast(WHITE) - 4.54).abs() < 0.01);
    }

    #[test]
    fn a_look_leaves_out_what_cannot_be_used() {
        let look = Look::new(Some("Acme"), Some("javascript:alert(1)"), Some("red;}"));
        assert_eq!(
            (look.name(), look.logo(), look.stylesheet()),
            ("Acme", None, None)
        );
        let look = Look::new(None, Some("https://cdn.acme.example/a/logo.svg"), Some("#ffcc00"));
        assert_eq!(look.name(), "grantor");
        assert_eq!(look.logo_origin().as_deref(), Some("https://cdn.acme.example"));
        assert!(
            look.stylesheet().unwrap().contains("--accent-ink: #000000;"),
            "black on yellow"
        );
        let policy = look.policy().header();
        assert!(
            policy
                .to_str()
                .unwrap()
                .contains("img-src 'self' https://cdn.acme.example;")
        );
    }

    proptest! {
        #[test]
        fn every_accent_is_legible_in_both_schemes(rgb: [u8; 3]) {
            let accent = Color(rgb);
            let [light, dark] = GROUNDS;
            prop_assert!(accent.ink().contrast(accent) >= LEGIBLE);
            let hover = accent.mixed(if accent.ink() == WHITE { BLACK } else { WHITE }, 12);
            prop_assert!(accent.ink().contrast(hover) >= LEGIBLE);
            prop_assert!(accent.legible_on(light, BLACK).contrast(light) >= LEGIBLE);
            prop_assert!(accent.legible_on(dark, WHITE).contrast(dark) >= LEGIBLE);
        }
    }
}
