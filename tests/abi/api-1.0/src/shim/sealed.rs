//! [`Sealed`]: a value of the author whose destructor may panic without ending the process.
use std::{
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
};

use super::guard;

/// See the file's head.
pub struct Sealed<T>(ManuallyDrop<T>);

impl<T> Sealed<T> {
    /// Wraps it.
    pub fn new(value: T) -> Self {
        Self(ManuallyDrop::new(value))
    }
}

impl<T> Deref for Sealed<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Sealed<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for Sealed<T> {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: taken once, here, and never touched again: this is the destructor.
        let value = unsafe { ManuallyDrop::take(&mut self.0) };
        if let Err(panic) = guard(&"a destructor", move || drop(value)) {
            tracing::error!(place = panic.place, "{}", panic.message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destructor_that_panics_is_caught() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("in drop");
            }
        }
        super::super::install();
        drop(Sealed::new(Bomb));
    }
}
