//! Arrays as text: `{a,"b c",NULL}`, for elements that have no binary form.

use super::array::{ArrayCodec, DIMENSIONS_MAX, bad_element};
use super::wire::Malformed;
use bytes::{BufMut, BytesMut};
use pyo3::prelude::*;
use pyo3::types::PyList;

/// Writes an array; every element that is not NULL is quoted.
pub(super) fn encode(
    codec: &ArrayCodec,
    top: &Bound<'_, PyList>,
    counts: &[usize],
    out: &mut BytesMut,
) -> PyResult<()> {
    if counts.is_empty() {
        out.put_slice(b"{}");
        return Ok(());
    }
    // How many elements one list of each level holds: where a number is a multiple of that, such
    // a list begins.
    let mut sizes: Vec<usize> = counts.to_vec();
    for level in (0..sizes.len() - 1).rev() {
        sizes[level] = sizes[level].saturating_mul(sizes[level + 1]);
    }
    let mut scratch = BytesMut::new();
    codec.visit(top, counts, &mut |index, item| {
        let begun = sizes.iter().filter(|&&size| index % size == 0).count();
        if index > 0 {
            out.put_bytes(b'}', begun);
            out.put_u8(codec.delimiter);
        }
        out.put_bytes(b'{', begun);
        if item.is_none() {
            out.put_slice(b"NULL");
            return Ok(());
        }
        scratch.clear();
        let encoded = codec.element.encode(item, &mut scratch);
        encoded.map_err(|error| bad_element(item.py(), index, &error))?;
        put_quoted(&scratch, out);
        Ok(())
    })?;
    out.put_bytes(b'}', counts.len());
    Ok(())
}

fn put_quoted(text: &[u8], out: &mut BytesMut) {
    out.put_u8(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(byte);
    }
    out.put_u8(b'"');
}

/// Reads an array.
pub(super) fn decode<'py>(
    py: Python<'py>,
    codec: &ArrayCodec,
    text: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    // Bounds that do not begin at 1 come first: `[0:2]={...}`.
    let start = match text.first() {
        Some(b'[') => text.iter().position(|&byte| byte == b'=').map(|at| at + 1),
        _ => Some(0),
    };
    let rest = start.and_then(|start| text.get(start..));
    let mut parser = Parser {
        codec,
        rest: rest.unwrap_or_default(),
    };
    let list = parser.list(py, 1)?;
    if parser.rest.is_empty() {
        Ok(list)
    } else {
        Err(Malformed("text after an array's end").into())
    }
}

struct Parser<'a> {
    codec: &'a ArrayCodec,
    rest: &'a [u8],
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Result<u8, Malformed> {
        let (&byte, rest) = self
            .rest
            .split_first()
            .ok_or(Malformed("an array without its end"))?;
        self.rest = rest;
        Ok(byte)
    }

    fn list<'py>(&mut self, py: Python<'py>, depth: usize) -> PyResult<Bound<'py, PyAny>> {
        if self.next()? != b'{' || depth > DIMENSIONS_MAX {
            return Err(Malformed("no array").into());
        }
        let list = PyList::empty(py);
        if self.rest.first() == Some(&b'}') {
            self.next()?;
            return Ok(list.into_any());
        }
        loop {
            list.append(self.item(py, depth)?)?;
            match self.next()? {
                b'}' => return Ok(list.into_any()),
                byte if byte == self.codec.delimiter => {}
                _ => return Err(Malformed("no delimiter between an array's elements").into()),
            }
        }
    }

    fn item<'py>(&mut self, py: Python<'py>, depth: usize) -> PyResult<Bound<'py, PyAny>> {
        match self.rest.first() {
            Some(b'{') => self.list(py, depth + 1),
            Some(b'"') => {
                self.next()?;
                let text = self.quoted()?;
                self.codec.element.decode(py, &text)
            }
            _ => {
                let text = self.bare()?;
                if text.eq_ignore_ascii_case(b"NULL") {
                    return Ok(py.None().into_bound(py));
                }
                self.codec.element.decode(py, &text)
            }
        }
    }

    fn quoted(&mut self) -> Result<Vec<u8>, Malformed> {
        let mut text = Vec::new();
        loop {
            match self.next()? {
                b'"' => return Ok(text),
                b'\\' => text.push(self.next()?),
                byte => text.push(byte),
            }
        }
    }

    fn bare(&mut self) -> Result<Vec<u8>, Malformed> {
        let mut text = Vec::new();
        while let Some(&byte) = self.rest.first() {
            match byte {
                b'}' => break,
                byte if byte == self.codec.delimiter => break,
                b'\\' => {
                    self.next()?;
                    text.push(self.next()?);
                }
                byte => {
                    self.next()?;
                    text.push(byte);
                }
            }
        }
        Ok(text)
    }
}
