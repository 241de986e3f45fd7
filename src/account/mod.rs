//! People: how they are named, what they know, and the browser sessions in which they are known.

mod hash;
mod password;
pub mod policy;
pub mod profile;
mod username;

pub use self::password::{Checked, Password, Passwords};
pub use self::username::Identifier;
