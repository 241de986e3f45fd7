//! All pages in a real browser: their pictures, what assistive technology makes of them, and the way through them by
//! keyboard.

mod accessibility;
mod keyboard;
mod screenshots;
mod tour;
