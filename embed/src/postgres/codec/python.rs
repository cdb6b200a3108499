//! `PgTypes`: the registry of types as Python sees it.

use super::{Custom, CustomFormat, TypeInfo, TypeKind, Types, TypesOptions};
use bytes::BytesMut;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Arc;

/// The types that a pool's connections know, and how their values become Python objects.
#[pyclass(name = "PgTypes", module = "fasterapi._core", frozen)]
pub(crate) struct PyTypes {
    types: Types,
}

impl PyTypes {
    /// The registry itself.
    pub(crate) fn types(&self) -> &Types {
        &self.types
    }

    fn codec(&self, oid: u32) -> PyResult<Arc<super::Codec>> {
        self.types()
            .codec(oid)
            .ok_or_else(|| PyKeyError::new_err(oid))
    }
}

#[pymethods]
impl PyTypes {
    #[new]
    #[pyo3(signature = (*, json_as_text=false, extensions=true))]
    fn new(json_as_text: bool, extensions: bool) -> Self {
        Self {
            types: Types::new(TypesOptions {
                json_as_text,
                extensions,
            }),
        }
    }

    #[pyo3(signature = (oid, schema, name, kind, *, element=0, delimiter=',', labels=Vec::new(), fields=Vec::new()))]
    #[expect(clippy::too_many_arguments, reason = "a row of pg_type has them all")]
    fn add(
        &self,
        oid: u32,
        schema: String,
        name: String,
        kind: &str,
        element: u32,
        delimiter: char,
        labels: Vec<String>,
        fields: Vec<(String, u32)>,
    ) -> PyResult<()> {
        let kind = match kind {
            "base" => TypeKind::Base,
            "array" => TypeKind::Array {
                element,
                delimiter: u8::try_from(delimiter).unwrap_or(b','),
            },
            "enum" => TypeKind::Enum(labels),
            "domain" => TypeKind::Domain(element),
            "composite" => TypeKind::Composite(fields),
            "range" => TypeKind::Range(element),
            "multirange" => TypeKind::Multirange(element),
            "pseudo" => TypeKind::Pseudo,
            other => {
                let problem = format!("unknown kind of type: '{other}'");
                return Err(PyValueError::new_err(problem));
            }
        };
        self.types.add(TypeInfo {
            oid,
            schema,
            name,
            kind,
        });
        Ok(())
    }

    fn unknown(&self, oids: Vec<u32>) -> Vec<u32> {
        self.types.unknown(&oids)
    }

    fn info(&self, oid: u32) -> Option<(String, String, &'static str)> {
        let info = self.types.info(oid)?;
        let kind = match info.kind {
            TypeKind::Base => "base",
            TypeKind::Array { .. } | TypeKind::Vector(_) => "array",
            TypeKind::Enum(_) => "enum",
            TypeKind::Domain(_) => "domain",
            TypeKind::Composite(_) => "composite",
            TypeKind::Range(_) => "range",
            TypeKind::Multirange(_) | TypeKind::MultirangeOf(_) => "multirange",
            TypeKind::Pseudo => "pseudo",
        };
        Some((info.schema, info.name, kind))
    }

    fn format(&self, oid: u32) -> PyResult<i16> {
        Ok(self.codec(oid)?.format())
    }

    #[pyo3(signature = (oid, encoder, decoder, format="text"))]
    fn set_custom(
        &self,
        oid: u32,
        encoder: Py<PyAny>,
        decoder: Py<PyAny>,
        format: &str,
    ) -> PyResult<()> {
        let format = match format {
            "text" => CustomFormat::Text,
            "binary" => CustomFormat::Binary,
            "tuple" => CustomFormat::Tuple,
            other => {
                return Err(PyValueError::new_err(format!(
                    "invalid 'format' argument, expected 'text', 'binary' or 'tuple', got '{other}'"
                )));
            }
        };
        self.types.set_custom(
            oid,
            Custom {
                encoder,
                decoder,
                format,
            },
        )
    }

    fn use_builtin(&self, oid: u32, name: &str) -> PyResult<()> {
        self.types.use_builtin(oid, name)
    }

    /// Forgets every type that was added.
    fn forget(&self) {
        self.types.forget();
    }

    fn reset_custom(&self, oid: u32) {
        self.types.reset_custom(oid);
    }

    #[getter]
    fn generation(&self) -> u64 {
        self.types.generation()
    }

    fn encode<'py>(&self, oid: u32, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let mut out = BytesMut::new();
        self.codec(oid)?.encode(value, &mut out)?;
        Ok(PyBytes::new(value.py(), &out))
    }

    fn json<'py>(&self, py: Python<'py>, oid: u32, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let mut out = Vec::new();
        self.codec(oid)?.json_text_or_object(py, data, &mut out)?;
        Ok(PyBytes::new(py, &out))
    }

    fn decode<'py>(&self, py: Python<'py>, oid: u32, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        self.codec(oid)?.decode(py, data)
    }
}
