//! To be written.
use crate::http::native::Book;

/// Its routes.
pub fn routes(_book: &mut Book) {}
