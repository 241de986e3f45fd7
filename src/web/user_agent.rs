//! What a `User-Agent` says about a device, for people who look for the one that is not theirs.

use crate::page::{Language, Text};

/// More characters of an unknown agent are not shown.
const MAX_UNKNOWN: usize = 60;

/// In this order: most browsers name their ancestors too.
const BROWSERS: [(&str, &str); 8] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// A device in a few words.
pub fn describe(user_agent: &str, language: Language) -> String {
    let find = |table: &[(&str, &'static str)]| {
        table
            .iter()
            .find(|(mark, _)| user_agent.contains(mark))
            .map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => {
            let text = Text::new("device-browser-on-system");
            text.with("browser", browser).with("system", system).say(language)
        }
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) if user_agent.is_empty() => language.say("device-unknown"),
        (None, None) => user_agent.chars().take(MAX_UNKNOWN).collect(),
    }
}

/// Whether it is one that is held in the hand.
pub fn is_handheld(user_agent: &str) -> bool {
    ["iPhone", "iPad", "Android", "Mobile"]
        .iter()
        .any(|mark| user_agent.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(user_agent: &str) -> String {
        super::describe(user_agent, Language::default())
    }

    #[test]
    fn a_device_is_named_after_browser_and_system() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36";
        assert_eq!(describe(chrome), "Chrome on Linux");
        assert_eq!(
            describe(&chrome.replace("Safari/", "Edg/120 Safari/")),
            "Edge on Linux"
        );
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Mobile Safari/604.1";
        assert_eq!(describe(phone), "Safari on iPhone");
        assert!(is_handheld(phone) && !is_handheld(chrome));
        assert_eq!(describe(""), "Unknown device");
        assert_eq!(describe("curl/8.5.0"), "curl/8.5.0");
    }
}
