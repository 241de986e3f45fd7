//! WCAG 2.2, levels A and AA, on every page: what axe-core finds, and what it does not look for.

use super::tour::{World, tour};
use crate::support::source::root;
use crate::support::webdriver::Chromium;
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;

/// Where `scripts/test` puts axe-core.
const AXE: &str = "target/tools/axe-core/axe.min.js";

/// Language, scheme and width of each time round; contrast does not depend on the language, nor its length on the colours.
const ROUNDS: [(&str, &[(&str, u32)]); 2] = [
    ("en", &[("light", 1280), ("dark", 390)]),
    ("de", &[("light", 390)]),
];

const RUN_AXE: &str =
    "const found = await axe.run(document, {resultTypes: ['violations'], runOnly: {type: 'tag', values:
        ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice']}});
    return found.violations.map(rule => rule.id + ': ' + rule.help + ' '
        + rule.nodes.map(node => node.html + ' (' + node.failureSummary + ')').join(' | '));";

/// What axe-core does not look for: large targets, a page that fits, errors tied to their field, nothing inline.
const LOOK: &str = "const wrong = [];
    const large = 'button, .button, .touch, input:not([type=hidden], [type=checkbox], [hidden]), .check, select, summary';
    for (const element of document.querySelectorAll(large)) {
        const height = element.getBoundingClientRect().height;
        if (height < 44) wrong.push('low: ' + height + ' ' + element.outerHTML);
    }
    const width = document.scrollingElement.scrollWidth;
    if (width > innerWidth) wrong.push('it is ' + width + ' wide, and the window ' + innerWidth);
    for (const field of document.querySelectorAll('[aria-invalid=true]')) {
        const told = (field.getAttribute('aria-describedby') || '').split(' ').map(id => document.getElementById(id));
        if (!told.some(text => text && text.getAttribute('role') === 'alert')) wrong.push('untold: ' + field.outerHTML);
    }
    for (const element of document.querySelectorAll('[style], style, script:not([src])')) wrong.push('inline: ' + element.outerHTML);
    if (document.documentElement.lang !== parameters.language) wrong.push('lang=' + document.documentElement.lang);
    if (document.title.startsWith(' ') || !document.title) wrong.push('title: ' + document.title);
    return wrong;";

#[tokio::test]
async fn no_page_hinders_anybody() {
    let Ok(axe) = fs::read_to_string(root().join(AXE)) else {
        let _ = writeln!(
            std::io::stderr(),
            "left out: axe-core, because there is no {AXE} (scripts/test fetches it)"
        );
        return;
    };
    let Some(chromium) = Chromium::start(true).await else {
        return;
    };
    chromium
        .go("data:text/html,<title>x</title><img src=x><input style=height:9px>")
        .await;
    chromium.run(&axe, &json!({})).await;
    let found = chromium.run(RUN_AXE, &json!({})).await.to_string();
    assert!(
        found.contains("image-alt") && found.contains("label"),
        "axe-core finds what is wrong: {found}"
    );
    let found = chromium.run(LOOK, &json!({"language": "en"})).await.to_string();
    assert!(
        found.contains("low: 9") && found.contains("inline: ") && found.contains("lang="),
        "{found}"
    );
    let world = World::new().await;
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (language, looks) in ROUNDS {
        tour(&world, &chromium, language, &mut async |chromium, page| {
            chromium.run(&axe, &json!({})).await;
            for (scheme, width) in looks {
                chromium.shows_in(scheme, *width).await;
                let by_axe = chromium.run(RUN_AXE, &json!({})).await;
                let by_us = chromium.run(LOOK, &json!({"language": language})).await;
                wrong.extend(told(&format!("{page} {language} {scheme} {width}"), &by_axe));
                wrong.extend(told(&format!("{page} {language} {scheme} {width}"), &by_us));
            }
            // 1.4.10: without scrolling to the side at 320 pixels.
            chromium.shows_in("light", 320).await;
            let narrow = chromium.run(LOOK, &json!({"language": language})).await;
            wrong.extend(told(&format!("{page} {language} 320"), &narrow));
            seen += 1;
        })
        .await;
    }
    assert!(seen > 50, "{seen} pages");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    chromium.quit().await;
}

fn told(page: &str, found: &Value) -> Vec<String> {
    match found.as_array() {
        Some(found) => found.iter().map(|wrong| format!("{page}: {wrong}")).collect(),
        None => vec![format!("{page}: {found}")],
    }
}
