//! In which language a visitor reads a page.

use super::catalogue::{self, Catalogue};
use crate::types::Timestamp;
use fluent_bundle::FluentArgs;
use std::cmp::Reverse;
use time::OffsetDateTime;

/// So many wishes are looked at; the rest is passed over.
const MAX_TAGS: usize = 10;
/// Longer lists of wishes than this, in bytes, are not read.
const MAX_LIST: usize = 1024;

/// A language that pages are written in. English unless something else is wished for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Language(usize);

impl Language {
    /// Every language, English first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Catalogue::all().len()).map(Self)
    }

    /// Its tag (RFC 5646).
    pub fn tag(self) -> &'static str {
        self.catalogue().map_or("en", |texts| texts.tag)
    }

    /// The language for a tag: lookup of RFC 4647 §3.4, which shortens the tag from its end until there is one.
    pub fn find(tag: &str) -> Option<Self> {
        let named = |range: &str| Self::all().find(|language| language.tag().eq_ignore_ascii_case(range));
        ranges(tag).find_map(named)
    }

    /// The first of these tags that pages are written in, else English.
    pub fn of(tags: &[String]) -> Self {
        tags.iter().find_map(|tag| Self::find(tag)).unwrap_or_default()
    }

    /// A message of the catalogue that takes no arguments.
    pub fn say(self, key: &str) -> String {
        catalogue::say(self, key, &FluentArgs::new())
    }

    /// A time as people read it, in UTC: pages do not know where their reader is.
    pub fn when(self, at: Timestamp) -> String {
        let Ok(at) = OffsetDateTime::from_unix_timestamp(at.seconds()) else {
            return at.to_string();
        };
        let mut arguments = FluentArgs::new();
        arguments.set("day", at.day().to_string());
        arguments.set("month", self.say(&format!("month-{}", u8::from(at.month()))));
        arguments.set("year", at.year().to_string());
        arguments.set("time", format!("{:02}:{:02}", at.hour(), at.minute()));
        catalogue::say(self, "date-and-time", &arguments)
    }

    pub(super) fn catalogue(self) -> Option<&'static Catalogue> {
        Catalogue::all().get(self.0)
    }
}

/// A tag and what it becomes when it is shortened from its end: `de-AT-1996`, `de-AT`, `de`.
pub fn ranges(tag: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(tag), |tag| {
        let (shorter, _) = tag.rsplit_once('-')?;
        // A single letter announces what follows it and goes with it.
        match shorter.rsplit_once('-') {
            Some((before, last)) if last.len() == 1 => Some(before),
            _ => Some(shorter),
        }
    })
}

/// The tags of `ui_locales` (OpenID Connect Core §3.1.2.1) or of another list with spaces, in order. What does not look
/// like a tag is passed over, since it is only a wish.
pub fn listed(text: &str) -> Vec<String> {
    let tags = bounded(text).split(' ').filter(|tag| is_tag(tag));
    tags.take(MAX_TAGS).map(str::to_ascii_lowercase).collect()
}

/// The tags of an `Accept-Language` (RFC 9110 §12.5.4), best first; among equals the order of the list decides.
pub fn accepted(header: &str) -> Vec<String> {
    let weighed = |range: &str| {
        let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
        let tag = tag.trim();
        let quality = quality(parameters)?;
        (is_tag(tag) && quality > 0).then(|| (quality, tag.to_ascii_lowercase()))
    };
    let ranges = bounded(header).split(',').take(4 * MAX_TAGS);
    let mut tags: Vec<_> = ranges.filter_map(weighed).collect();
    tags.sort_by_key(|(quality, _)| Reverse(*quality));
    tags.into_iter().take(MAX_TAGS).map(|(_, tag)| tag).collect()
}

/// Thousandths of a `q` parameter (RFC 9110 §12.4.2); 1000 where there is none, `None` where it is no number of at most
/// three decimals up to one.
fn quality(parameters: &str) -> Option<u16> {
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return Some(1000);
    }
    let value = parameters.strip_prefix("q=").or(parameters.strip_prefix("Q="))?;
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// As much of a list as is looked at.
fn bounded(list: &str) -> &str {
    if list.len() <= MAX_LIST { list } else { "" }
}

fn is_tag(text: &str) -> bool {
    (2..=35).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_s12_5_4_languages_are_taken_by_weight() {
        assert_eq!(accepted("da, en-GB;q=0.8, en;q=0.7"), ["da", "en-gb", "en"]);
        assert_eq!(accepted("en;q=0.5,de ; q=0.9, fr;q=0, *;q=0.1"), ["de", "en"]);
        assert_eq!(accepted("de;q=1.000,en;q=1.1,fr;q=0.1234,it;q=x"), ["de"]);
        assert_eq!(accepted(""), [""; 0]);
    }

    #[test]
    fn wishes_are_bounded() {
        assert_eq!(accepted(&"de,".repeat(200)).len(), MAX_TAGS);
        assert!(accepted(&"de,".repeat(20_000)).is_empty());
        assert_eq!(listed(&"de ".repeat(200)).len(), MAX_TAGS);
    }

    #[test]
    fn ui_locales_keep_their_order_and_lose_what_is_no_tag() {
        assert_eq!(listed("de-AT  en xx_y <script> a"), ["de-at", "en"]);
    }

    #[test]
    fn rfc4647_s3_4_a_tag_is_shortened_from_its_end() {
        let all: Vec<_> = ranges("zh-Hant-CN-x-private1-private2").collect();
        assert_eq!(
            all,
            [
                "zh-Hant-CN-x-private1-private2",
                "zh-Hant-CN-x-private1",
                "zh-Hant-CN",
                "zh-Hant",
                "zh"
            ]
        );
        let german = Language::find("de-AT-1996");
        assert_eq!(german.map(Language::tag), Some("de"));
        assert_eq!(Language::find("ja"), None);
        assert_eq!(Language::find("deu"), None);
    }

    #[test]
    fn the_first_wish_that_can_be_met_counts() {
        let of = |list: &str| Language::of(&listed(list)).tag();
        assert_eq!(of("ja de-CH en"), "de");
        assert_eq!(of("ja en de"), "en");
        assert_eq!(of("ja"), "en");
    }

    #[test]
    fn a_time_is_written_for_people() {
        let at = Timestamp::parse("2026-03-04T05:06:07Z").unwrap();
        assert_eq!(Language::default().when(at), "4 Mar 2026, 05:06 UTC");
        assert_eq!(Language::find("de").unwrap().when(at), "4. März 2026, 05:06 UTC");
    }
}
