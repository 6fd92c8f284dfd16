//! JSON: a list of codes or of `{"code", "pin"}`, bare or under `"coupons"`, read element by element.
//!
//! Numbers count as codes only when they are whole and fit 64 bits, for else their digits are lost. Other keys are
//! ignored. An element that is no coupon refuses its row; text that is no JSON, the file.
//!
//! Never holds more than one element's strings, and those are bounded by [`Watched`].

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::decode::Text;
use super::rows::{judge, refuse};
use super::{FileFault, LINE_BYTES_MAX, Layout, Outlet, ReadError, RefusalReason, Refused, Row, SinkClosed};

const EXPECTED: &str = "a list of coupons, or an object with such a list under \"coupons\"";

pub(super) fn read<R: Read>(text: &mut Text<R>, outlet: &mut Outlet<'_>) -> Result<Layout, ReadError> {
    let mut input = BufReader::new(Watched { text, line: 1, blank: true, string: None });
    let mut json = serde_json::Deserializer::from_reader(&mut input);
    let mut list = List { outlet, elements: 0, closed: false };
    let outcome = json.deserialize_any(&mut list).and_then(|()| json.end());
    match outcome {
        Ok(()) => Ok(Layout { header_skipped: false, delimiter: None }),
        Err(_) if list.closed => Err(SinkClosed.into()),
        Err(error) if error.is_eof() && input.get_ref().blank => Err(FileFault::EmptyFile.into()),
        Err(error) => Err(cause(error)),
    }
}

fn cause(error: serde_json::Error) -> ReadError {
    let message = match error.classify() {
        Category::Io => return io::Error::from(error).into(),
        // Serde's own words would repeat what the file says.
        Category::Data => format!("expected {EXPECTED}"),
        Category::Syntax | Category::Eof => {
            let text = error.to_string();
            text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned()
        }
    };
    FileFault::InvalidJson { line: error.line() as u64, column: error.column() as u64, message }.into()
}

/// The text of the file, with an eye on how long its strings are: the parser would hold a string of any length.
struct Watched<'a, R> {
    text: &'a mut Text<R>,
    line: u64,
    /// Nothing but white space so far.
    blank: bool,
    /// Inside a string: its bytes so far, and whether the last of them was a backslash that escapes the next.
    string: Option<(usize, bool)>,
}

impl<R: Read> Watched<'_, R> {
    fn step(&mut self, byte: u8) -> Result<(), FileFault> {
        self.line += u64::from(byte == b'\n');
        self.blank &= byte.is_ascii_whitespace();
        self.string = match (self.string, byte) {
            (None, b'"') => Some((0, false)),
            (None, _) | (Some((_, false)), b'"') => None,
            (Some((LINE_BYTES_MAX, _)), _) => return Err(FileFault::LineTooLong { line: self.line }),
            (Some((length, escapes)), _) => Some((length + 1, byte == b'\\' && !escapes)),
        };
        Ok(())
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.text.fill_buf()?.read(buffer)?;
        for byte in &buffer[..bytes] {
            self.step(*byte)?;
        }
        self.text.consume(bytes);
        Ok(bytes)
    }
}

/// Hands over each element of the list as soon as it is read.
struct List<'a, 'sink> {
    outlet: &'a mut Outlet<'sink>,
    elements: u64,
    closed: bool,
}

/// For the list under `"coupons"`, which must be a list itself.
impl<'de> DeserializeSeed<'de> for &mut List<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for &mut List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element_seed(AnyValue::Element)? {
            self.elements += 1;
            self.outlet.push(row(self.elements, &element)).map_err(|closed| {
                self.closed = true;
                A::Error::custom(closed)
            })?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(key) = object.next_key::<String>()? {
            if key == "coupons" {
                object.next_value_seed(&mut *self)?;
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

fn row(line: u64, element: &Element) -> Result<Row, Refused> {
    let code = match &element.code {
        Cell::Text(code) => code,
        Cell::Missing => "",
        Cell::Wrong => return Err(refuse(line, "", RefusalReason::InvalidCode)),
    };
    match &element.pin {
        Cell::Text(pin) => judge(line, code, pin),
        Cell::Missing => judge(line, code, ""),
        Cell::Wrong => judge(line, code, "").and_then(|_| Err(refuse(line, code, RefusalReason::InvalidPin))),
    }
}

/// What an element of the list says, whatever its type. A bare value is a code.
struct Element {
    code: Cell,
    pin: Cell,
}

enum Cell {
    Missing,
    Text(String),
    Wrong,
}

impl From<Cell> for Element {
    fn from(code: Cell) -> Self {
        Self { code, pin: Cell::Missing }
    }
}

/// Reads a value of any type, without keeping what is no coupon.
#[derive(Clone, Copy)]
enum AnyValue {
    /// Of the list: may be an object, must not be null.
    Element,
    /// Of an object: may be null, must not be an object. Stands in the result's `code`.
    Field,
}

impl<'de> DeserializeSeed<'de> for AnyValue {
    type Value = Element;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Element, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a coupon")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Element, E> {
        Ok(Cell::Text(text.to_owned()).into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Element, E> {
        Ok(Cell::Text(number.to_string()).into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Element, E> {
        Ok(Cell::Text(number.to_string()).into())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Element, E> {
        Ok(Cell::Wrong.into())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Element, E> {
        Ok(Cell::Wrong.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Element, E> {
        match self {
            Self::Element => Ok(Cell::Wrong.into()),
            Self::Field => Ok(Cell::Missing.into()),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Element, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cell::Wrong.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Element, A::Error> {
        let mut element = Element::from(Cell::Missing);
        while let Some(key) = object.next_key::<String>()? {
            match (self, key.as_str()) {
                (Self::Element, "code") => element.code = object.next_value_seed(Self::Field)?.code,
                (Self::Element, "pin") => element.pin = object.next_value_seed(Self::Field)?.code,
                _ => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        match self {
            Self::Element => Ok(element),
            Self::Field => Ok(Cell::Wrong.into()),
        }
    }
}
