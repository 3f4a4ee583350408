//! Writes any `Serialize` value as JSON text, without ever turning data into `null`.
//!
//! `serde_json` writes `NaN` and the infinities as `null`, which a reader cannot tell from a missing value. Python writes
//! and reads them as bare words; so do we. Everything else comes out as `serde_json` writes it.

use std::fmt::Display;

use serde::ser::{self, Serialize};

use super::error::ValueError;
use super::text::{write_int, write_string};

/// The JSON text of `value`.
pub(crate) fn to_text<T: Serialize + ?Sized>(value: &T) -> Result<String, ValueError> {
    let mut writer = Writer { out: Vec::with_capacity(64), depth: 0 };
    value.serialize(&mut writer)?;
    String::from_utf8(writer.out).map_err(|error| ValueError::Unwritable(error.to_string()))
}

/// What `serde_json` names the struct that carries a text to be written as it is (`RawValue`).
const RAW: &str = "$serde_json::private::RawValue";
/// And one that carries a number, where some crate of the program has switched on `serde_json`'s `arbitrary_precision`.
const NUMBER: &str = "$serde_json::private::Number";

/// As deep as a value may be nested: readers take 512 levels, and a result becomes a part of other values. A value that is
/// deeper is refused here instead of by everybody who reads it, and ends no stack.
const MAX_DEPTH: usize = 500;

struct Writer {
    out: Vec<u8>,
    /// How many arrays and objects are open.
    depth: usize,
}

impl Writer {
    fn deeper(&mut self, levels: usize) -> Result<(), ValueError> {
        self.depth += levels;
        if self.depth > MAX_DEPTH { Err(ValueError::TooDeep(MAX_DEPTH)) } else { Ok(()) }
    }

    fn float(
        &mut self,
        value: f64,
        short: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
    ) -> Result<(), ValueError> {
        if value.is_nan() {
            self.out.extend_from_slice(b"NaN");
        } else if value.is_infinite() {
            self.out.extend_from_slice(if value > 0.0 { b"Infinity" } else { b"-Infinity" });
        } else {
            short(&mut self.out).map_err(|error| ValueError::Unwritable(error.to_string()))?;
        }
        Ok(())
    }

    /// `{"variant":`, which [`Open::close`] ends.
    fn variant(&mut self, variant: &str) -> Result<(), ValueError> {
        self.deeper(1)?;
        self.out.push(b'{');
        write_string(&mut self.out, variant);
        self.out.push(b':');
        Ok(())
    }

    fn key(&mut self, key: &(impl Serialize + ?Sized)) -> Result<(), ValueError> {
        let start = self.out.len();
        key.serialize(&mut *self)?;
        match self.out.get(start) {
            Some(b'"') => {}
            Some(b'-' | b'0'..=b'9' | b't' | b'f') if self.out.get(start..start + 2) != Some(b"-I") => {
                self.out.insert(start, b'"');
                self.out.push(b'"');
            }
            _ => return Err(ValueError::Unwritable("a key of a JSON object must be text or a number".to_owned())),
        }
        self.out.push(b':');
        Ok(())
    }
}

impl ser::Error for ValueError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Unwritable(message.to_string())
    }
}

/// An array or object being written.
struct Open<'w> {
    writer: &'w mut Writer,
    first: bool,
    /// What ends it, a byte for each level.
    close: &'static [u8],
    /// It is a text to be written as it is.
    raw: bool,
}

impl<'w> Open<'w> {
    fn new(writer: &'w mut Writer, open: u8, close: &'static [u8]) -> Result<Self, ValueError> {
        writer.deeper(1)?;
        writer.out.push(open);
        Ok(Self { writer, first: true, close, raw: false })
    }

    fn comma(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.writer.out.push(b',');
        }
    }

    fn element(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), ValueError> {
        self.comma();
        value.serialize(&mut *self.writer)
    }

    fn field(&mut self, key: &'static str, value: &(impl Serialize + ?Sized)) -> Result<(), ValueError> {
        if self.raw {
            let text: String = serde_json::to_value(value)
                .and_then(serde_json::from_value)
                .map_err(|error| ValueError::Unwritable(error.to_string()))?;
            self.writer.out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        self.comma();
        write_string(&mut self.writer.out, key);
        self.writer.out.push(b':');
        value.serialize(&mut *self.writer)
    }

    fn close(self) {
        self.writer.out.extend_from_slice(self.close);
        self.writer.depth -= self.close.len();
    }
}

macro_rules! ints {
    ($($method:ident: $int:ty),*) => {$(
        fn $method(self, value: $int) -> Result<(), ValueError> {
            write_int(&mut self.out, value);
            Ok(())
        }
    )*};
}

impl<'w> ser::Serializer for &'w mut Writer {
    type Ok = ();
    type Error = ValueError;
    type SerializeSeq = Open<'w>;
    type SerializeTuple = Open<'w>;
    type SerializeTupleStruct = Open<'w>;
    type SerializeTupleVariant = Open<'w>;
    type SerializeMap = Open<'w>;
    type SerializeStruct = Open<'w>;
    type SerializeStructVariant = Open<'w>;

    ints!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128);
    ints!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64);

    fn serialize_u128(self, value: u128) -> Result<(), ValueError> {
        self.out.extend_from_slice(value.to_string().as_bytes());
        Ok(())
    }

    fn serialize_bool(self, value: bool) -> Result<(), ValueError> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), ValueError> {
        self.float(f64::from(value), |out| serde_json::to_writer(out, &value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), ValueError> {
        self.float(value, |out| serde_json::to_writer(out, &value))
    }

    fn serialize_char(self, value: char) -> Result<(), ValueError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), ValueError> {
        write_string(&mut self.out, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), ValueError> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<(), ValueError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), ValueError> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), ValueError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), ValueError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), ValueError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.out.push(b'}');
        self.depth -= 1;
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'w>, ValueError> {
        Open::new(self, b'[', b"]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Open<'w>, ValueError> {
        Open::new(self, b'[', b"]")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Open<'w>, ValueError> {
        Open::new(self, b'[', b"]")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'w>, ValueError> {
        self.variant(variant)?;
        Open::new(self, b'[', b"]}")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'w>, ValueError> {
        Open::new(self, b'{', b"}")
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Open<'w>, ValueError> {
        if matches!(name, RAW | NUMBER) {
            return Ok(Open { writer: self, first: true, close: b"", raw: true });
        }
        Open::new(self, b'{', b"}")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'w>, ValueError> {
        self.variant(variant)?;
        Open::new(self, b'{', b"}}")
    }
}

macro_rules! sequences {
    ($($trait:ident::$method:ident),*) => {$(
        impl ser::$trait for Open<'_> {
            type Ok = ();
            type Error = ValueError;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
                self.element(value)
            }
            fn end(self) -> Result<(), ValueError> {
                self.close();
                Ok(())
            }
        }
    )*};
}

sequences!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! structs {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Open<'_> {
            type Ok = ();
            type Error = ValueError;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), ValueError> {
                self.field(key, value)
            }
            fn end(self) -> Result<(), ValueError> {
                self.close();
                Ok(())
            }
        }
    )*};
}

structs!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Open<'_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        self.comma();
        self.writer.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), ValueError> {
        self.close();
        Ok(())
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
