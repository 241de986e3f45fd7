//! Pictures of all pages, for people to look at: `scripts/screenshots`.

use super::tour::{World, tour};
use crate::support::webdriver::Chromium;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// Where to put them; without it none are made.
const FOLDER: &str = "GRANTOR_TEST_SCREENSHOTS";
const SCREENS: [(&str, u32); 2] = [("phone", 390), ("desktop", 1280)];
const SCHEMES: [&str; 2] = ["light", "dark"];
const LANGUAGES: [&str; 2] = ["en", "de"];

#[tokio::test]
async fn every_page_on_every_screen_in_every_scheme_and_language() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let chromium = Chromium::start(true).await.expect("chromedriver is installed");
    let world = World::new().await;
    let mut pages = Vec::new();
    for language in LANGUAGES {
        tour(&world, &chromium, language, &mut async |chromium, page| {
            for (screen, width) in SCREENS {
                let folder = folder.join(format!("{language}-{screen}"));
                fs::create_dir_all(&folder).unwrap();
                for scheme in SCHEMES {
                    chromium.shows_in(scheme, width).await;
                    let path = folder.join(format!("{page}-{scheme}.png"));
                    fs::write(path, picture(chromium).await).unwrap();
                }
            }
            if !pages.contains(&page.to_owned()) {
                pages.push(page.to_owned());
            }
        })
        .await;
    }
    fs::write(folder.join("index.html"), index(&pages)).unwrap();
    chromium.quit().await;
}

/// The whole page, as far as it goes down.
async fn picture(chromium: &Chromium) -> Vec<u8> {
    let options = json!({"format": "png", "captureBeyondViewport": true});
    let shot = chromium.devtools("Page.captureScreenshot", &options).await;
    STANDARD
        .decode(shot["data"].as_str().expect("a picture"))
        .unwrap()
}

/// All pictures on one sheet.
fn index(pages: &[String]) -> String {
    let mut html = String::from("<!doctype html><meta charset=utf-8><title>Pages</title>");
    for page in pages {
        let _ = write!(html, "<h2>{page}</h2><p>");
        for (screen, _) in SCREENS {
            for language in LANGUAGES {
                for scheme in SCHEMES {
                    let file = format!("{language}-{screen}/{page}-{scheme}.png");
                    let _ = write!(
                        html,
                        "<a href='{file}'><img src='{file}' width=300 alt='{file}'></a> "
                    );
                }
            }
        }
    }
    html
}
