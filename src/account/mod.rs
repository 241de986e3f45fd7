//! People: how they are named, what they know, and the browser sessions in which they are known.

mod hash;
mod password;
pub mod policy;
mod username;

pub use self::password::{Checked, Password, Passwords};
pub use self::username::Identifier;
