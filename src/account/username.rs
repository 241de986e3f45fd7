//! What a person is found by: a username or an e-mail address, in the one form in which it is compared.
//!
//! Both share one name space, so that nobody can take somebody else's address for a username. Whatever holds an `@` is
//! an e-mail address. Two spellings that look alike to people, or that some software takes for one, have one canonical
//! form: NFKC, case folded, and again until nothing changes. What cannot be seen, or could show one name as another, is
//! refused: control, format and bidirectional characters, unusual white space, letters of scripts with look-alikes mixed.

use crate::types::Malformed;
use std::fmt;
use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use url::Host;

/// Longest username, in code points after NFKC.
const MAX_USERNAME: usize = 64;
/// Longest e-mail address and local part, in octets (RFC 5321 §4.5.3.1, with errata 1690).
const MAX_EMAIL: usize = 254;
const MAX_LOCAL_PART: usize = 64;

/// A username or e-mail address.
#[derive(Clone, PartialEq, Eq)]
pub struct Identifier {
    shown: String,
    canonical: String,
    email: bool,
}

impl Identifier {
    /// Accepts a username: 1 to 64 code points after NFKC, or an e-mail address.
    pub fn username(text: &str) -> Result<Self, Malformed> {
        let shown = normalized(text)?;
        if shown.contains('@') {
            return email(&shown);
        }
        if !(1..=MAX_USERNAME).contains(&shown.chars().count()) {
            return Err(Malformed("must be 1 to 64 characters, or an e-mail address"));
        }
        check_characters(&shown)?;
        Ok(Self {
            canonical: canonical(&shown),
            shown,
            email: false,
        })
    }

    /// Accepts an e-mail address. Stricter than RFC 5321: no quoted local parts, no comments, no address literals, and a
    /// domain with a dot. Non-ASCII local parts (RFC 6531) and internationalised domains are accepted.
    pub fn email(text: &str) -> Result<Self, Malformed> {
        email(&normalized(text)?)
    }

    /// As it is shown: in NFKC, an e-mail address with its domain in ASCII lower case.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// As it is compared.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Whether it is an e-mail address, which is kept sealed.
    pub fn is_email(&self) -> bool {
        self.email
    }
}

/// An e-mail address is personal data, hence nothing.
impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identifier")
    }
}

fn normalized(text: &str) -> Result<String, Malformed> {
    // NFKC makes a character into up to 18: bound what is fed to it.
    if text.len() > 4 * MAX_EMAIL {
        return Err(Malformed("must be 1 to 64 characters, or an e-mail address"));
    }
    // Looked at before NFKC too, which turns unusual spaces into usual ones.
    if text.chars().any(|c| c != ' ' && is_unseen(c)) {
        return Err(Malformed(
            "must not contain control, format or unusual white space characters",
        ));
    }
    Ok(text.nfkc().collect())
}

fn email(text: &str) -> Result<Identifier, Malformed> {
    let (local, domain) = text
        .split_once('@')
        .ok_or(Malformed("must be an e-mail address"))?;
    let dot_atom = local.split('.').all(|atom| {
        !atom.is_empty()
            && atom.chars().all(|c| {
                c.is_ascii_alphanumeric()
                    || "!#$%&'*+-/=?^_`{|}~".contains(c)
                    || !(c.is_ascii() || is_unseen(c))
            })
    });
    if !dot_atom || local.len() > MAX_LOCAL_PART {
        return Err(Malformed(
            "must be an e-mail address: the part before the @ is not valid",
        ));
    }
    check_characters(local)?;
    let domain = email_domain(domain).ok_or(Malformed(
        "must be an e-mail address: the part after the @ is not a domain name",
    ))?;
    let shown = format!("{local}@{domain}");
    if shown.len() > MAX_EMAIL {
        return Err(Malformed("an e-mail address has at most 254 octets"));
    }
    Ok(Identifier {
        canonical: format!("{}@{domain}", canonical(local)),
        shown,
        email: true,
    })
}

/// The domain in ASCII (IDNA, UTS 46), lower case.
fn email_domain(text: &str) -> Option<String> {
    // The URL standard would decode percent signs and accept addresses.
    if text.contains('%') {
        return None;
    }
    let Ok(Host::Domain(domain)) = Host::parse(text) else {
        return None;
    };
    let mut labels = domain.split('.').peekable();
    let mut count = 0;
    while let Some(label) = labels.next() {
        let well_formed = (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-');
        let top_is_name = labels.peek().is_some() || !label.bytes().all(|b| b.is_ascii_digit());
        if !well_formed || !top_is_name {
            return None;
        }
        count += 1;
    }
    (count >= 2).then_some(domain)
}

fn check_characters(text: &str) -> Result<(), Malformed> {
    if text.starts_with(' ') || text.ends_with(' ') || text.contains("  ") {
        return Err(Malformed(
            "must not begin or end with a space, nor hold two in a row",
        ));
    }
    if text.contains(['<', '>']) {
        return Err(Malformed("must not contain < or >"));
    }
    if text.chars().any(|c| c != ' ' && is_unseen(c)) {
        return Err(Malformed(
            "must not contain control, format or unusual white space characters",
        ));
    }
    if text.chars().next().is_some_and(is_combining_mark) {
        return Err(Malformed("must not begin with a combining mark"));
    }
    let mut scripts = text.chars().filter_map(script);
    if let Some(first) = scripts.next()
        && scripts.any(|other| other != first)
    {
        return Err(Malformed(
            "must not mix letters of Latin, Greek, Cyrillic and other scripts that look alike",
        ));
    }
    Ok(())
}

/// Whether a character cannot be seen or told from another: control, format, bidirectional, private and unassigned
/// characters, all white space, and letters and marks without a shape (Unicode's Default_Ignorable_Code_Point).
pub(super) fn is_unseen(c: char) -> bool {
    use GeneralCategory as G;
    let category = get_general_category(c);
    matches!(
        category,
        G::Control
            | G::Format
            | G::Surrogate
            | G::PrivateUse
            | G::Unassigned
            | G::SpaceSeparator
            | G::LineSeparator
            | G::ParagraphSeparator
    ) || matches!(c,
        '\u{34F}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{2800}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{FFFC}'..='\u{FFFD}' | '\u{E0100}'..='\u{E01EF}')
}

/// Scripts that have letters which look like another's. Others may be mixed, as Japanese and Latin are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Georgian,
    Cherokee,
    Lisu,
    Coptic,
}

fn script(c: char) -> Option<Script> {
    Some(match c {
        'A'..='Z' | 'a'..='z' => Script::Latin,
        '\u{AA}' | '\u{BA}' | '\u{D7}' | '\u{F7}' => return None,
        '\u{C0}'..='\u{2AF}'
        | '\u{1D00}'..='\u{1DBF}'
        | '\u{1E00}'..='\u{1EFF}'
        | '\u{2C60}'..='\u{2C7F}'
        | '\u{A722}'..='\u{A7FF}'
        | '\u{AB30}'..='\u{AB64}' => Script::Latin,
        '\u{370}'..='\u{3E1}' | '\u{3F0}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => Script::Greek,
        '\u{3E2}'..='\u{3EF}' | '\u{2C80}'..='\u{2CFF}' => Script::Coptic,
        '\u{400}'..='\u{52F}'
        | '\u{1C80}'..='\u{1C8F}'
        | '\u{2DE0}'..='\u{2DFF}'
        | '\u{A640}'..='\u{A69F}' => Script::Cyrillic,
        '\u{531}'..='\u{58F}' => Script::Armenian,
        '\u{10A0}'..='\u{10FF}' | '\u{1C90}'..='\u{1CBF}' | '\u{2D00}'..='\u{2D2F}' => Script::Georgian,
        '\u{13A0}'..='\u{13FF}' | '\u{AB70}'..='\u{ABBF}' => Script::Cherokee,
        '\u{A4D0}'..='\u{A4FF}' => Script::Lisu,
        _ => return None,
    })
}

/// NFKC and case folding until nothing changes: folding can yield what NFKC changes, and the reverse. Folding is upper
/// case, then lower case, each character by itself; besides what Unicode's full case folding makes equal this also
/// takes the dotless ı for an i.
fn canonical(text: &str) -> String {
    let mut before = text.to_owned();
    for _ in 0..4 {
        let folded: String = before
            .chars()
            .flat_map(char::to_uppercase)
            .flat_map(char::to_lowercase)
            .nfkc()
            .collect();
        if folded == before {
            break;
        }
        before = folded;
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical_of(text: &str) -> String {
        Identifier::username(text).unwrap().canonical
    }

    #[test]
    fn spellings_of_one_name_have_one_canonical_form() {
        for (one, other) in [
            ("Alice", "alice"),
            ("ＡＬＩＣＥ", "alice"),
            ("ﬁona", "FIONA"),
            ("𝓪𝓵𝓲𝓬𝓮", "alice"),
            ("Stra\u{DF}e", "STRASSE"),
            ("Jose\u{301}", "jos\u{E9}"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("D\u{131}yar", "diyar"),
            ("\u{212B}ngstr\u{F6}m", "\u{E5}NGSTR\u{D6}M"),
            ("alice@Example.ORG", "ALICE@example.org"),
            ("alice\u{FF20}example.org", "alice@example.org"),
            ("a@b\u{FC}cher.example", "a@xn--bcher-kva.example"),
            ("a@B\u{DC}CHER.example", "a@bu\u{308}cher.example"),
        ] {
            assert_eq!(canonical_of(one), canonical_of(other), "{one} {other}");
        }
    }

    #[test]
    fn different_names_stay_different() {
        for (one, other) in [
            ("alice", "al\u{ED}ce"),
            ("алиса", "alisa"),
            ("a.b", "ab"),
            ("山田", "山本"),
            ("a+b@example.org", "a@example.org"),
        ] {
            assert_ne!(canonical_of(one), canonical_of(other));
        }
    }

    #[test]
    fn what_is_shown_keeps_its_case_but_not_its_ligatures() {
        let name = Identifier::username("Ｆiona Mc\u{FB01}n").unwrap();
        assert_eq!(name.as_str(), "Fiona Mcfin");
        let email = Identifier::username("Alice@B\u{FC}cher.Example").unwrap();
        assert_eq!(
            (email.as_str(), email.is_email()),
            ("Alice@xn--bcher-kva.example", true)
        );
        assert_eq!(format!("{email:?}"), "Identifier");
    }

    #[test]
    fn a_name_that_could_pass_for_another_is_refused() {
        for (bad, why) in [
            ("", "nothing"),
            (" alice", "space in front"),
            ("alice ", "space behind"),
            ("al  ice", "two spaces"),
            ("al\u{A0}ice", "no-break space"),
            ("al\u{2003}ice", "em space"),
            ("al\u{3000}ice", "ideographic space"),
            ("al\tice", "tab"),
            ("al\0ice", "NUL"),
            ("alice\u{200B}", "zero width space"),
            ("al\u{200D}ice", "zero width joiner"),
            ("\u{202E}ecila", "right-to-left override"),
            ("a\u{2066}b\u{2069}", "isolate"),
            ("al\u{AD}ice", "soft hyphen"),
            ("\u{FEFF}alice", "byte order mark"),
            ("alice\u{FE0F}", "variation selector"),
            ("a\u{3164}b", "Hangul filler"),
            ("a\u{E0041}b", "tag"),
            ("a\u{E000}", "private use"),
            ("a\u{10FFFE}", "not a character"),
            ("\u{301}a", "combining mark in front"),
            ("\u{430}lice", "Cyrillic a"),
            ("al\u{3B9}ce", "Greek iota"),
            ("<b>alice</b>", "markup"),
        ] {
            assert!(Identifier::username(bad).is_err(), "{why}");
        }
        assert!(Identifier::username(&"x".repeat(65)).is_err());
        assert!(
            Identifier::username(&"\u{FDFA}".repeat(64)).is_err(),
            "long after NFKC"
        );
        assert!(Identifier::username(&"x".repeat(1_000_000)).is_err());
        assert!(Identifier::username(&"\u{5C71}".repeat(64)).is_ok());
    }

    #[test]
    fn an_email_address_is_checked_conservatively() {
        let long_local = format!("{}@example.org", "x".repeat(65));
        let long = format!("x@{}.org", vec!["x".repeat(63); 4].join("."));
        for bad in [
            "a@",
            "@example.org",
            "a@b@example.org",
            "a@localhost",
            "a@example.org.",
            "a@.example.org",
            "a@-x.org",
            "a@x_y.org",
            "a@127.0.0.1",
            "a@[::1]",
            "a@exa%6Dple.org",
            "a b@example.org",
            "\"a b\"@example.org",
            ".a@example.org",
            "a..b@example.org",
            "a(c)@example.org",
            "a@example.org\n",
            "a@ex\u{200D}\u{200B}ample.org",
            "<a@example.org>",
            &long_local,
            &long,
        ] {
            assert!(Identifier::username(bad).is_err(), "{bad}");
            assert!(Identifier::email(bad).is_err(), "{bad}");
        }
        assert!(Identifier::email("alice").is_err());
        for good in ["o'neil+x@mail.example.org", "用户@例え.jp", "a@1.example"] {
            assert!(Identifier::email(good).is_ok(), "{good}");
        }
    }

    proptest! {
        #[test]
        fn canonical_is_a_fixed_point_and_what_is_shown_is_accepted_again(text in "\\PC{1,40}") {
            if let Ok(name) = Identifier::username(&text) {
                prop_assert_eq!(canonical(&name.canonical), name.canonical.clone());
                let again = Identifier::username(name.as_str()).unwrap();
                prop_assert_eq!(again.as_str(), name.as_str());
                prop_assert_eq!(again.canonical, name.canonical);
            }
        }
    }
}
