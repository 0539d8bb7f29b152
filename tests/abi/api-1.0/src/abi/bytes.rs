//! [`SharedBytes`]: bytes that cross without a copy and are freed where they were made.
use abi_stable::{StableAbi, prefix_type::PrefixTypeTrait};
use bytes::Bytes;

/// What can be done with [`SharedBytes`]; grows at the end.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = BytesCalls_Ref)))]
pub struct BytesCalls {
    #[sabi(last_prefix_field)]
    free: extern "C" fn(*const ()),
}

/// Immutable bytes of the other side.
#[repr(C)]
#[derive(StableAbi)]
pub struct SharedBytes {
    ptr: *const u8,
    len: usize,
    owner: *const (),
    calls: BytesCalls_Ref,
}

// SAFETY: immutable bytes, and the owner behind them is a boxed `Bytes`, which is Send and Sync.
unsafe impl Send for SharedBytes {}
// SAFETY: as above.
unsafe impl Sync for SharedBytes {}

extern "C" fn free(owner: *const ()) {
    // SAFETY: `owner` came from `Box::into_raw` in `From<Bytes>` of the same copy of this code and is freed once, by Drop.
    drop(unsafe { Box::from_raw(owner.cast_mut().cast::<Bytes>()) });
}

impl From<Bytes> for SharedBytes {
    fn from(bytes: Bytes) -> Self {
        let (ptr, len) = (bytes.as_ptr(), bytes.len());
        static KEPT: std::sync::OnceLock<BytesCalls_Ref> = std::sync::OnceLock::new();
        let calls = *KEPT.get_or_init(|| BytesCalls { free }.leak_into_prefix());
        Self { ptr, len, owner: Box::into_raw(Box::new(bytes)).cast_const().cast(), calls }
    }
}

impl From<SharedBytes> for Bytes {
    fn from(shared: SharedBytes) -> Self {
        Bytes::from_owner(shared)
    }
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: pointer and length of the bytes that `owner` keeps alive until Drop.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

impl Drop for SharedBytes {
    fn drop(&mut self) {
        (self.calls.free())(self.owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_freed_once_and_read_the_same() {
        let bytes = Bytes::from(vec![7; 1000]);
        let shared = SharedBytes::from(bytes.clone());
        assert_eq!(shared.as_ref(), &bytes[..]);
        let back = Bytes::from(shared);
        assert_eq!(back, bytes);
        drop(back);
        assert!(bytes.try_into_mut().is_ok(), "nobody else holds it");
    }
}
