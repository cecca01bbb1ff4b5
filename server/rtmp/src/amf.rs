//! AMF0 (Adobe, 2007), as far as RTMP commands need it. What a stranger sends is bounded in depth and in number.

use bytes::{BufMut, BytesMut};

/// Commands and metadata of encoders nest two deep.
const DEPTH_MAX: usize = 8;
/// OBS's metadata has about 20 values, the richest seen about 60.
const VALUES_MAX: usize = 512;

const NUMBER: u8 = 0;
const BOOLEAN: u8 = 1;
const STRING: u8 = 2;
const OBJECT: u8 = 3;
const NULL: u8 = 5;
const UNDEFINED: u8 = 6;
const ECMA_ARRAY: u8 = 8;
const OBJECT_END: u8 = 9;
const STRICT_ARRAY: u8 = 10;
const DATE: u8 = 11;
const LONG_STRING: u8 = 12;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Bool(bool),
    String(String),
    /// Objects and associative arrays, in their order.
    Object(Vec<(String, Value)>),
    Array(Vec<Value>),
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AmfError {
    #[error("AMF0 that ends early")]
    Truncated,
    #[error("AMF0 of an unknown type")]
    UnknownType,
    #[error("AMF0 nested too deep")]
    TooDeep,
    #[error("AMF0 with too many values")]
    TooMany,
}

impl Value {
    pub(crate) fn str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A member of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Object(members) => members.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }
}

/// All values of a message.
pub(crate) fn decode(mut data: &[u8]) -> Result<Vec<Value>, AmfError> {
    let mut values = Vec::new();
    let mut left = VALUES_MAX;
    while !data.is_empty() {
        values.push(value(&mut data, DEPTH_MAX, &mut left)?);
    }
    Ok(values)
}

fn take<'a>(data: &mut &'a [u8], n: usize) -> Result<&'a [u8], AmfError> {
    let (head, tail) = data.split_at_checked(n).ok_or(AmfError::Truncated)?;
    *data = tail;
    Ok(head)
}

fn byte(data: &mut &[u8]) -> Result<u8, AmfError> {
    let (head, tail) = data.split_first().ok_or(AmfError::Truncated)?;
    *data = tail;
    Ok(*head)
}

fn uint(data: &mut &[u8], bytes: usize) -> Result<usize, AmfError> {
    Ok(take(data, bytes)?
        .iter()
        .fold(0, |n, b| (n << 8) | usize::from(*b)))
}

fn number(data: &mut &[u8]) -> Result<f64, AmfError> {
    let bits = take(data, 8)?
        .iter()
        .fold(0u64, |n, b| (n << 8) | u64::from(*b));
    Ok(f64::from_bits(bits))
}

fn string(data: &mut &[u8], length_bytes: usize) -> Result<String, AmfError> {
    let length = uint(data, length_bytes)?;
    Ok(String::from_utf8_lossy(take(data, length)?).into_owned())
}

fn value(data: &mut &[u8], depth: usize, left: &mut usize) -> Result<Value, AmfError> {
    *left = left.checked_sub(1).ok_or(AmfError::TooMany)?;
    let deeper = || depth.checked_sub(1).ok_or(AmfError::TooDeep);
    Ok(match byte(data)? {
        NUMBER => Value::Number(number(data)?),
        BOOLEAN => Value::Bool(byte(data)? != 0),
        STRING => Value::String(string(data, 2)?),
        LONG_STRING => Value::String(string(data, 4)?),
        OBJECT => Value::Object(members(data, deeper()?, left)?),
        ECMA_ARRAY => {
            // The count is a hint that many senders get wrong.
            take(data, 4)?;
            Value::Object(members(data, deeper()?, left)?)
        }
        STRICT_ARRAY => {
            let depth = deeper()?;
            let count = uint(data, 4)?;
            let mut values = Vec::new();
            for _ in 0..count {
                values.push(value(data, depth, left)?);
            }
            Value::Array(values)
        }
        DATE => {
            let milliseconds = number(data)?;
            take(data, 2)?;
            Value::Number(milliseconds)
        }
        NULL | UNDEFINED => Value::Null,
        _ => return Err(AmfError::UnknownType),
    })
}

fn members(
    data: &mut &[u8],
    depth: usize,
    left: &mut usize,
) -> Result<Vec<(String, Value)>, AmfError> {
    let mut members = Vec::new();
    loop {
        // Some encoders leave the end marker of the last array out.
        if data.is_empty() {
            return Ok(members);
        }
        let name = string(data, 2)?;
        if name.is_empty() && data.first() == Some(&OBJECT_END) {
            byte(data)?;
            return Ok(members);
        }
        members.push((name, value(data, depth, left)?));
    }
}

/// Writes values behind each other.
#[derive(Debug, Default)]
pub(crate) struct Writer(BytesMut);

impl Writer {
    pub(crate) fn number(mut self, number: f64) -> Self {
        self.0.put_u8(NUMBER);
        self.0.put_f64(number);
        self
    }

    pub(crate) fn string(mut self, text: &str) -> Self {
        if let Ok(length) = u16::try_from(text.len()) {
            self.0.put_u8(STRING);
            self.0.put_u16(length);
        } else {
            self.0.put_u8(LONG_STRING);
            self.0
                .put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        self.0.put_slice(text.as_bytes());
        self
    }

    pub(crate) fn null(mut self) -> Self {
        self.0.put_u8(NULL);
        self
    }

    pub(crate) fn object(mut self, members: &[(&str, Value)]) -> Self {
        self.0.put_u8(OBJECT);
        self.members(members);
        self
    }

    pub(crate) fn ecma_array(mut self, members: &[(&str, Value)]) -> Self {
        self.0.put_u8(ECMA_ARRAY);
        self.0
            .put_u32(u32::try_from(members.len()).unwrap_or(u32::MAX));
        self.members(members);
        self
    }

    fn members(&mut self, members: &[(&str, Value)]) {
        for (name, value) in members {
            self.0.put_u16(u16::try_from(name.len()).unwrap_or(0));
            self.0.put_slice(name.as_bytes());
            self.scalar(value);
        }
        self.0.put_slice(&[0, 0, OBJECT_END]);
    }

    /// What is nested is never written by booth.
    fn scalar(&mut self, value: &Value) {
        let this = Self(std::mem::take(&mut self.0));
        self.0 = match value {
            Value::Number(number) => this.number(*number),
            Value::String(text) => this.string(text),
            Value::Bool(on) => {
                let mut this = this;
                this.0.put_slice(&[BOOLEAN, u8::from(*on)]);
                this
            }
            Value::Object(_) | Value::Array(_) | Value::Null => this.null(),
        }
        .0;
    }

    pub(crate) fn done(self) -> BytesMut {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let long = "x".repeat(70_000);
        let bytes = Writer::default()
            .string("connect")
            .number(1.0)
            .object(&[
                ("app", Value::String("live".into())),
                ("fpad", Value::Bool(false)),
            ])
            .ecma_array(&[("width", Value::Number(1280.0))])
            .string(&long)
            .null()
            .done();
        assert_eq!(
            decode(&bytes).unwrap(),
            [
                Value::String("connect".into()),
                Value::Number(1.0),
                Value::Object(vec![
                    ("app".into(), Value::String("live".into())),
                    ("fpad".into(), Value::Bool(false)),
                ]),
                Value::Object(vec![("width".into(), Value::Number(1280.0))]),
                Value::String(long),
                Value::Null,
            ]
        );
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_an_overflow() {
        let mut bomb = Vec::new();
        for _ in 0..20_000 {
            bomb.extend_from_slice(&[OBJECT, 0, 1, b'a']);
        }
        assert_eq!(decode(&bomb), Err(AmfError::TooDeep));
    }

    #[test]
    fn a_claimed_array_of_four_billion_costs_nothing() {
        let claim = [STRICT_ARRAY, 0xFF, 0xFF, 0xFF, 0xFF, NULL];
        assert_eq!(decode(&claim), Err(AmfError::Truncated));
        let mut many = vec![STRICT_ARRAY, 0, 1, 0, 0];
        many.extend(std::iter::repeat_n(NULL, 65_536));
        assert_eq!(decode(&many), Err(AmfError::TooMany));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
