//! The part of protobuf's wire format that a SentencePiece model needs.

/// The value of a field: a number, or bytes (a text, a message, or the four or eight bytes of a
/// float).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message by their numbers, in order; `None` if the bytes are no message.
pub(super) fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)?),
            1 => Field::Bytes(take(&mut bytes, 8)?),
            2 => {
                let length = varint(&mut bytes)?;
                Field::Bytes(take(&mut bytes, usize::try_from(length).ok()?)?)
            }
            5 => Field::Bytes(take(&mut bytes, 4)?),
            _ => return None,
        };
        fields.push((key >> 3, field));
    }
    Some(fields)
}

/// A float from its four bytes.
pub(super) fn float(bytes: &[u8]) -> Option<f32> {
    Some(f32::from_le_bytes(bytes.try_into().ok()?))
}

/// A number in groups of seven bits, the lowest first; the eighth bit says that more follow.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        number |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_by_hand() {
        // 1: 300; 2: "ab"; 3: 1.5 as a float.
        let message = [0x08, 0xAC, 0x02, 0x12, 0x02, b'a', b'b', 0x1D, 0, 0, 0xC0, 0x3F];
        let read = fields(&message).unwrap();
        assert_eq!(read[..2], [(1, Field::Number(300)), (2, Field::Bytes(b"ab"))]);
        assert!(matches!(read[2], (3, Field::Bytes(bytes)) if float(bytes) == Some(1.5)));
    }

    #[test]
    fn what_is_cut_or_no_message_is_none() {
        assert_eq!(fields(&[0x12, 0x05, b'a']), None);
        assert_eq!(fields(&[0x08]), None);
        assert_eq!(fields(&[0xFF; 12]), None);
        assert_eq!(fields(b"{\"vocab\": 3}"), None);
        assert_eq!(fields(&[]), Some(Vec::new()));
    }
}
