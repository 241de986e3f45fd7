//! Language tags (RFC 5646, BCP 47), by their form: whether a subtag is registered is not looked up.

/// Longest tag that is taken (RFC 5646 §4.4.1 recommends room for 35 characters).
pub const MAX_LANGUAGE_TAG: usize = 35;

/// Whether a text has the form of a tag (RFC 5646 §2.1): language, script, region, variants, extensions, private use, in this
/// order and in any case. The few grandfathered tags of another form are no tags here.
pub fn is_language_tag(text: &str) -> bool {
    if text.len() > MAX_LANGUAGE_TAG {
        return false;
    }
    let subtags: Vec<&str> = text.split('-').collect();
    let Some((language, mut rest)) = subtags.split_first() else {
        return false;
    };
    if !is_alphabetic(language, 2..=8) {
        return false;
    }
    if language.len() <= 3 {
        skip(&mut rest, 3, |subtag| is_alphabetic(subtag, 3..=3));
    }
    skip(&mut rest, 1, |subtag| is_alphabetic(subtag, 4..=4));
    skip(&mut rest, 1, |subtag| {
        is_alphabetic(subtag, 2..=2) || (subtag.len() == 3 && subtag.bytes().all(|b| b.is_ascii_digit()))
    });
    skip(&mut rest, usize::MAX, is_variant);
    while let [singleton, after @ ..] = rest
        && is_alphanumeric(singleton, 1..=1)
    {
        let is_private = singleton.eq_ignore_ascii_case("x");
        let shortest = if is_private { 1 } else { 2 };
        rest = after;
        if skip(&mut rest, usize::MAX, |subtag| {
            is_alphanumeric(subtag, shortest..=8)
        }) == 0
        {
            return false;
        }
        if is_private {
            break;
        }
    }
    rest.is_empty()
}

fn is_variant(subtag: &str) -> bool {
    is_alphanumeric(subtag, 5..=8)
        || (is_alphanumeric(subtag, 4..=4) && subtag.starts_with(|c: char| c.is_ascii_digit()))
}

/// Passes over at most so many subtags that fit; how many they were.
fn skip(rest: &mut &[&str], most: usize, fits: impl Fn(&str) -> bool) -> usize {
    let count = rest.iter().take(most).take_while(|subtag| fits(subtag)).count();
    *rest = rest.get(count..).unwrap_or_default();
    count
}

fn is_alphabetic(subtag: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphabetic())
}

fn is_alphanumeric(subtag: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5646_s2_1_what_has_the_form_of_a_tag() {
        // Appendix A has most of these.
        for good in [
            "de",
            "DE-at",
            "zh-Hant",
            "zh-cmn-Hans-CN",
            "zh-yue-HK",
            "sr-Latn-RS",
            "sl-rozaj-biske",
            "de-CH-1901",
            "sl-IT-nedis",
            "hy-Latn-IT-arevela",
            "es-419",
            "de-CH-x-phonebk",
            "az-Arab-x-AZE-derbend",
            "en-US-u-islamcal",
            "zh-CN-a-myext-x-private",
            "en-a-myext-b-another",
            "ja-Hani-JP",
            "qaa-Qaaa-QM-x-southern",
        ] {
            assert!(is_language_tag(good), "{good}");
        }
        for bad in [
            "",
            "d",
            "-de",
            "de-",
            "de--AT",
            "de_AT",
            "de-419-DE",
            "a-DE",
            "ar-a-aaa-",
            "en-x",
            "en-a",
            "en-a-x",
            "i-klingon",
            "de-1996x9999",
            "d\u{e9}",
            "de AT",
            "de-AT-x-aaaaaaaa-bbbbbbbb-cccccccc-d",
        ] {
            assert!(!is_language_tag(bad), "{bad}");
        }
    }
}
