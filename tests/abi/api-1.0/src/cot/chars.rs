//! Which bytes and characters XML 1.0 allows where, as tables: one look-up per byte.

/// White space of XML.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Name characters outside of ASCII (XML 1.0, fifth edition).
pub(super) fn name_char(c: char, first: bool) -> bool {
    let start = matches!(c, '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}'
        | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}'
        | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}');
    start || (!first && matches!(c, '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}'))
}

pub(super) const PLAIN: u8 = 0;
pub(super) const LT: u8 = 1;
pub(super) const AMP: u8 = 2;
pub(super) const BRACKET: u8 = 3;
/// Control characters and the first byte of U+FFFE and U+FFFF: looked at.
pub(super) const OTHER: u8 = 4;

/// What a byte means in text and attribute values.
pub(super) static CLASS: [u8; 256] = {
    let mut table = [PLAIN; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = OTHER;
        byte += 1;
    }
    table[b'\t' as usize] = PLAIN;
    table[b'\r' as usize] = PLAIN;
    table[b'\n' as usize] = PLAIN;
    table[b'<' as usize] = LT;
    table[b'&' as usize] = AMP;
    table[b']' as usize] = BRACKET;
    table[0xEF] = OTHER;
    table
};

/// 0 = ends a name, 1 = not first, 2 = anywhere, 3 = first byte of a character outside of ASCII.
pub(super) static NAME: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = if b.is_ascii_alphabetic() || b == b'_' || b == b':' {
            2
        } else if b.is_ascii_digit() || b == b'-' || b == b'.' {
            1
        } else if b >= 0x80 {
            3
        } else {
            0
        };
        byte += 1;
    }
    table
};
