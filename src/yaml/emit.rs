//! The writer: block style, two spaces, lists not indented under their key (as kops writes). Writes whatever says its form to serde, as it says it.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Value as Json;

use super::words::{emit_scalar, pad, text, whole_number, word};

/// The value as a YAML document, ending in a newline. Key order is kept.
pub fn emit(value: &Json) -> String {
    // A value always has a form.
    document(value, Keys::Strings).unwrap_or_default()
}

/// As [`emit`], of anything that says its form to serde: what [`emit`] writes of its JSON, without making that first.
///
/// # Errors
/// A map whose keys are no scalars.
pub fn emit_of(value: &impl Serialize) -> Result<String, NoForm> {
    document(value, Keys::Strings)
}

/// As [`emit`], with keys that are whole numbers written as numbers: a reader that wants numbers takes no strings for them
/// (cluster-autoscaler's priorities), and one that wants strings takes both.
pub fn emit_with_number_keys(value: &Json) -> String {
    document(value, Keys::Numbers).unwrap_or_default()
}

/// Why a value has no form in YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoForm(String);

impl serde::ser::Error for NoForm {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        NoForm(message.to_string())
    }
}

/// What a key such as `10` is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    Strings,
    Numbers,
}

/// Bytes of a usual document.
const USUAL: usize = 1_024;

fn document(value: &impl Serialize, keys: Keys) -> Result<String, NoForm> {
    let mut out = String::with_capacity(USUAL);
    value.serialize(Writer {
        out: &mut out,
        keys,
        place: Place::Root,
    })?;
    Ok(out)
}

/// Where the next value is written; the number is the indentation of the mapping or list around it.
#[derive(Clone, Copy)]
enum Place {
    /// The document itself.
    Root,
    /// A key, which its colon follows.
    Name,
    /// Behind `key:`.
    Key(usize),
    /// Behind the dash of an item.
    Item(usize),
}

/// Writes one value.
struct Writer<'o> {
    out: &'o mut String,
    keys: Keys,
    place: Place,
}

impl<'o> Writer<'o> {
    /// A value without quotes, or a key that looks like one.
    fn plain(self, value: &str) {
        match self.place {
            Place::Name => return self.name(value),
            Place::Key(_) => self.out.push(' '),
            Place::Root | Place::Item(_) => {}
        }
        self.out.push_str(value);
        self.out.push('\n');
    }

    fn name(self, key: &str) {
        if self.keys == Keys::Numbers && whole_number(key) {
            self.out.push_str(key);
        } else {
            word(self.out, key);
        }
        self.out.push(':');
    }

    fn string(self, value: &str) {
        match self.place {
            Place::Name => self.name(value),
            Place::Root => {
                word(self.out, value);
                self.out.push('\n');
            }
            Place::Key(indent) => {
                self.out.push(' ');
                text(self.out, value, indent + 2);
            }
            Place::Item(indent) => text(self.out, value, indent + 2),
        }
    }

    fn mapping(self) -> Result<Block<'o>, NoForm> {
        let indent = match self.place {
            Place::Name => return Err(no_name()),
            Place::Root => 0,
            Place::Key(indent) | Place::Item(indent) => indent + 2,
        };
        Ok(self.block(indent, "{}"))
    }

    fn list(self) -> Result<Block<'o>, NoForm> {
        let indent = match self.place {
            Place::Name => return Err(no_name()),
            Place::Root => 0,
            Place::Key(indent) => indent,
            Place::Item(indent) => indent + 2,
        };
        Ok(self.block(indent, "[]"))
    }

    fn block(self, indent: usize, empty: &'static str) -> Block<'o> {
        Block {
            writer: self,
            indent,
            empty: Some(empty),
        }
    }

    /// A mapping with one key: how serde's enums with values look in JSON.
    fn tagged(self, tag: &str) -> Result<Writer<'o>, NoForm> {
        let mut block = self.mapping()?;
        block.key(tag)?;
        Ok(Writer {
            place: Place::Key(block.indent),
            ..block.writer
        })
    }
}

fn no_name() -> NoForm {
    NoForm("a key is a scalar".into())
}

/// A mapping or list whose entries follow.
struct Block<'o> {
    writer: Writer<'o>,
    indent: usize,
    /// What it is while nothing has been written.
    empty: Option<&'static str>,
}

impl Block<'_> {
    /// The beginning of an entry's line. The first one of an item stands behind its dash.
    fn line(&mut self) {
        let is_first = self.empty.take().is_some();
        match self.writer.place {
            Place::Key(_) if is_first => self.writer.out.push('\n'),
            Place::Item(_) if is_first => return,
            Place::Root | Place::Name | Place::Key(_) | Place::Item(_) => {}
        }
        pad(self.writer.out, self.indent);
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NoForm> {
        self.line();
        key.serialize(self.at(Place::Name))
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoForm> {
        let place = Place::Key(self.indent);
        value.serialize(self.at(place))
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoForm> {
        self.line();
        self.writer.out.push_str("- ");
        let place = Place::Item(self.indent);
        value.serialize(self.at(place))
    }

    fn at(&mut self, place: Place) -> Writer<'_> {
        Writer {
            out: &mut *self.writer.out,
            keys: self.writer.keys,
            place,
        }
    }

    fn close(self) {
        if let Some(empty) = self.empty {
            self.writer.plain(empty);
        }
    }
}

/// Numbers as JSON has them.
macro_rules! numbers {
    ($($name:ident: $type:ty),* $(,)?) => {$(
        fn $name(self, value: $type) -> Result<(), NoForm> {
            self.plain(&emit_scalar(&Json::from(value)));
            Ok(())
        }
    )*};
}

impl<'o> Serializer for Writer<'o> {
    type Ok = ();
    type Error = NoForm;
    type SerializeSeq = Block<'o>;
    type SerializeTuple = Block<'o>;
    type SerializeTupleStruct = Block<'o>;
    type SerializeTupleVariant = Block<'o>;
    type SerializeMap = Block<'o>;
    type SerializeStruct = Block<'o>;
    type SerializeStructVariant = Block<'o>;

    numbers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_f32: f32, serialize_f64: f64,
    }

    fn serialize_bool(self, value: bool) -> Result<(), NoForm> {
        self.plain(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), NoForm> {
        self.string(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), NoForm> {
        self.string(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), NoForm> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<(), NoForm> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NoForm> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), NoForm> {
        if let Place::Name = self.place {
            return Err(no_name());
        }
        self.plain("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), NoForm> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), NoForm> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), NoForm> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), NoForm> {
        value.serialize(self.tagged(variant)?)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Block<'o>, NoForm> {
        self.list()
    }

    fn serialize_tuple(self, _len: usize) -> Result<Block<'o>, NoForm> {
        self.list()
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Block<'o>, NoForm> {
        self.list()
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Block<'o>, NoForm> {
        self.tagged(variant)?.list()
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Block<'o>, NoForm> {
        self.mapping()
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Block<'o>, NoForm> {
        self.mapping()
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Block<'o>, NoForm> {
        self.tagged(variant)?.mapping()
    }
}

/// Lists, by whatever name serde calls them.
macro_rules! lists {
    ($($name:ident: $method:ident),* $(,)?) => {$(
        impl $name for Block<'_> {
            type Ok = ();
            type Error = NoForm;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoForm> {
                self.item(value)
            }

            fn end(self) -> Result<(), NoForm> {
                self.close();
                Ok(())
            }
        }
    )*};
}

lists! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

/// Mappings with keys that are known beforehand.
macro_rules! structs {
    ($($name:ident),* $(,)?) => {$(
        impl $name for Block<'_> {
            type Ok = ();
            type Error = NoForm;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), NoForm> {
                self.key(key)?;
                self.value(value)
            }

            fn end(self) -> Result<(), NoForm> {
                self.close();
                Ok(())
            }
        }
    )*};
}

structs!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Block<'_> {
    type Ok = ();
    type Error = NoForm;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NoForm> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoForm> {
        self.value(value)
    }

    fn end(self) -> Result<(), NoForm> {
        self.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::yaml::{Schema, parse_one};
    use serde_json::json;

    /// Every form that serde knows.
    #[derive(serde::Serialize)]
    enum Form {
        Unit,
        New(Vec<u8>),
        Two(bool, Option<char>),
        Named { f: f64, g: (), inner: Box<Form> },
    }

    #[test]
    fn a_value_is_written_as_its_json_is() {
        let named = Form::Named {
            f: 1.0,
            g: (),
            inner: Box::new(Form::New(Vec::new())),
        };
        let forms = [
            Form::Unit,
            Form::New(vec![1, 2]),
            Form::Two(true, Some('y')),
            Form::Two(false, None),
            named,
        ];
        let map = BTreeMap::from([(10_u8, &forms), (2, &forms)]);
        let all = (
            map,
            [[0_i64; 0]; 2],
            BTreeMap::from([("yes", "a\nb")]),
            -1_i8,
        );
        assert_eq!(emit_of(&all), Ok(emit(&json!(all))));
        assert_eq!(emit_of(&"a\nb"), Ok(emit(&json!("a\nb"))));
        assert_eq!(emit_of(&[(); 0]), Ok("[]\n".into()));
        assert!(emit_of(&BTreeMap::from([([0], 1)])).is_err());
    }

    #[test]
    fn looks_like_what_kops_writes() {
        let value = json!({"a": "x", "yes": "no", "list": [{"k": "v", "l": [1, "2"]}, [true], []], "text": "one\ntwo\n", "e": {}, "n": null});
        assert_eq!(
            emit(&value),
            "a: x\n\"yes\": \"no\"\nlist:\n- k: v\n  l:\n  - 1\n  - \"2\"\n- - true\n- []\ntext: |\n  one\n  two\ne: {}\n\"n\": null\n"
        );
    }

    proptest::proptest! {
        #[test]
        fn every_string_reads_back_as_itself_under_both_schemas(text in "[-yn0-9oxeE_:., a-c#'\"\\[\\]{}&*!|>%@`~\t\n\\\\é\u{85}\u{2028}]{0,12}") {
            for value in [json!(text), json!({"k": text}), json!([text]), json!({text.clone(): 1})] {
                for schema in [Schema::Core, Schema::Kops] {
                    let back = parse_one(&emit(&value), schema).map(|n| n.to_json());
                    proptest::prop_assert_eq!(back.as_ref(), Ok(&value), "{}", emit(&value));
                }
            }
        }
    }
}
